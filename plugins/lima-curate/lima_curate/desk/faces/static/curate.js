// The page of one candidate: keys and buttons become events; lima answers what stands, and the turns as HTML.
"use strict";

const SAID = { saved: "All saved", waiting: "Saving …", failed: "Not saved yet: lima does not answer. Trying again." };
const PAUSE = 1500;  // milliseconds without a key after which a text is saved while it is being edited
const byId = (id) => document.getElementById(id);
const secret = location.pathname.split("/")[1], page = byId("page"), id = Number(page.dataset.candidate);
const query = new URLSearchParams(location.search);
let state = JSON.parse(page.dataset.state), current = 1, then = null;
let decided = false, leaving = false;  // onward once lima has what was decided; on the way to another page
let field = null, typed = "", timer = 0;  // the text that is being edited, as it was sent last

const outbox = new Outbox(secret, () => `/${secret}/events`,
  () => ({ candidate: id, show: query.get("show") || "all", search: query.get("q") || "" }),
  { status: say, answer: take, refused: (why) => { decided = false; tell(why); } });

function say(status) {
  const place = byId("saved");
  if (place.textContent !== SAID[status]) place.textContent = SAID[status];
  place.className = status === "saved" ? "" : status;
}

function tell(text) { if (byId("said").textContent !== text) byId("said").textContent = text; }

// ---- what stands

const turnOf = (number) => byId(`turn-${number}`);
const waiting = () => outbox.events.filter((one) => one.candidate === id);

function take(found, batch) {
  for (const event of batch) {
    const why = found.refused[event.id];
    if (!why) continue;
    tell(why);
    decided = false;
    then = null;
    if (event.kind === "text") keep(event.value.text);
  }
  if (found.candidate !== id || leaving) return;
  state = found.state;
  byId("count").textContent = found.progress;
  byId("meter").max = state.progress.all || 1;
  byId("meter").value = state.progress.decided;
  if (waiting().length) return;  // what stands after them comes with their answer
  if (decided) return onward();
  if (!field) {
    byId("work").innerHTML = found.html;
    const next = then;
    then = null;
    if (next) next();
    else moveTo(current, false);
  }
  paint();
}

function paint() {
  press("accept", state.status === "accepted" || state.status === "edited");
  press("reject", state.status === "rejected");
}

function press(name, on) { document.querySelector(`.decide [data-do=${name}]`).setAttribute("aria-pressed", String(on)); }

// A text that lima did not take stays in view
function keep(text) {
  byId("lost").hidden = false;
  byId("lost-text").value = text;
}

function moveTo(number, scroll = true) {
  current = Math.min(Math.max(number, 1), state.texts.length);
  for (const one of document.querySelectorAll(".turn.now")) one.classList.remove("now");
  const turn = turnOf(current);
  if (!turn) return;
  turn.classList.add("now");
  if (!document.activeElement || document.activeElement === document.body || scroll) turn.focus({ preventScroll: true });
  if (scroll) turn.scrollIntoView({ block: "nearest" });
}

// ---- what the person does

// Where what stands is not known yet, only a text may follow a text: anything else could be meant for what is gone
function send(kind, value, next = null) {
  const before = waiting();
  if (decided || leaving || (before.length && before.some((one) => one.kind !== "text"))) return false;
  tell("");
  then = next;
  outbox.add({ candidate: id, kind, value, seen: state.seen + before.length });
  return true;
}

function edit() {
  const turn = turnOf(current);
  if (field || !turn || waiting().length) return;
  field = document.createElement("textarea");
  field.value = state.texts[current - 1];
  field.setAttribute("aria-label", `Text of turn ${current}`);
  field.dataset.turn = current;
  typed = field.value;  // as the browser has it: with one kind of line ends
  turn.querySelector(".text").hidden = true;
  turn.querySelector(".text").after(field);
  field.focus();
}

function save() {
  clearTimeout(timer);
  if (!field || field.value === typed) return;
  const text = field.value.toWellFormed ? field.value.toWellFormed() : field.value;
  if (send("text", { turn: Number(field.dataset.turn), text })) typed = field.value;
}

function leave(next = null) {
  if (!field) return;
  save();
  const old = field, turn = old.closest(".turn"), text = turn.querySelector(".text");
  field = null;
  text.textContent = old.value;
  text.hidden = false;
  old.remove();
  if (next) turn.focus({ preventScroll: true });
  if (!waiting().length) outbox.ask();  // what was saved while typing is not painted yet
}

