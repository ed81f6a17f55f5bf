"""lima-reddit: stories and questions from Pushshift's dumps of Reddit, as a plugin of lima (LIMA §2).

Brings the sources `reddit` (prompts with the best story written to each) and `reddit-titles` (titles to ask a model, without
answers). Knows nothing of tokens or of training.
"""

from collections.abc import Callable
from typing import Any

from lima import hookimpl


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_reddit.stories import Stories
    from lima_reddit.titles import Titles

    register("reddit", Stories())
    register("reddit-titles", Titles())
