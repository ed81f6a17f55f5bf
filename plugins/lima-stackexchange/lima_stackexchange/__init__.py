"""lima-stackexchange: examples from the dumps of Stack Exchange, as a plugin of lima (LIMA §2).

Brings the source `stackexchange` (questions with their top answers, by the paper's filters) and `stackexchange-threads` (comment
chains as candidate dialogues), and says what the licence of an example asks for. Knows nothing of tokens or of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl
from lima_stackexchange.licences import attribution, licence_on

__all__ = ["attribution", "licence_on"]


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_stackexchange.questions import Questions
    from lima_stackexchange.threads import Threads

    register("stackexchange", Questions())
    register("stackexchange-threads", Threads())