function split() {
  const at = [...field.value.slice(0, field.selectionStart)].length, turn = Number(field.dataset.turn);
  leave(true);
  send("split", { turn, at }, () => moveTo(turn + 1));
}

function decide(kind, value = {}) {
  if (send(kind, value)) decided = true;
}

function undo() {
  if (waiting().length) return;
  if (state.undo) send("undo", { event: state.undo.id });
  else if (state.last && state.last !== id) go(state.last);
  else tell("There is nothing to undo.");
}

function go(number) {
  leaving = true;
  location.href = number ? `${number}${location.search}` : `../list${location.search}`;
}

function onward() { go(state.next); }

async function writeNew() {
  const event = [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join("");
  try {
    const answer = await fetch("../new", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ id: event }) });
    if (answer.ok) go((await answer.json()).candidate);
    else tell(await answer.text());
  } catch { tell("lima does not answer. Is it still running in its terminal?"); }
}

const DO = {
  accept: () => decide("accept"),
  reject: () => decide("reject", { reason: "" }),
  why: () => { byId("reason").value = state.reason; byId("why").showModal(); byId("reason").focus(); },
  skip: () => { if (state.next && !waiting().length) onward(); else tell("There is no other undecided example."); },
  undo,
  edit,
  split: () => { if (field) split(); },
  merge: () => send("merge", { turn: current }),
  delete: () => send("delete", { turn: current }),
  speaker: () => send("speaker", { turn: current }),
  add: () => { const at = current; send("add", { turn: at }, () => { moveTo(at + 1); edit(); }); },
};
const KEYS = { a: "accept", r: "reject", w: "why", s: "skip", u: "undo", e: "edit", m: "merge", d: "delete", o: "speaker", i: "add" };
const MOVES = {
  ArrowUp: () => moveTo(current - 1), ArrowDown: () => moveTo(current + 1),
  ArrowLeft: () => { if (state.previous) go(state.previous); }, ArrowRight: () => { if (state.following) go(state.following); },
  b: () => { if (state.previous) go(state.previous); }, l: () => go(0), n: writeNew, "?": () => byId("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (field && event.target === field) {
    if (event.key === "Escape") leave(true);
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat) split();
    else return;
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("textarea, select, input")) return;
  if (event.shiftKey && event.key !== "?") return;
  if (byId("help").open) {
    if (event.key === "?") byId("help").close();
    return;
  }
  if (decided || leaving || byId("why").open) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const pressed = event.key === "Enter" && !event.target.closest("a, button, summary") ? "e" : key;
  if (!["ArrowUp", "ArrowDown"].includes(key) && event.repeat) return;  // a key held down does one thing
  if (KEYS[pressed]) DO[KEYS[pressed]]();
  else if (MOVES[key]) MOVES[key]();
  else return;
  event.preventDefault();
});

// The cursor stays in the text whose button is pressed
document.addEventListener("mousedown", (event) => { if (event.target.closest("[data-do=split]")) event.preventDefault(); });
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.do && !decided && !leaving) {
    if (button.closest(".turn")) moveTo(Number(button.closest(".turn").dataset.turn), false);
    DO[button.dataset.do]();
  }
  if (button?.id === "help-button") byId("help").showModal();
  if (button?.id === "why-not") byId("why").close();
});
byId("why-form").addEventListener("submit", () => decide("reject", { reason: byId("reason").value }));
document.addEventListener("input", (event) => {
  if (event.target !== field) return;
  clearTimeout(timer);
  timer = setTimeout(save, PAUSE);
});
document.addEventListener("dblclick", (event) => { if (event.target.closest(".turn .text")) edit(); });
document.addEventListener("focusout", (event) => {
  if (event.target !== field) return;
  if (document.hasFocus()) leave();
  else save();
});
document.addEventListener("focusin", (event) => {
  const turn = event.target.closest(".turn");
  if (turn && Number(turn.dataset.turn) !== current) moveTo(Number(turn.dataset.turn), false);
});
document.addEventListener("visibilitychange", () => { if (document.hidden) save(); else outbox.ask(); });
addEventListener("pagehide", save);
addEventListener("beforeunload", (event) => { if (outbox.events.some((one) => Date.now() - one.made > 2000)) event.preventDefault(); });
addEventListener("pageshow", (event) => { if (event.persisted) { decided = leaving = false; outbox.ask(); } });

paint();
moveTo(1, false);
if (page.dataset.edit === "yes" || (state.texts.every((text) => !text.trim()) && state.status === "undecided")) edit();
outbox.ask();
