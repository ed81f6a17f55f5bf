"""Live conversations in a terminal: what the person says, the replies, and a key for each grade.

Knows nothing of models or databases.
"""

import sys
from collections.abc import Iterable

import click

from lima import LimaError, visible
from lima_chat import EvalTurn, typed
from lima_dialogue_eval.conversation.converse import ANSWERED, ERROR
from lima_dialogue_eval.live.session import LIVE, REPLAY, Held, Session

KEYS = {
    "f": "fail",
    "p": "pass",
    "e": "excellent",
    "x": "cannot judge",
    "c": "write a comment first",
    "u": "grade the reply before this one again",
    "?": "show these keys",
}
HELP = {
    "/end": "end this conversation, and begin the next",
    "/quit": "leave; what is done is kept, and the run can be resumed",
    "/help": "show this",
}
_GRADES = {"f": "fail", "p": "pass", "e": "excellent"}


class Left(Exception):
    """The person leaves; the run can be resumed"""


class Screen:
    """The person's side of a session"""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.lines = typed()

    def run(self) -> None:
        """Go through what is left, grades first; Left if the person leaves before the end"""
        for one, turn in self.session.ungraded():
            self._show(one, turn)
            self._grade(one, turn)
        for one in self.session.left:
            place = f"{self.session.held.index(one) + 1} of {len(self.session.held)}"
            click.secho(visible(f"\n{one.topic or one.id} ({place}, {self.session.mode})"), bold=True, err=True)
            if one.system:
                click.echo(visible(f"The model is told: {one.system}"), err=True)
            self._live(one) if self.session.mode == LIVE else self._given(one)

    def _live(self, one: Held) -> None:
        """The person speaks, until they end the conversation"""
        if not one.index:
            click.echo("Speak; /end begins the next conversation, /help lists the commands.", err=True)
        failed = ""
        while one.status == "running":
            text = self._line()
            if text == "/end":
                if not (one.index or failed):
                    click.echo("Nothing was said yet.", err=True)
                    continue
                self.session.end(one) if one.index else self.session.end(one, ERROR, failed)
                return
            failed = self._ask(one, EvalTurn(text.removeprefix("/") if text.startswith("//") else text, kind="live"))

    def _given(self, one: Held) -> None:
        """The user's turns are shown and said one by one"""
        while one.status == "running" and (turn := one.next_given):
            click.echo(visible(f"\nUser: {turn.user}"))
            flagged = False
            if self.session.mode == REPLAY and one.index:
                flagged = self._fits()
            if failed := self._ask(one, turn, flagged):
                key = self._key(
                    "Enter asks again; n ends this conversation, which comparisons leave out; q leaves ", "\r\nnq"
                )
                if key == "q":
                    raise Left
                if key == "n":
                    self.session.end(one, ERROR, failed)

    def _fits(self) -> bool:
        """Whether the person flags a turn that was said to another model"""
        key = self._key("Enter says it; n says it, too, but it does not fit here and leaves comparisons ", "\rn\n")
        return key == "n"

    def _ask(self, one: Held, turn: EvalTurn, flagged: bool = False) -> str:
        """Say a turn, show the reply and take its grade; why it failed, or empty"""
        from rich.console import Console

        try:
            with Console(stderr=True).status("The model is answering"):
                outcome = self.session.say(one, turn, flagged)
        except LimaError as e:
            click.echo(visible(f"Error: {e}"), err=True)
            return str(e)
        if outcome.status != ANSWERED or outcome.reply is None:
            click.echo("The conversation fills the model's context and ends here; the turn counts as a fail.", err=True)
            return ""
        click.echo(visible(outcome.reply.text) or "(nothing)")
        self._grade(one, outcome.index + 1)
        return ""

    def _show(self, one: Held, turn: int) -> None:
        """A turn that was answered before and not graded"""
        click.secho(visible(f"\n{one.topic or one.id}, turn {turn}: not graded yet"), bold=True, err=True)
        history = [t for t in one.history if t.role != "system"]
        for said in history[: 2 * turn]:
            click.echo(visible(f"{'User' if said.role == 'user' else 'Model'}: {said.content}"))

    def _grade(self, one: Held, turn: int) -> None:
        """Take the grade of a reply, and of the one before it if the person asks for that"""
        comment = self.session.comment(one, turn)
        while True:
            key = self._key(f"Turn {turn}: f/p/e, x cannot judge, c comment, u the one before, ? help ", "".join(KEYS))
            if key == "?":
                self._list(KEYS)
            elif key == "c":
                comment = self._line("Comment: ", commands=False)
            elif key == "u" and turn > 1:
                self._grade(one, turn - 1)
            elif key == "u":
                click.echo("There is no reply before this one.", err=True)
            else:
                break
        if key == "x":
            self.session.grade(one, turn, None, comment, "cannot judge")
        else:
            self.session.grade(one, turn, _GRADES[key], comment)
        click.echo(_GRADES.get(key, "cannot judge").capitalize(), err=True)

    def _line(self, prompt: str = "", commands: bool = True) -> str:
        """What the person types next; Left at the end of the input"""
        if prompt:
            click.echo(prompt, err=True)
        for text in self.lines:
            if commands and text in ("/quit", "/exit"):
                raise Left
            if commands and text == "/help":
                self._list(HELP)
            elif commands and text.startswith("/") and not text.startswith("//") and text != "/end":
                click.echo(
                    visible(
                        f"There is no command {text.split()[0]}; /help lists them. Text that begins with a slash is written with "
                        "two."
                    ),
                    err=True,
                )
            else:
                return text
        raise Left

    def _key(self, prompt: str, allowed: str) -> str:
        """One of the keys; where the input is no terminal, the first letter of its next line"""
        while True:
            click.echo(prompt, nl=False, err=True)
            if sys.stdin.isatty():
                key = click.getchar()
                click.echo(err=True)
            else:
                line = sys.stdin.readline()
                if not line:
                    raise Left
                key = line[:1]
                click.echo(err=True)
            if key in ("\x03", "\x04"):
                raise Left
            if key and key.lower() in allowed:
                return key.lower()
            click.echo(visible(f"{key!r} is none of the keys."), err=True)

    @staticmethod
    def _list(keys: dict[str, str]) -> None:
        width = max(map(len, keys))
        click.echo("\n".join(f"{name:<{width}}  {does}" for name, does in keys.items()), err=True)


def topics(texts: Iterable[str]) -> dict[str, str]:
    """An id for each topic, from its words"""
    found: dict[str, str] = {}
    for text in texts:
        slug = "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())[:60] or "topic"
        name, n = slug, 1
        while name in found:
            n += 1
            name = f"{slug}-{n}"
        found[name] = text
    return found
