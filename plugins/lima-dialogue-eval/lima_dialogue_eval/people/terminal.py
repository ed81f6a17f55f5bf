"""Grading in a terminal: the same conversations, keys and events as on the page, one reply after another.

Knows nothing of what is stored.
"""

import re
import secrets
import sys
from collections.abc import Mapping

import click

from lima import LimaError, storable, visible
from lima_dialogue_eval.people.events import (
    CANNOT_JUDGE,
    COMMENT,
    GRADE,
    LEFT,
    LONGEST,
    NEITHER,
    PREFER,
    RIGHT,
    TICK,
    UNDO,
    Cell,
    Event,
    State,
)
from lima_dialogue_eval.people.grading import Grading
from lima_dialogue_eval.people.keys import Keys
from lima_dialogue_eval.people.talks import Item, TalkTurn, two_sided

GRADES: Mapping[str, str] = {
    **dict.fromkeys("1f", "fail"),
    **dict.fromkeys("2p", "pass"),
    **dict.fromkeys("3e", "excellent"),
    "x": CANNOT_JUDGE,
}
BETTER: Mapping[str, str] = {"a": LEFT, "b": RIGHT, "n": NEITHER}
LETTERS = {LEFT: "A", RIGHT: "B"}
HELP = """  1 or f  Fail            c  comment              left, right  previous or next conversation
  2 or p  Pass            t  tick a requirement   q or Ctrl-C  stop: everything is saved
  3 or e  Excellent       u  undo
  x       cannot judge    a, b, n  the better of two dialogues, or neither"""
_LEFT, _RIGHT = ("\x1b[D", "\x1bOD"), ("\x1b[C", "\x1bOC")


class _Stop(Exception):
    """The rater wants to stop"""


def grade_in_terminal(grading: Grading) -> None:
    """Let a rater grade until everything is graded or they stop; LimaError where there is no terminal"""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise LimaError("--terminal reads single keys and needs a terminal. Leave it out for a page.")
    click.echo(HELP)
    try:
        with Keys() as keys:
            place = grading.first_open()
            while place is not None:
                place = _Talk(grading, grading.at(place), keys).grade()
    except (_Stop, KeyboardInterrupt, EOFError):
        click.echo("\nStopped. Everything that was graded is saved; the same command resumes.")
        return
    click.echo("\nEverything is graded. Thank you.")


class _Talk:
    """One conversation in front of a rater"""

    def __init__(self, grading: Grading, item: Item, keys: Keys) -> None:
        self.grading, self.item, self.keys = grading, item, keys
        self.two, self.shown = two_sided(item), 0
        self.looked_at = grading.done(item)

    def grade(self) -> int | None:
        """Grade it; the place of the conversation that comes next, None where everything is graded"""
        talk = self.grading.talk(self.item)
        count = len(self.grading.items())
        click.secho(f"\nConversation {self.item['place']} of {count}: {talk.topic}", bold=True)
        if talk.system:
            _say("\nSystem", talk.system)
        while True:
            self._show_new()
            state = self.grading.state(self.item)
            done = state.done(self.item["cells"], self.grading.asks_preference(self.item))
            if done and not self.looked_at:
                return self.grading.next_open(self.item["place"])
            key = self._key(state, done)
            if done and key in ("\r", "\n"):
                return self.grading.next_open(self.item["place"])
            if key in (*_LEFT, *_RIGHT) and 1 <= (there := self.item["place"] + (1 if key in _RIGHT else -1)) <= count:
                return there
            self._do(key, state)

    def _show_new(self) -> None:
        for turn in self.grading.talk(self.item).turns:
            if turn.number > self.shown:
                self._show(turn)
                self.shown = turn.number

    def _show(self, turn: TalkTurn) -> None:
        if turn.shared_user is not None:
            _say(f"\nTurn {turn.number}, user", turn.shared_user)
        for side, one in turn.sides.items():
            name = f"Reply {LETTERS[side]}" if self.two else "Reply"
            if turn.shared_user is None:
                _say(f"\nTurn {turn.number}, user of {LETTERS[side]}", one.user)
            _say(f"\n{name}", "(empty)" if one.reply is not None and not one.reply.strip() else one.reply or "")
            if one.note:
                click.secho(f"  {one.note}", dim=True)
            if (turn.number, side) in self.item["cells"]:
                for number, text in enumerate(one.requirements, 1):
                    click.secho(f"  requirement {number}: {text}", dim=True)

    def _key(self, state: State, done: bool) -> str:
        """What is asked for, and the key that is pressed"""
        cell = state.open(self.item["cells"])
        if cell:
            given = state.of(cell).comment
            asked = f"Turn {cell[0]}{f', reply {LETTERS[cell[1]]}' if self.two else ''}: grade? [1 2 3 x c t u ?]"
            asked += f" (comment: {visible(given)[:40]})" if given else ""
        elif done:
            asked = "Graded. [Enter: next open conversation, u: undo, ?]"
        else:
            asked = "Which dialogue is better? [a b n u ?]"
        click.echo(f"\n{asked} ", nl=False)
        key = self.keys.key()
        key = key.lower() if len(key) == 1 else key
        click.echo(visible(key) if key.isprintable() else "")
        return key

    def _do(self, key: str, state: State) -> None:
        cell = state.open(self.item["cells"])
        if key in ("q", *Keys.STOP):
            raise _Stop
        if key == "?":
            click.echo(HELP)
        elif key == "u":
            self._undo(state)
        elif cell and key in GRADES:
            self._send(GRADE, GRADES[key], cell)
            click.echo(f"  {GRADES[key]}, saved")
        elif cell and key == "c":
            self._comment(cell)
        elif cell and key == "t":
            self._tick(state, cell)
        elif not cell and key in BETTER and self.grading.asks_preference(self.item):
            self._send(PREFER, BETTER[key])
            click.echo("  saved")
        else:
            click.echo("  This key does nothing here; ? shows the keys.")

    def _undo(self, state: State) -> None:
        if not state.kept:
            click.echo("  Nothing to undo in this conversation.")
            return
        last = state.kept[-1]
        self._send(UNDO, last.id, (last.turn, last.side))
        click.echo(f"  Undone: {last.kind}{f' of turn {last.turn}' if last.turn else ''}.")

    def _comment(self, cell: Cell) -> None:
        text = self.keys.line("  Comment")
        if not text:  # Enter alone takes no comment away
            return
        self._send(COMMENT, storable(text[:LONGEST]), cell)

    def _tick(self, state: State, cell: Cell) -> None:
        turns = {turn.number: turn for turn in self.grading.talk(self.item).turns}
        count = len(turns[cell[0]].sides[cell[1]].requirements)
        if not count:
            click.echo("  This turn has no requirements.")
            return
        said = self.keys.line(f"  Requirement, 1 to {count}")
        if not re.fullmatch(r"[0-9]{1,4}", said) or not 1 <= int(said) <= count:
            click.echo("  No such requirement.")
            return
        number = int(said) - 1
        met = not state.of(cell).ticks.get(number, False)
        self._send(TICK, f"{number}:{'yes' if met else 'no'}", cell)
        click.echo(f"  Requirement {number + 1}: {'met' if met else 'not met'}")

    def _send(self, kind: str, value: str, cell: Cell = (0, LEFT)) -> None:
        event = Event(secrets.token_hex(8), self.item["item"], cell[0], cell[1], kind, value)
        for sentence in self.grading.take([event]).values():
            click.echo(f"  {sentence}")


def _say(who: str, text: str) -> None:
    click.secho(who, bold=True)
    for line in text.split("\n"):
        click.echo(f"  {line}")
