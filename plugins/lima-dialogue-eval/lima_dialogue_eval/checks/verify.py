"""What is wrong with a check before any reply is looked at, and the list of all checks for pages.

Knows nothing of replies.
"""

import json
from collections.abc import Iterator
from typing import Any

from lima import LimaError, did_you_mean
from lima_dialogue_eval.checks import shapes
from lima_dialogue_eval.checks.vocabulary import CHECKS


def check_problems(check: Any, replies: int | None = None) -> Iterator[shapes.Fault]:
    """(what is wrong, what to do) of a check; with the number of replies before the turn, references are looked at, too"""
    if not isinstance(check, dict):
        yield f"a check is {check!r}", 'Put an object such as {"max_words": 50}.'
        return
    for key, given in check.items():
        if key not in CHECKS:
            yield f"{key!r} is not a check", f"Rename it.{did_you_mean(str(key), CHECKS)}"
        elif key == "each_item" and isinstance(given, dict) and given:
            nested = "each_item" in given
            yield from (
                [("'each_item' stands within itself", "Take out the inner one.")]
                if nested
                else check_problems(given, replies)
            )
        else:
            faults = list(CHECKS[key].takes.faults(f"check {key!r}", given))
            yield from faults
            if not faults and replies is not None and CHECKS[key].takes.refers:
                yield from shapes.out_of_reach(f"check {key!r}", given, replies)


def verify(check: Any, replies: int | None = None) -> None:
    """LimaError for a key, value or pattern that no check has, or a reply that comes later"""
    for what, fix in check_problems(check, replies):
        raise LimaError(f"{what}. {fix}")


def as_table() -> str:
    """All checks as a Markdown table, for pages"""
    rows = (
        f"| `{name}` | {check.about} | `{json.dumps({name: check.example}, ensure_ascii=False).replace('|', chr(92) + '|')}` |\n"
        for name, check in CHECKS.items()
    )
    return "| check | holds when the reply … | example |\n|---|---|---|\n" + "".join(rows)
