// Events on their way to lima: kept in memory and in localStorage until they are saved, and sent again with the same ids.
// Knows nothing of what they mean.
"use strict";

class Outbox {
  // `secret` tells the link's events from others'; `address` takes them; `about()` is sent along; `on` is told what happens
  constructor(secret, address, about, on) {
    Object.assign(this, { prefix: `lima ${secret} `, address, about, on, sending: false, asked: false, count: 0 });
    this.events = [];
    this.recall();
  }

  recall() {
    try {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(this.prefix)) this.events.push(JSON.parse(localStorage.getItem(key)));
      }
    } catch { /* no storage here: events are in memory only */ }
    this.events.sort((a, b) => a.made - b.made || a.count - b.count);
  }

  add(event) {
    const id = `${Date.now().toString(36)}-${[...crypto.getRandomValues(new Uint8Array(9))].map((n) => n.toString(16).padStart(2, "0")).join("")}`;
    // half of a character is no text that can be kept
    const value = event.value.toWellFormed ? event.value.toWellFormed() : event.value;
    const whole = { ...event, value, id, made: Date.now(), count: this.count++ };
    this.events.push(whole);
    try { localStorage.setItem(this.prefix + id, JSON.stringify(whole)); } catch { /* full or forbidden */ }
    this.flush();
    return whole;
  }

  // Ask for the present state, with or without events
  ask() { this.asked = true; this.flush(); }

  async flush() {
    if (this.sending) return;
    this.sending = true;
    let wait = 200, most = 10;
    try {
      while (this.events.length || this.asked) {
        const batch = this.events.slice(0, most);
        this.asked = false;
        this.on.status(this.events.length ? "waiting" : "saved");
        const { found, refused } = await this.post(batch);
        if (found) {
          wait = 200;
          this.forget(batch);
          this.on.answer(found, batch);
        } else if (refused && batch.length) {
          // Sent again it would be refused again, and hold up what comes after it: one at a time finds out which it is
          if (batch.length === 1) {
            this.forget(batch);
            this.on.refused(refused);
          }
          most = batch.length === 1 ? 10 : 1;
          this.asked = true;
        } else {
          this.asked = true;
          this.on.status("failed");
          await new Promise((done) => setTimeout(done, wait));
          wait = Math.min(2 * wait, 2000);
        }
      }
    } finally { this.sending = false; }
    this.on.status("saved");
  }

  // { found } is what lima answers; { refused } why it never takes this request; neither where it does not answer
  async post(batch) {
    const events = batch.map(({ made, count, ...event }) => event);
    const body = JSON.stringify({ ...this.about(), events });
    const headers = { "Content-Type": "application/json" };
    try {
      const answer = await fetch(this.address(), { method: "POST", headers, body, signal: AbortSignal.timeout(10000) });
      if (answer.ok) return { found: await answer.json() };
      return [400, 413].includes(answer.status) ? { refused: await answer.text() } : {};
    } catch { return {}; }
  }

  forget(batch) {
    const gone = new Set(batch.map((event) => event.id));
    this.events = this.events.filter((event) => !gone.has(event.id));
    for (const id of gone) try { localStorage.removeItem(this.prefix + id); } catch { /* none there */ }
  }
}
