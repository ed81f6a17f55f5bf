// Keys for the answers and for going back and forth; the page works without them.
"use strict";

const form = document.querySelector("form");
let sent = false;

form.addEventListener("submit", (event) => { if (sent) event.preventDefault(); sent = true; });
addEventListener("pageshow", () => { sent = false; });

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.target.closest("textarea")) return;
  const key = event.key.toLowerCase();
  const button = [...form.querySelectorAll("button[data-key]")].find((one) => one.dataset.key === key);
  const link = { ArrowLeft: "previous", ArrowRight: "following" }[event.key];
  if (button) { event.preventDefault(); button.click(); }
  else if (link) document.getElementById(link)?.click();
});
