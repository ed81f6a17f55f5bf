"""lima-stackexchange: examples from the dumps of Stack Exchange, as a plugin of lima (LIMA §2).

Brings the source `stackexchange` (questions with their top answers, by the paper's filters) and `stackexchange-threads` (comment
chains as candidate dialogues), each with who wrote what under which licence. Knows nothing of tokens or of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_stackexchange.questions import Questions
    from lima_stackexchange.threads import Threads

    register("stackexchange", Questions())
    register("stackexchange-threads", Threads())
