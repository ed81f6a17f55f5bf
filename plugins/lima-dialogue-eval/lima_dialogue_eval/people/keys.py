"""Single keys from a terminal, and whole lines in between; what is typed ahead is kept and not echoed. Knows no meanings."""

import codecs
import os
import sys
from typing import Any

import click

from lima import LimaError

try:
    import termios
    import tty
except ImportError:  # Windows: click reads keys there
    termios = tty = None  # type: ignore[assignment]


class Keys:
    """The terminal gives keys inside of a `with`, and is as before after it"""

    STOP = ("\x03", "\x04")
    "Ctrl-C and Ctrl-D as keys"

    def __enter__(self) -> "Keys":
        self.input = sys.stdin.fileno()
        self.before: Any = termios.tcgetattr(self.input) if termios else None
        self._by_key()
        return self

    def __exit__(self, *_: object) -> None:
        self._by_line()

    def key(self) -> str:
        """The next key; an arrow is a sequence that begins with ESC. EOFError where the terminal is gone"""
        if not termios:
            return click.getchar()
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        found = ""
        while not found:
            found = decoder.decode(self._byte())
        if found == "\x1b":
            while self._more() and not found[1:].lstrip("[O").isalpha():
                found += self._byte().decode("latin-1")
        return found

    def line(self, asked: str) -> str:
        """A line that the person types after the text `asked`"""
        self._by_line()
        try:
            return str(click.prompt(asked, default="", show_default=False))
        finally:
            self._by_key()

    def edited(self, text: str) -> str | None:
        """The text as the person leaves it in their own editor; None where they did not save it. LimaError where that fails"""
        self._by_line()
        try:
            found = click.edit(text, extension=".txt")
        except click.ClickException as e:
            raise LimaError(f"{e.message} Name another editor in the variable EDITOR, or use the page.") from None
        finally:
            self._by_key()
        if found is None or text.endswith("\n"):
            return found
        return found.removesuffix("\n")  # which the editor needs at the end of a file

    def _byte(self) -> bytes:
        found = os.read(self.input, 1)
        if not found:
            raise EOFError
        return found

    def _more(self) -> bool:
        """Whether a sequence continues: its bytes come together"""
        import select

        return bool(select.select([self.input], [], [], 0.05)[0])

    def _by_key(self) -> None:
        if termios:
            tty.setcbreak(self.input, termios.TCSADRAIN)

    def _by_line(self) -> None:
        if termios:
            termios.tcsetattr(self.input, termios.TCSADRAIN, self.before)
