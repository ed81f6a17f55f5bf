// Lays out the conversations of a report from data, when they are opened; filters, search, keys, and the state in the address.
// Every text becomes a text node: nothing is ever read as HTML. Knows nothing of where grades come from.
"use strict";
(() => {
  const index = JSON.parse(document.getElementById("index").textContent);
  // The script stands before the conversations, so that the list is there while megabytes of them still come.
  const blocks = new Promise((done) => {
    const found = () => done(document.querySelectorAll("script.conversation"));
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", found);
    else found();
  });
  const byId = (id) => document.getElementById(id);
  const list = byId("list"), search = byId("search"), status = byId("status"), help = byId("keys");
  const LONG = 20000, START = 2000, FEW = 12;
  const WORDS = { E: "excellent", P: "pass", F: "fail", U: "undecided", X: "error", N: "not reached" };
  const SEARCHED = new Set(index.searched);
  const state = { f: "", s: "0", q: "", c: 0, open: new Set() };
  const loaded = [];
  let hits = null, asked = 0, quiet = false;

  // ---- texts: a string, or {marked: [plain, written-out character, plain, …]}
  const parts = (text) => (text && text.marked) || [text ?? ""];
  const plain = (text) => parts(text).join("");
  const SVG = "http://www.w3.org/2000/svg";

  function el(name, classes, ...inside) {
    const found = document.createElement(name);
    if (classes) found.className = classes;
    found.append(...inside.filter((one) => one !== null && one !== undefined && one !== false && one !== ""));
    return found;
  }

  function shown(text, limit = Infinity) {
    const found = document.createDocumentFragment();
    let left = limit;
    parts(text).forEach((piece, i) => {
      const cut = piece.length > left ? piece.slice(0, left) : piece;
      left -= cut.length;
      if (!cut) return;
      if (i % 2) {
        const odd = el("span", "odd", cut);
        odd.title = "a hidden or control character";
        found.append(odd);
      } else found.append(cut);
    });
    return found;
  }

  const length = (text) => parts(text).reduce((n, piece, i) => n + (i % 2 ? 1 : [...piece].length), 0);

  // A text that somebody said; a very long one is folded
  function said(text, classes = "said") {
    const found = el("div", classes);
    found.dir = "auto";
    if (parts(text).reduce((n, piece) => n + piece.length, 0) <= LONG) {
      found.append(shown(text));
      return found;
    }
    const more = el("button", "more", `show all ${length(text).toLocaleString("en")} characters`);
    more.type = "button";
    more.addEventListener("click", () => found.replaceChildren(shown(text)));
    found.append(shown(text, START), "… ", more);
    return found;
  }

  function folded(summary, classes, fill) {
    const found = el("details", classes, el("summary", "", summary));
    found.addEventListener("toggle", () => {
      if (found.open && found.childElementCount === 1) fill(found);
    });
    return found;
  }

  const number = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

  // ---- one reply
  function ticks(found) {
    if (!found) return null;
    const met = found.filter((tick) => tick.met === true).length;
    return folded(`${met} of ${number(found.length, "requirement")} met`, "ticks", (details) => {
      const items = found.map((tick) => {
        const [word, kind] = tick.met === null ? ["undecided", "open"] : tick.met ? ["met", "met"] : ["missed", "missed"];
        const quote = tick.quote ? el("q", "", shown(tick.quote)) : null;
        return el("li", "", el("b", kind, word), " ", shown(tick.requirement), quote && " ", quote);
      });
      details.append(el("ul", "", ...items));
    });
  }

  const badge = (verdict) => el("b", `grade ${verdict.grade ?? "none"}`, shown(verdict.grade ?? verdict.status));

  function others(verdicts) {
    const rest = verdicts.filter((verdict) => !verdict.counts);
    if (!rest.length) return null;
    const people = rest.filter((verdict) => verdict.rater).length;
    const kinds = [people && number(people, "person", "people"), people < rest.length && number(rest.length - people, "grader")];
    return folded(`Graded besides by ${kinds.filter(Boolean).join(" and ")}`, "others", (details) => {
      const items = rest.map((verdict) => {
        const version = verdict.version ? ` (${plain(verdict.version)})` : "";
        const who = verdict.rater ? [shown(verdict.rater), el("small", "", " ", shown(verdict.grader), version)] : [shown(verdict.grader), el("small", "", version)];
        return el("li", "", el("span", "who", ...who), " ", badge(verdict), " ", shown(verdict.reason ?? ""), ticks(verdict.ticks));
      });
      details.append(el("ul", "", ...items));
    });
  }

  // `before`: the prompt of the turn before, as segments, with which this one may begin
  function prompt(reply, before) {
    const sent = reply.prompt;
    if (!sent) return [null, null];
    const segments = sent.continues && before ? [...before, sent] : [sent];
    const { note, pieces } = index.models[sent.model];
    const details = folded(`Prompt as sent (${number(sent.tokens, "token")})`, "prompt", (found) => {
      if (note) found.append(el("p", "note", shown(note)));
      else found.append(el("pre", "sent", ...segments.flatMap((one) => one.text === undefined ? one.ids.map((id) => shown(pieces[id])) : [shown(one.text)])));
      found.append(folded(note ? "Token ids" : "Tokens", "tokens", (inner) => {
        const box = el("p", "");
        for (const id of segments.flatMap((one) => one.ids)) {
          const token = el("span", "token", note ? "" : shown(pieces[id] ?? ""), el("small", "", String(id)));
          box.append(token, " ");
        }
        inner.append(box);
      }));
    });
    return [details, segments];
  }

  function reply(found, side, label, end, before, user) {
    const kind = found && found.grade ? found.grade : "none";
    const box = el("div", `reply ${kind}`);
    box.append(el("p", "side", shown(side), label && el("span", "", " ", shown(label))));
    if (user) box.append(el("div", "own", el("p", "side", "user"), said(user)));
    if (!found) {
      box.append(el("p", "verdict", el("b", "grade", "not reached"), " ", shown(end)));
      return [box, null];
    }
    const [sent, segments] = prompt(found, before);
    if (found.thoughts) {
      box.append(folded(`Thoughts (${number(length(found.thoughts), "character")})`, "thoughts", (details) => details.append(said(found.thoughts))));
    }
    if (found.text === undefined) {
      const word = found.grade ? "not reached, a fail" : plain(found.status);
      box.append(el("p", "verdict", el("b", `grade ${kind}`, word), " ", shown(found.message ?? "")));
    } else {
      if (found.flagged) box.append(el("p", "note", "flagged: the user's turn no longer fits what was said before; it counts nowhere"));
      box.append(said(found.text));
      const counts = found.verdicts.find((verdict) => verdict.counts);
      const why = counts ? shown(counts.reason ?? "") : "";
      box.append(el("p", "verdict", badge({ grade: found.grade, status: found.grade_status }), " ", why));
      if (counts && ticks(counts.ticks)) box.append(ticks(counts.ticks));
    }
    const besides = others(found.verdicts);
    if (besides) box.append(besides);
    if (found.seconds !== undefined) {
      const how = `${found.tokens ? `${number(found.tokens, "token")}, ` : ""}${found.seconds.toFixed(1)} s`;
      box.append(el("p", "how", how, found.cut && el("em", "", ", cut: ", shown(found.stop))));
    }
    if (sent) box.append(sent);
    else if (found.text !== undefined) box.append(folded("Prompt", "prompt", (details) => details.append(el("p", "note", index.no_prompt))));
    return [box, segments];
  }

  // ---- one conversation
  function turn(found, dialogue, prompts) {
    const flags = [found.diverged && index.arms.length > 1 && el("span", "flag split", "diverged here"),
      found.worse && el("span", "flag", index.arms.length === 2 ? "worse after" : "worse than the first")];
    const user = el("div", "user", ...flags.filter(Boolean), el("p", "side", String(found.turn), el("span", "", " ", shown(found.kind || "user"))));
    if (found.user !== null) user.append(said(found.user));
    if (found.requirements.length) {
      user.append(folded(number(found.requirements.length, "requirement"), "", (details) => details.append(el("ul", "",
        ...found.requirements.map((one) => el("li", "", shown(one.text), one.must && el("em", "", " must")))))));
    }
    const pair = el("div", "pair");
    pair.style.setProperty("--arms", index.arms.length);
    index.arms.forEach(([side, label], i) => {
      const [box, segments] = reply(found.replies[i], side, label, dialogue.ends[i], prompts[i], found.users && found.users[i]);
      prompts[i] = segments;
      pair.append(box);
    });
    return el("div", "turn", user, pair);
  }

  async function body(i) {
    const dialogues = await load(i), found = document.createDocumentFragment();
    dialogues.forEach((dialogue, k) => {
      if (state.s !== "all" && state.s !== String(k)) return;
      const prompts = [], seed = el("div", "seed");
      if (dialogues.length > 1) seed.append(el("p", "seedname", "Seed ", shown(dialogue.seed)));
      if (dialogue.system) seed.append(el("div", "turn system", el("div", "user", el("p", "side", "system"), said(dialogue.system))));
      seed.append(...dialogue.turns.map((one) => turn(one, dialogue, prompts)));
      dialogue.ends.forEach((end, a) => end && !dialogue.turns.some((one) => !one.replies[a] || one.replies[a].text === undefined)
        && seed.append(el("p", "warn", shown(index.arms[a][0]), ": ", shown(end))));
      found.append(seed);
    });
    return found;
  }

  async function load(i) {
    if (loaded[i]) return loaded[i];
    if (!index.served) return loaded[i] = JSON.parse((await blocks)[i].textContent);
    const answer = await fetch(`conversations/${i}`);
    if (!answer.ok) throw new Error(await answer.text());
    return loaded[i] = await answer.json();
  }

  async function fill(i) {
    const talk = list.children[i], box = talk.lastElementChild;
    if (box.dataset.seed === state.s) return;
    box.dataset.seed = state.s;
    try {
      box.replaceChildren(await body(i));
    } catch (problem) {
      delete box.dataset.seed;
      box.replaceChildren(el("p", "warn", `This conversation did not load: ${problem.message}. Is the report still served? Close it and open it again.`));
    }
  }

  // ---- the list
  function drawn(name, values) {
    const found = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(values)) found.setAttribute(key, value);
    return found;
  }

  function strip(grades) {
    const found = drawn("svg", { class: "strip", viewBox: `0 0 ${grades.length * 9} 10`, width: grades.length * 9, height: 10, role: "img" });
    [...grades].forEach((letter, i) => found.append(drawn("rect", { class: WORDS[letter].replace(" ", "-"), x: i * 9, y: 0, width: 8, height: 10, rx: 2 })));
    found.setAttribute("aria-label", [...grades].map((letter) => WORDS[letter]).join(", "));
    return found;
  }

  function changed(change, label) {
    const name = label ? [shown(label), ": "] : [];
    if (!change) return el("span", "change", ...name, "left out");
    return el("span", `change ${change.verdict}`, ...name, change.verdict, el("small", "", `${change.before.toFixed(2)} → ${change.after.toFixed(2)}`));
  }

  function talk(one, i) {
    const many = one.changes.length > 1;
    const title = el("h3", "", shown(plain(one.topic) ? one.topic : one.id), el("small", "", shown(one.id)));
    const changes = el("span", "changes", ...one.changes.map((change, k) => changed(change, many && index.arms[k + 1][0])));
    const found = el("details", "talk", el("summary", "", title, el("span", "strips"), changes), el("div", "body"));
    found.id = `c${i + 1}`;
    found.addEventListener("toggle", () => {
      if (found.open) fill(i);
      state.open[found.open ? "add" : "delete"](i);
      if (found.open && !quiet) state.c = i + 1;
      write();
    });
    return found;
  }

  const seeds = () => (state.s === "all" ? index.seeds.map((_, k) => k) : [Number(state.s)]);
  const has = (one, filter) => !filter || seeds().some((k) => one.flags[k].includes(filter));

  function apply() {
    let count = 0;
    index.conversations.forEach((one, i) => {
      const there = has(one, state.f) && (!hits || hits.has(i));
      list.children[i].hidden = !there;
      count += there;
      const strips = seeds().flatMap((k) => one.grades[k].map(strip));
      list.children[i].querySelector(".strips").replaceChildren(...strips);
      if (list.children[i].open) fill(i);
    });
    for (const radio of document.querySelectorAll("input[name=f]")) {
      const n = index.conversations.filter((one) => has(one, radio.value)).length;
      document.querySelector(`label[for=${radio.id}] .n`).textContent = n.toLocaleString("en");
      radio.checked = radio.value === state.f;
    }
    for (const radio of document.querySelectorAll("input[name=s]")) radio.checked = radio.value === state.s;
    const all = index.conversations.length;
    status.textContent = count === all ? "" : count ? `${count.toLocaleString("en")} of ${number(all, "conversation")}` : "No conversation shows that.";
  }

  // ---- search
  function inside(value, query) {
    if (typeof value === "string") return value.toLowerCase().includes(query);
    if (Array.isArray(value)) return value.some((one) => inside(one, query));
    if (!value || typeof value !== "object") return false;
    if (value.marked) return plain(value).toLowerCase().includes(query);
    return Object.entries(value).some(([key, one]) => SEARCHED.has(key) && inside(one, query));
  }

  async function find() {
    const query = state.q.trim().toLowerCase(), mine = ++asked;
    let found = null;
    if (query) {
      found = new Set(index.conversations.flatMap((one, i) => (inside([one.id, one.topic], query) ? [i] : [])));
      if (!index.served) {
        for (let i = 0; i < index.conversations.length; i++) if (!found.has(i) && inside(await load(i), query)) found.add(i);
      } else {
        const answer = await fetch(`search?${new URLSearchParams({ q: query })}`);
        if (answer.ok) for (const i of await answer.json()) found.add(i);
      }
    }
    if (mine !== asked) return;
    hits = found;
    apply();
  }

  // ---- the state in the address
  let due = 0;
  function write() {
    if (quiet) return;
    clearTimeout(due);  // once for many: a browser counts changes of the address
    due = setTimeout(store, 30);
  }

  function store() {
    const found = new URLSearchParams();
    if (state.f) found.set("f", state.f);
    if (state.s !== "0") found.set("s", state.s);
    if (state.q) found.set("q", state.q);
    // Of a short list all are open unless it is said which.
    if (state.open.size <= FEW && (state.open.size || index.conversations.length <= FEW)) found.set("o", [...state.open].map((i) => i + 1).sort((a, b) => a - b).join(","));
    if (state.c) found.set("c", state.c);
    const text = String(found);
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  async function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const all = index.conversations.length, valid = (n) => Number.isInteger(n) && n > 0 && n <= all;
    const filters = [...document.querySelectorAll("input[name=f]")].map((radio) => radio.value);
    state.f = filters.includes(given.get("f")) ? given.get("f") : "";
    state.s = ["all", ...index.seeds.keys()].map(String).includes(given.get("s")) ? given.get("s") : "0";
    state.q = search.value = given.get("q") ?? "";
    state.c = valid(Number(given.get("c"))) ? Number(given.get("c")) : 0;
    const few = all <= FEW && !given.has("o") && !given.has("c");
    const open = few ? index.conversations.map((_, i) => i + 1) : (given.get("o") ?? "").split(",").map(Number).filter(valid);
    quiet = true;
    apply();
    await Promise.all(open.map((n) => {
      list.children[n - 1].open = true;
      state.open.add(n - 1);
      return fill(n - 1);
    }));
    await find();
    if (state.c) uncovered(list.children[state.c - 1]);
    setTimeout(() => { quiet = false; }, 50);
    document.documentElement.classList.add("ready");
    performance.mark("report-ready");
  }

  // ---- keys
  // Scrolls to a conversation, below the tools that stay at the top
  function uncovered(one) {
    document.documentElement.style.setProperty("--tools", `${byId("tools").offsetHeight + 8}px`);
    one.scrollIntoView();
  }

  const visible = () => [...list.children].filter((one) => !one.hidden);
  const current = () => document.activeElement && document.activeElement.closest(".talk");

  function move(step) {
    const there = visible();
    if (!there.length) return;
    const at = there.indexOf(current() ?? list.children[state.c - 1]);
    const next = there[at < 0 ? (step > 0 ? 0 : there.length - 1) : Math.min(Math.max(at + step, 0), there.length - 1)];
    next.firstElementChild.focus({ preventScroll: true });
    uncovered(next);
    state.c = [...list.children].indexOf(next) + 1;
    write();
  }

  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  const KEYS = {
    j: () => move(1), ArrowRight: () => move(1), k: () => move(-1), ArrowLeft: () => move(-1),
    o: () => { const one = current(); if (one) one.open = !one.open; },
    "/": () => search.focus(), "?": () => help.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.target === search && event.key === "Escape") { search.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || help.open || typing(event.target) || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  // ---- begin
  byId("tools").hidden = false;
  list.append(...index.conversations.map(talk));
  document.addEventListener("change", (event) => {
    if (!["f", "s"].includes(event.target.name)) return;
    state[event.target.name] = event.target.value;
    apply();
    write();
  });
  let pause = 0;
  search.addEventListener("input", () => {
    state.q = search.value;
    write();
    clearTimeout(pause);
    pause = setTimeout(find, 150);
  });
  byId("help").addEventListener("click", () => help.showModal());
  byId("open-all").addEventListener("click", () => visible().forEach((one) => { one.open = true; }));
  byId("close-all").addEventListener("click", () => visible().forEach((one) => { one.open = false; }));
  addEventListener("hashchange", read);
  read();
})();
