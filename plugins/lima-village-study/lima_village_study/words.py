"""How the study words its numbers: shares, gains, intervals and sample sizes. It does not know what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lima_dialogue_eval.report.figures import equals as equals
from lima_dialogue_eval.report.figures import signed as signed
from lima_village_study.scores import Estimate

PER_CENT = "\N{NO-BREAK SPACE}%"
FILTERS = ("number", "signed", "value", "share", "judged", "points_gained", "samples", "without", "equals")
"""what the templates of `findings.toml` may use"""


def number(value: float, digits: int = 1) -> str:
    """'97.5', with a real minus sign"""
    return signed(value, digits).removeprefix("+")


def between(interval: tuple[float, float] | None, digits: int = 1, sign: bool = False) -> str:
    """'[95.1, 98.3]'; empty without an interval"""
    word = signed if sign else number
    return f"[{word(interval[0], digits)},\N{NO-BREAK SPACE}{word(interval[1], digits)}]" if interval else ""


def value(estimate: Estimate, digits: int = 1, unit: str = "") -> str:
    """'97.5 % [95.1, 98.3]'"""
    return f"{number(estimate.value, digits)}{unit} {between(estimate.interval, digits)}{_alike(estimate)}".strip()


def share(estimate: Estimate) -> str:
    """'97.5 % [95.1, 98.3]'"""
    return value(estimate, unit=PER_CENT)


def gain(estimate: Estimate, digits: int = 1, unit: str = "") -> str:
    """'+36.8 points [+33.0, +40.1]'"""
    inside = between(estimate.interval, digits, sign=True)
    return f"{signed(estimate.value, digits)}{unit} {inside}{_alike(estimate)}".strip()


def change(estimate: Estimate | None, digits: int = 1) -> tuple[str, str]:
    """('+36.8 [+33.0, +40.1]', '[+32.6, +40.9]'), the second with the fine-tunes resampled; two empty cells for None"""
    if estimate is None:
        return "", ""
    return gain(estimate, digits), between(estimate.redrawn, digits, sign=True)


def judged(estimate: Estimate, digits: int = 1, unit: str = "") -> str:
    """'+36.8 points [+33.0, +40.1], fine-tunes redrawn [+32.6, +40.9]'"""
    _, redrawn = change(estimate, digits)
    return gain(estimate, digits, unit) + (f", fine-tunes redrawn {redrawn}" if redrawn else "")


def points_gained(estimate: Estimate, of: str = "") -> str:
    """'+36.8 points of excellent [+33.0, +40.1], fine-tunes redrawn [+32.6, +40.9]'"""
    return judged(estimate, unit=f" points{of}")


def _alike(estimate: Estimate) -> str:
    return f"(all {estimate.units} alike)" if estimate.alike else ""


def samples(found: Mapping[Any, Estimate], unit: str = "conversations", left_out: int = 0) -> str:
    """'n = 150 conversations; 2,205 replies, 3 seeds (0, 30); 1,470 replies, 2 seeds (3)': the sample size of each arm"""
    groups: dict[str, list[str]] = {}
    for name, one in found.items():
        what = f"{one.replies:,} replies, {one.seeds} seed{'s' * (one.seeds != 1)}"
        groups.setdefault(what, []).append(f"{name:,}" if isinstance(name, int) else name)
    told = [what + (f" ({', '.join(names)})" if len(groups) > 1 else "") for what, names in groups.items()]
    units = " and ".join(dict.fromkeys(str(one.units) for one in found.values()))
    return f"n = {units} {unit}{without(left_out)}; {'; '.join(told)}" + " an arm" * (len(groups) == 1 < len(found))


def without(left_out: int) -> str:
    """' (2 left out of every arm: a reply has no grade)'; empty for 0"""
    return f" ({left_out} left out of every arm: a reply has no grade)" if left_out else ""
