"""A talk in a terminal: what the person types, what is shown, and the commands that begin with a slash.

Knows nothing of models or files.
"""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click

from lima import LimaError, did_you_mean, visible
from lima_chat.talk.file import save
from lima_chat.talk.log import Log
from lima_chat.talk.talk import STOPPED, Exchange, Talk

COMMANDS = {
    "/help": "show this",
    "/undo": "take back the last exchange",
    "/retry": "ask for the last reply again, with other random numbers",
    "/save FILE": "write the talk as messages, a format that lima trains on",
    "/clear": "begin a new talk",
    "/reveal": "say which model is which, after --blind",
    "/quit": "end; so does Ctrl-D",
}
MANY = '"""'
"Begins and ends what is written on several lines"
COLUMNS = 100
"A terminal at least this wide shows two replies side by side, when both are there"


@dataclass
class Screen:
    """One talk with each model, as the person sees it"""

    talks: dict[str, Talk]
    "By what each is called on the screen; one talk alone has no name there"
    log: Log
    new: Callable[[], dict[str, Talk]]
    "Begins new talks"
    secret: bool = False
    "Whether the models' names are not to be shown yet"
    saved: set[Path] = field(default_factory=set)

    def run(self) -> None:
        """Talk until the person ends it"""
        said = "\n".join([f"{name}: {visible(str(talk.model.name))}" for name, talk in self.talks.items() if name])
        if _asks():
            click.echo(f"/help lists the commands; {MANY} begins and ends several lines.", err=True)
        if said and not self.secret:
            click.echo(said, err=True)
        for text in typed():
            try:
                if text.startswith("/") and not text.startswith("//"):
                    if text.split()[0] in ("/quit", "/exit"):
                        break
                    self.command(text)
                else:
                    self.say(text.removeprefix("/") if text.startswith("//") else text)
            except LimaError as e:
                click.echo(visible(f"Error: {e}"), err=True)
        if self.secret:
            self.reveal()

    def command(self, text: str) -> None:
        """Do what a line that begins with a slash says"""
        name, _, argument = text.partition(" ")
        if name == "/save":
            click.echo(visible(save(argument.strip(), list(self.talks.values()), self.saved)), err=True)
        elif name == "/undo":
            self.undo()
        elif name == "/retry":
            last = self.undo(quiet=True)
            self.say(last.user, last.attempt + 1)
        elif name == "/clear":
            self.talks, self.saved = self.new(), set()
            click.echo("A new talk.", err=True)
        elif name == "/reveal":
            self.reveal()
        elif name == "/help":
            width = max(map(len, COMMANDS))
            click.echo("\n".join(f"{name:<{width}}  {does}" for name, does in COMMANDS.items()), err=True)
        else:
            known = [one.split()[0] for one in COMMANDS]
            raise LimaError(
                f"There is no command {name}.{did_you_mean(name, known)} Text that begins with a slash is written with two."
            )

    def undo(self, quiet: bool = False) -> Exchange:
        """Take back the last exchange of every talk; LimaError where there is none"""
        taken = [talk.undo() for talk in self.talks.values()]
        if taken[0] is None:
            raise LimaError("Nothing was said yet.")
        for talk in self.talks.values():
            self.log.undone(talk)
        if not quiet:
            click.echo(f"Taken back: {visible(_short(taken[0].user))}", err=True)
        return taken[0]

    def reveal(self) -> None:
        """Say which model is which"""
        self.secret = False
        for name, talk in self.talks.items():
            click.echo(f"{name or 'This'} is {visible(str(talk.model.name))}", err=True)

    def say(self, text: str, attempt: int = 0) -> None:
        """Say something to every model; where one gives nothing, nothing was said to any"""
        before = {name: len(talk.exchanges) for name, talk in self.talks.items()}
        beside = len(self.talks) > 1 and sys.stdout.isatty() and _width() >= COLUMNS
        try:
            for name, talk in self.talks.items():
                if beside:
                    self._wait(name, talk.say(text, attempt))
                else:
                    self._stream(name, talk.say(text, attempt))
        except LimaError as e:
            if not self.secret:
                raise
            raise LimaError(
                f"{name} gave no reply, so nothing was said to either. The reason may tell its name: /reveal, then say it again. "
                "Or take exchanges back with /undo."
            ) from e
        finally:
            if any(len(talk.exchanges) == before[name] for name, talk in self.talks.items()):
                for name, talk in self.talks.items():
                    del talk.exchanges[before[name] :]
        if len(next(iter(self.talks.values())).exchanges) == next(iter(before.values())):
            click.echo("Nothing was said.", err=True)
            return
        for talk in self.talks.values():
            self.log.said(talk, talk.exchanges[-1])
        if beside:
            _beside({name: talk.exchanges[-1].reply.text for name, talk in self.talks.items()})
        for name, talk in self.talks.items():
            self._remark(name, talk.exchanges[-1])

    def _stream(self, name: str, pieces: Generator[str, None, None]) -> None:
        """Show a reply as it comes; Ctrl-C stops it"""
        if name:
            click.secho(f"{name}:", bold=True)
        with closing(pieces), suppress(KeyboardInterrupt):
            for piece in pieces:
                click.echo(visible(piece), nl=False)
        click.echo("\n" if _asks() else "")

    def _wait(self, name: str, pieces: Generator[str, None, None]) -> None:
        """Wait for a reply that is shown beside another; Ctrl-C stops it"""
        from rich.console import Console

        with Console(stderr=True).status(f"{name} is writing"), closing(pieces), suppress(KeyboardInterrupt):
            for _ in pieces:
                pass

    def _remark(self, name: str, exchange: Exchange) -> None:
        """Say of a reply how it ended, where it is not by itself, and that it has thoughts"""
        who, reply = f"{name}: " if name else "", exchange.reply
        ends = {
            "length": "The reply was cut off at --max-new-tokens.",
            "context": "The reply was cut off where the context was full.",
            STOPPED: "You stopped the reply; what is there stays in the talk. /undo takes it back.",
        }
        if reply.thoughts:
            words = len(reply.thoughts.split())
            click.echo(f"{who}It thought before, in {words:,} word{'s' * (words != 1)}; /save keeps them.", err=True)
        if reply.stop in ends:
            click.echo(f"{who}{ends[reply.stop]}", err=True)


