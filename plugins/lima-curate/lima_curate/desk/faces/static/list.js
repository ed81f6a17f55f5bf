// The list of candidates: keys for what has a link there, and a new example. All else works without this.
"use strict";

const byId = (id) => document.getElementById(id);

async function writeNew() {
  const id = [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join("");
  try {
    const answer = await fetch("new", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ id }) });
    if (answer.ok) location.href = `candidates/${(await answer.json()).candidate}`;
    else byId("said").textContent = await answer.text();
  } catch { byId("said").textContent = "lima does not answer. Is it still running in its terminal?"; }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.target.closest("input, select")) return;
  if (event.key === "n") writeNew();
  else if (event.key === "s" && byId("open")) byId("open").click();
  else if (event.key === "/") byId("search").focus();
  else return;
  event.preventDefault();
});
byId("new").addEventListener("click", writeNew);
