// The page of one conversation: keys and buttons become events, and what stands of the conversation is painted.
// lima says what stands; what is not saved yet is painted on top of it.
"use strict";

const KEYS = { 1: "fail", f: "fail", 2: "pass", p: "pass", 3: "excellent", e: "excellent", x: "cannot judge" };
const BETTER = { a: "left", b: "right", n: "neither" };
const SAID = { saved: "All saved", waiting: "Saving …", failed: "Not saved yet: lima does not answer. Trying again." };
const byId = (id) => document.getElementById(id);
const secret = location.pathname.split("/")[1];
const others = new BroadcastChannel(`lima ${secret}`);
let page, state, current, following, untouched, refusal = "";

const outbox = new Outbox(secret, () => `/${secret}/events`,
  () => ({ item: Number(page.dataset.item), have: Math.max(0, ...[...document.querySelectorAll(".turn")].map((t) => Number(t.dataset.number))) }),
  { status: say, answer: take, refused: (why) => { refusal = why; } });

function say(status) {
  const place = byId("saved"), text = refusal && status === "saved" ? refusal : SAID[status];
  if (place.textContent !== text) place.textContent = text;
  place.className = refusal && status === "saved" ? "failed" : status === "saved" ? "" : status;
}

// ---- what stands

const nameOf = (cell) => `${cell.turn}-${cell.side}`;
const elementOf = (cell) => cell && byId(`cell-${nameOf(cell)}`);

// What lima said, with the events on top that it has not seen
function view() {
  const cells = new Map(state.cells.map((cell) => [nameOf(cell), { ...cell, ticks: { ...cell.ticks } }]));
  let preferred = state.preferred, undoable = [...state.undoable];
  const waiting = outbox.events.filter((one) => one.item === Number(page.dataset.item));
  const undone = new Set(waiting.filter((one) => one.kind === "undo").map((one) => one.value));
  for (const event of waiting.filter((one) => !undone.has(one.id))) {
    const cell = cells.get(nameOf(event));
    if (event.kind === "undo") undoable = undoable.filter((one) => one.id !== event.value);
    else undoable.push(event);
    if (event.kind === "prefer") preferred = event.value;
    if (!cell) continue;
    if (event.kind === "grade") cell.grade = event.value;
    if (event.kind === "comment") cell.comment = event.value;
    if (event.kind === "tick") cell.ticks[event.value.split(":")[0]] = event.value.endsWith("yes");
  }
  return { cells: [...cells.values()], preferred, undoable };
}

function take(found, batch) {
  refusal = batch.map((event) => found.refused[event.id]).find(Boolean) || refusal;
  if (batch.length) others.postMessage(String(found.item));
  if (found.item !== Number(page.dataset.item)) return outbox.ask();  // it was asked before the page moved on
  const arrived = document.createElement("template");
  arrived.innerHTML = found.html;
  for (const turn of arrived.content.querySelectorAll(".turn")) {
    if (!document.querySelector(`.turn[data-number="${turn.dataset.number}"]`)) byId("turns").append(turn);
  }
  state = found.state;
  paint();
  const open = firstOpen();
  // What another page saved while this one was on its way
  if (untouched && open && !(current && nameOf(open) === nameOf(current))) moveTo(open);
  untouched = false;
}

const firstOpen = (seen = view()) => seen.cells.find((cell) => !cell.grade);

function paint() {
  const seen = view(), open = firstOpen(seen);
  for (const cell of seen.cells) {
    const element = elementOf(cell);
    for (const button of element.querySelectorAll("[data-grade]")) press(button, button.dataset.grade === cell.grade);
    for (const box of element.querySelectorAll("[data-tick]")) box.checked = Boolean(cell.ticks[box.dataset.tick]);
    const field = element.querySelector("textarea");
    if (field !== document.activeElement && !field.dataset.timer) field.value = field.dataset.saved = cell.comment;
  }
  for (const button of document.querySelectorAll("[data-prefer]")) press(button, button.dataset.prefer === seen.preferred);
  const graded = !open && !state.more, asks = page.dataset.asks === "yes";
  byId("more").hidden = !state.more;
  if (asks) byId("better").hidden = !graded;
  byId("end").hidden = !(graded && (seen.preferred || !asks));
  byId("onward").href = state.next ? String(state.next) : "../";
  byId("onward").firstChild.textContent = state.next ? "Next open conversation " : "Finish ";
  byId("meter").max = state.replies;
  byId("meter").value = state.graded;
  byId("count").textContent = `${state.graded} of ${state.replies} replies`;
  if (following) follow(open, graded);
}

function press(button, on) { button.setAttribute("aria-pressed", String(on)); }

// Move on to the first open reply once it is in view, else to what comes after the last
function follow(open, graded) {
  if (!open && !graded) return;
  following = false;
  if (open) return moveTo(open);
  const target = byId("end").hidden ? byId("better").querySelector("button") : byId("onward");
  target.focus({ preventScroll: true });
  target.scrollIntoView({ block: "nearest" });
}

function moveTo(cell) {
  const element = elementOf(cell);
  if (!element) return;
  mark(element);
  element.focus({ preventScroll: true });
  // With what the user said, where both fit into the window
  const turn = element.closest(".turn"), top = (one) => one.getBoundingClientRect().top;
  const target = top(element) - top(turn) < innerHeight / 2 ? turn : element;
  if (top(target) < document.querySelector(".bar").offsetHeight || element.getBoundingClientRect().bottom > innerHeight) {
    target.scrollIntoView({ block: "start" });
  }
}