def typed() -> Iterator[str]:
    """What the person types, a text at a time, until the end of the input; Ctrl-C empties the line"""
    with suppress(ImportError):
        import readline  # noqa: F401  # gives `input` its editing and history
    while True:
        try:
            text = _input("> ")
            if text.strip().startswith(MANY):
                text = _lines(text.strip().removeprefix(MANY))
        except EOFError:
            if _asks():
                click.echo(err=True)
            return
        except KeyboardInterrupt:
            click.echo("\nCtrl-D or /quit ends the talk.", err=True)
            continue
        if text.strip():
            yield text.strip()


def _lines(first: str) -> str:
    """Several lines, up to the one that ends with the mark; the end of the input ends them, too"""
    lines = [first]
    while not lines[-1].rstrip().endswith(MANY):
        try:
            lines.append(_input("… "))
        except EOFError:
            break
    lines[-1] = lines[-1].rstrip().removesuffix(MANY)
    return "\n".join(lines).strip("\n")


def _input(prompt: str) -> str:
    return input(prompt if _asks() else "")


def _asks() -> bool:
    """Whether a person sits there"""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _width() -> int:
    from rich.console import Console

    return Console().width


def _beside(texts: dict[str, str]) -> None:
    """Two replies in two columns"""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for name in texts:
        table.add_column(name, ratio=1, overflow="fold")
    table.add_row(*[Text(visible(text)) for text in texts.values()])
    Console().print(table)


def _short(text: str, length: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
