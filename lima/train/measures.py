"""What plugins measure of an epoch's model on the dev examples, by name.

Knows nothing of what a measure means, except that more is better.
"""

import math
from collections.abc import Sequence
from typing import Any

from lima.contract.examples import Record
from lima.plugins import Plugins


def measures(plugins: Plugins, model: Any, examples: Sequence[Record]) -> dict[str, float]:
    """The values that the hook `measure_epoch` recorded; LimaError, with the plugin's name, for one that is no finite number or
    whose name is taken"""
    found: dict[str, float] = {}

    def record(name: str, value: float) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"A measure has the name {name!r}; expected text.")
        if name in found:
            raise ValueError(f"The measure {name!r} is recorded twice. Give each a name of its own.")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"The measure {name!r} is {value!r}; expected a finite number.")
        found[name] = float(value)

    plugins.call("measure_epoch", model=model, examples=examples, record=record)
    return found
