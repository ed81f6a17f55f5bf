"""Curation in a terminal: the same events as on the page, one candidate after another; texts are edited in one's own editor.

Knows nothing of what is stored.
"""

import secrets
import sys
from collections.abc import Callable
from typing import Any

import click

from lima import LimaError, storable, visible
from lima_curate.desk.examples.events import ACCEPT, LONGEST, REJECT, UNDO, Event
from lima_curate.desk.faces.views import origin, progress_text, shown_turns, standing
from lima_curate.desk.record.person import Desk
from lima_dialogue_eval import Keys

HELP = """  a  accept                e  edit the turn in your editor   up, down, 1-9  the current turn
  r  reject                x  split the turn in two          b, left, right  candidate before or after
  w  reject with a reason  m  merge it with the next         s  skip to the next undecided one
  u  undo                  d  delete it                      n  write a new example
                           o  other speaker                  q or Ctrl-C  stop: everything is saved
                           i  insert a turn below            ?  these keys"""
_UP, _DOWN = ("\x1b[A", "\x1bOA"), ("\x1b[B", "\x1bOB")
_LEFT, _RIGHT = ("\x1b[D", "\x1bOD", "b"), ("\x1b[C", "\x1bOC")


class _Stop(Exception):
    """The person wants to stop"""


def check_terminal() -> None:
    """LimaError where there is no terminal"""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise LimaError("--terminal reads single keys and needs a terminal. Leave it out for a page.")


def curate_in_terminal(desk: Desk, show: str, search: str, new: bool) -> None:
    """Let a person curate what is to be shown until all is decided or they stop"""
    listed = list(desk.listed(show, search))
    number = desk.write_new(secrets.token_hex(8)) if new else desk.next_open(0, listed) or next(iter(listed), None)
    if number is None:
        raise LimaError(f"{desk.person} has no such candidate. Leave out --show and --search, or write one: --new")
    click.echo(HELP)
    try:
        with Keys() as keys:
            while number is not None:
                number = _Candidate(desk, number, keys, show, search).work()
    except (_Stop, KeyboardInterrupt, EOFError):
        click.echo("\nStopped. Everything is saved; the same command resumes.")
        return
    click.echo(f"\nEverything is decided. To a file: lima curate export {desk.curation.name} --out FILE")


