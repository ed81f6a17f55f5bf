"""What lima says when something is wrong that a user can put right.

One exception: its text is a whole sentence with the offending value, what was expected and the next step. The command line
prints it without a traceback. Knows nothing of where it is raised.
"""

import difflib
from collections.abc import Iterable


class LimaError(Exception):
    """Something a user can fix; the message says what, and how"""


class PluginStopped(LimaError):
    """A plugin called for the end of the process, which is not its to end"""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a run, which its row and its states outlive"""

    def __init__(self, run: str, step: int) -> None:
        super().__init__(f"run {run} after step {step}")
        self.run, self.step = run, step


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the closest known one and the list of all

    Matches are case-insensitive. With nothing known, says so."""
    names = sorted(set(known))
    if not names:
        return " None are known."
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    hint = next((f" Did you mean {n!r}?" for n in names if close and n.lower() == close[0]), "")
    return f"{hint} Known: {', '.join(names)}."
