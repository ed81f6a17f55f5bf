"""lima-wikihow: examples from CSV exports of wikiHow, as a plugin of lima (LIMA §2).

Brings the source `wikihow`: one example an article, whose title is asked and whose sections are the answer. Knows nothing of
tokens or of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_wikihow.source import Articles

    register("wikihow", Articles())