class _Candidate:
    """One candidate in front of a person"""

    def __init__(self, desk: Desk, number: int, keys: Keys, show: str, search: str) -> None:
        self.desk, self.number, self.keys = desk, number, keys
        self.filter, self.current = (show, search), 1
        self.one = desk.candidate(number)
        self.there: int | None = None
        self.edits: dict[str, Callable[[], object]] = {
            "e": self._edit, "x": self._split, "i": self._add,
            "m": lambda: self._send("merge", {"turn": self.current}),
            "d": lambda: self._send("delete", {"turn": self.current}),
            "o": lambda: self._send("speaker", {"turn": self.current}),
        }  # fmt: skip

    def work(self) -> int | None:
        """Work on it; the number of the candidate that comes next, None where everything is decided"""
        self._show()
        while True:
            standing = self._standing()
            self.current = min(self.current, len(standing["texts"]))
            key = self._key(standing)
            if key in ("q", *Keys.STOP):
                raise _Stop
            if key in ("a", "r", "w"):
                if self._decide(key):
                    return self.desk.next_open(self.number, self._among())
                continue
            if (moved := self._moved(key, standing)) is not None:
                return moved
            try:
                self._do(key, standing)
            except LimaError as e:  # of the editor
                click.echo(visible(f"  {e}"))

    def _among(self) -> list[int] | None:
        """The candidates that are shown, where any of them is open"""
        listed = list(self.desk.listed(*self.filter))
        return listed if self.desk.next_open(self.number, listed) else None

    def _standing(self) -> dict[str, Any]:
        return standing(self.desk, self.one, *self.filter)

    def _show(self) -> None:
        """The candidate as it stands"""
        state, about = self._standing(), origin(self.desk, self.one)
        click.secho(f"\nCandidate {self.number} ({progress_text(state['progress'])})", bold=True)
        click.echo(visible(f"{about['source']} {about['id']}".strip()))
        click.echo(visible(f"{about['provenance']} · licence: {about['licence']}"))
        for credit in about["credits"]:
            click.echo(visible(f"  {credit}"))
        for turn in shown_turns(self.desk, self.one, self.desk.state(self.number)):
            mark = ">" if turn["number"] == self.current else " "
            edited = ", edited" if turn["changed"] else ""
            click.secho(f"\n{mark} {turn['number']} {turn['role']}, {turn['words']} words{edited}", bold=True)
            for line in (visible(turn["text"]) or "(empty)").split("\n"):
                click.echo(f"    {line}")
        click.echo()
        for hint in [state["problem"], *state["hints"]]:
            if hint:
                click.echo(visible(f"  {hint}"))

    def _key(self, state: dict[str, Any]) -> str:
        why = f": {visible(state['reason'])[:60]}" if state["reason"] else ""
        click.echo(f"\n[{state['status']}{why}] turn {self.current} of {len(state['texts'])}: [a r w s e ?] ", nl=False)
        key = self.keys.key()
        key = key.lower() if len(key) == 1 else key
        click.echo(visible(key) if key.isprintable() else "")
        return key

    def _decide(self, key: str) -> bool:
        """Accept or reject; whether that was taken"""
        value = {}
        if key != "a":
            value = {"reason": storable(self.keys.line("  Why")[:2_000]) if key == "w" else ""}
        return self._send(ACCEPT if key == "a" else REJECT, value, again=False)

    def _moved(self, key: str, state: dict[str, Any]) -> int | None:
        """The candidate to which a key leads; None for any other key, and where there is none"""
        if key in _LEFT:
            return self._or_say(state["previous"], "This is the first.")
        if key in _RIGHT:
            return self._or_say(state["following"], "This is the last.")
        if key == "s":
            return self._or_say(state["next"], "There is no other undecided example.")
        if key == "n":
            return self.desk.write_new(secrets.token_hex(8))
        if key == "u" and not state["undo"]:
            there = state["last"] if state["last"] != self.number else None
            return self._or_say(there, "There is nothing to undo.")
        return None

    @staticmethod
    def _or_say(number: int | None, otherwise: str) -> int | None:
        if number is None:
            click.echo(f"  {otherwise}")
        return number

    def _do(self, key: str, state: dict[str, Any]) -> None:
        """What a key does to the candidate"""
        step = -1 if key in _UP else 1 if key in _DOWN else 0
        if step or (key.isdecimal() and key.isascii()):
            self.current = min(max(self.current + step if step else int(key), 1), len(state["texts"]))
            self._show()
        elif key == "u" and state["undo"]:
            self._send(UNDO, {"event": state["undo"]["id"]})
            click.echo(f"  Undone: {state['undo']['what']}.")
        elif key in self.edits:
            self.edits[key]()
        elif key == "?":
            click.echo(HELP)
        elif key not in (*_LEFT, *_RIGHT, "s", "u"):
            click.echo("  This key does nothing here; ? shows the keys.")

    def _edit(self) -> None:
        before = self._standing()["texts"][self.current - 1]
        text = self.keys.edited(before)
        if text is not None and text != before.replace("\r\n", "\n"):
            self._send("text", {"turn": self.current, "text": storable(text)[:LONGEST]})

    def _split(self) -> None:
        text = self._standing()["texts"][self.current - 1]
        words = self.keys.line("  The second part begins with the words")
        if not words:
            return
        if (count := text.count(words)) != 1:
            click.echo(f"  These words are {count} times in the turn{'; type more of them' if count else ''}.")
            return
        at = text[: text.index(words)].replace("\r\n", "\n")
        self._send("split", {"turn": self.current, "at": len(at)})

    def _add(self) -> None:
        if self._send("add", {"turn": self.current}, again=False):
            self.current += 1
            self._edit()
            self._show()

    def _send(self, kind: str, value: dict[str, Any], again: bool = True) -> bool:
        """Save an event, and show what stands then; whether it was taken"""
        seen = self.desk.state(self.number).count
        event = Event(secrets.token_hex(8), self.number, kind, value, seen)
        if refused := self.desk.take([event]):
            click.echo(visible(f"  {refused[event.id]}"))
            return False
        if again:
            self._show()
        return True
