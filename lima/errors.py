"""The errors that a user can fix.

One exception: its text is a complete sentence with the offending value, what was expected and the next step. The command line
prints it without a traceback. Knows nothing of where it is raised.
"""

import difflib
from collections.abc import Iterable


class LimaError(Exception):
    """Something a user can fix; the message says what, and how"""


class PluginFailed(LimaError):
    """Code of a plugin raised an error of its own, or returned what it may not; `__cause__` is the error"""


class PluginStopped(LimaError):
    """A plugin tried to end the process, which only lima may do"""


class Diverged(LimaError):
    """A loss or a gradient that is not finite: the same steps again would end the same"""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; its row and its states are kept"""

    def __init__(self, run: str, step: int) -> None:
        super().__init__(f"run {run} after step {step}")
        self.run, self.step = run, step


QUOTED = 80
"Characters of a value that an error quotes"


def quoted(value: object) -> str:
    """A value as an error quotes it: as Python writes it, of a long one the beginning"""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"
    except RecursionError:
        return "a value that is nested too deeply"
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the closest known one, and all known ones

    Matches are case-insensitive. With nothing known, says so."""
    names = sorted(set(known))
    if not names:
        return " None are known."
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    hint = next((f" Did you mean {n!r}?" for n in names if close and n.lower() == close[0]), "")
    return f"{hint} Known: {', '.join(names)}."