function mark(element) {
  for (const one of document.querySelectorAll(".cell.now")) one.classList.remove("now");
  element.classList.add("now");
  current = { turn: Number(element.dataset.turn), side: element.dataset.side };
}

// ---- what the rater does

function send(kind, value, cell = { turn: 0, side: "left" }) {
  refusal = "";
  untouched = false;
  outbox.add({ item: Number(page.dataset.item), turn: cell.turn, side: cell.side, kind, value });
  paint();
}

function grade(value, cell) {
  if (!cell || following) return;  // the next reply is not in view yet: a key now is not meant for the last one
  following = true;
  send("grade", value, cell);
}

function prefer(value) {
  if (page.dataset.asks !== "yes" || byId("better").hidden) return;
  following = true;
  send("prefer", value);
}

function undo() {
  const last = view().undoable.at(-1);
  if (!last) return;
  following = false;
  send("undo", last.id, last);
  outbox.ask();
  if (last.turn) moveTo(last);
}

function saveComment(field) {
  clearTimeout(Number(field.dataset.timer));
  delete field.dataset.timer;
  const cell = field.closest(".cell");
  if (field.value === field.dataset.saved) return;
  field.dataset.saved = field.value;
  send("comment", field.value, { turn: Number(cell.dataset.turn), side: cell.dataset.side });
}

function step(by) {
  const cells = [...document.querySelectorAll(".cell")];
  const at = cells.findIndex((element) => current && element.id === `cell-${nameOf(current)}`);
  const next = cells[Math.min(Math.max(at + by, 0), cells.length - 1)];
  following = untouched = false;
  if (next) moveTo({ turn: next.dataset.turn, side: next.dataset.side });
}

const ARROWS = { ArrowUp: () => step(-1), ArrowDown: () => step(1), ArrowLeft: () => go(byId("previous")), ArrowRight: () => go(byId("following")) };

document.addEventListener("keydown", (event) => {
  const help = byId("help"), typing = event.target.closest("textarea, select, input:not([type=checkbox]), [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.shiftKey && event.key !== "?") return;
  if (typing) {
    if (event.key === "Escape") elementOf(current)?.focus();
    return;
  }
  if (help.open) {
    if (event.key === "?") help.close();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (ARROWS[key]) ARROWS[key]();
  else if (event.repeat) return;  // a key held down grades one reply
  else if (KEYS[key]) grade(KEYS[key], current);
  else if (BETTER[key]) prefer(BETTER[key]);
  else if (key === "u") undo();
  else if (key === "c") elementOf(current)?.querySelector("textarea").focus();
  else if (key === "?") help.showModal();
  else if (key === "Enter" && !event.target.closest("a, button, input") && !byId("end").hidden) go(byId("onward"));
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button"), link = event.target.closest("a.go");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); go(link); }
  if (button?.dataset.grade) { mark(button.closest(".cell")); following = false; grade(button.dataset.grade, current); }
  if (button?.dataset.prefer) prefer(button.dataset.prefer);
  if (button?.id === "help-button") byId("help").showModal();
});

document.addEventListener("change", (event) => {
  const box = event.target.closest("[data-tick]"), cell = box?.closest(".cell");
  if (box) send("tick", `${box.dataset.tick}:${box.checked ? "yes" : "no"}`, { turn: Number(cell.dataset.turn), side: cell.dataset.side });
});
document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.matches(".cell textarea")) return;
  clearTimeout(Number(field.dataset.timer));
  field.dataset.timer = setTimeout(() => saveComment(field), 700);
});
document.addEventListener("focusout", (event) => { if (event.target.matches(".cell textarea")) saveComment(event.target); });
document.addEventListener("focusin", (event) => { const cell = event.target.closest(".cell"); if (cell) mark(cell); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) outbox.ask(); });
others.addEventListener("message", (event) => { if (event.data === page.dataset.item) outbox.ask(); });
addEventListener("popstate", () => go({ href: location.href }, false));
addEventListener("beforeunload", (event) => { if (outbox.events.some((one) => Date.now() - one.made > 2000)) event.preventDefault(); });

// ---- from one conversation to another, without leaving the page: what is not saved stays in it

async function go(link, push = true) {
  if (!link) return;
  const href = new URL(link.href, location.href).href;
  for (const field of document.querySelectorAll(".cell textarea")) saveComment(field);
  for (let wait = 200; ; wait = Math.min(2 * wait, 2000)) {
    try {
      const answer = await fetch(href, { signal: AbortSignal.timeout(10000) });
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (answer.ok && !found.getElementById("page")) { location.href = href; return; }  // everything is graded
      if (answer.ok) {
        page.replaceWith(found.getElementById("page"));
        document.title = found.title;
        if (push) history.pushState(null, "", answer.url);
        begin();
        return;
      }
    } catch { /* it does not answer */ }
    say("failed");
    await new Promise((done) => setTimeout(done, wait));
  }
}

function begin() {
  page = byId("page");
  state = JSON.parse(page.dataset.state);
  current = undefined;
  following = false;
  refusal = "";
  scrollTo(0, 0);
  paint();
  const open = firstOpen();
  if (open) moveTo(open);
  else byId("topic").focus();
  untouched = true;
  following = !open && state.more;  // what an earlier page had not saved opens the next turn
  outbox.ask();
}

begin();
