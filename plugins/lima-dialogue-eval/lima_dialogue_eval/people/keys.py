"""Single keys from a terminal, and whole lines in between; what is typed ahead is kept and not echoed. Knows no meanings."""

import codecs
import os
import sys
from typing import Any

import click

try:
    import termios
    import tty
except ImportError:  # Windows: click reads keys there
    termios = tty = None  # type: ignore[assignment]

STOP = ("\x03", "\x04")
"Ctrl-C and Ctrl-D as keys"


class Keys:
    """The terminal gives keys inside of a `with`, and is as before after it"""

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
