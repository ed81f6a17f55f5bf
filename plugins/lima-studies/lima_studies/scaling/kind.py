"""A grid of sizes, and what its report says beyond means and differences: the change a doubling, a curve, a plateau.

LIMA §5 (quantity), and the question whether what fine-tuning teaches is superficial, asked again (2410.03717). Knows nothing of
how anything was trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lima_studies.grids.kind import Ablation
from lima_studies.jobs.grid import Arm, Evaluated, Grid
from lima_studies.report.document import Bar, Bars, Number, Part, Section, Table
from lima_studies.scores import curves
from lima_studies.scores.curves import Curve, curve_of
from lima_studies.scores.scores import Interval, Scale, Scores, mean_of
from lima_studies.sources.sources import sample


class Scaling(Ablation):
    """The kind `scaling`"""

    name = "scaling"
    definitions = curves.DEFINITIONS

    def further(self, scores: Sequence[Scores], scale: Scale, grid: Mapping[str, Any], rater: str) -> list[Section]:
        """The curve"""
        found = curve_of(_sized(scores, grid), scale)
        return [_section(found, scores, scale, grid, rater)] if found else []

    def figures(self, scores: Sequence[Scores], scale: Scale, grid: Mapping[str, Any]) -> Any:
        """The same for programs"""
        found = curve_of(_sized(scores, grid), scale)
        return asdict(found) if found else None


def scaling_grid(
    source: str,
    sizes: Sequence[int],
    seeds: int,
    recipe: Mapping[str, Any],
    evaluated: Evaluated,
    same_steps: bool,
) -> Grid:
    """A grid with an arm for each size; each fine-tune draws its own examples, the smaller sizes those of the larger ones

    With `same_steps` smaller sizes have more epochs, so that all take about as many steps as the largest."""
    epochs, batch = recipe.get("epochs", 15), recipe.get("batch_size", 32)
    steps = epochs * -(-max(sizes) // batch)
    arms = []
    for size in sorted(set(sizes)):
        more = {"epochs": max(1, round(steps / -(-size // batch)))} if same_steps else {}
        text = f"{size:,} examples" + (f" for {more['epochs']} epochs" if more else "")
        changes = {"sources": [sample(size, "{seed}", source)], **more}
        arms.append(Arm(f"n-{size}", text, changes, size=size))
    title = f"{min(sizes):,} to {max(sizes):,} examples of {source}"
    return Grid(title, dict(recipe), tuple(arms), evaluated, seeds, against=arms[0].name)


def _sized(scores: Sequence[Scores], grid: Mapping[str, Any]) -> list[tuple[int, Scores]]:
    sizes = {arm["name"]: arm["size"] for arm in grid["arms"]}
    return [(sizes[one.arm], one) for one in scores if sizes[one.arm]]


def _section(found: Curve, scores: Sequence[Scores], scale: Scale, grid: Mapping[str, Any], rater: str) -> Section:
    slope = Number(
        f"a doubling, {rater}",
        f"{found.slope:+.3f}  {_between(found.slope_interval)}"
        + (f" / {_between(found.slope_redrawn)}" if found.slope_redrawn else ""),
        found.units,
        "change a doubling",
        found.slope,
        found.slope_redrawn or found.slope_interval,
    )
    level = Number(
        f"plateau, {rater}", f"from {found.plateau:,} on" if found.plateau else "not shown", found.units, "plateau"
    )
    tables = [Table(f"Over sizes, by {rater}", ("", "change a doubling", "plateau"), (("all sizes", slope, level),))]
    tables.append(_steps(found, rater))
    bars = (_curve(found, scores, scale, grid),) if found.fitted else ()
    note = f"Within ±{scale.margin:g} of {scale.name}, a twentieth of the scale, differences are taken for none."
    return Section(f"Over sizes, by {rater}", note, bars=bars, tables=tuple(tables), notes=_note(found))


def _note(found: Curve) -> tuple[str, ...]:
    if not found.numbers:
        return (f"No curve: it takes {curves.LEAST_SIZES} sizes.",)
    c, a, r = found.numbers
    return (f"The curve: {c:.2f} − {a:.2f} · (size / smallest)^−{r:.2f}.",)


def _curve(found: Curve, scores: Sequence[Scores], scale: Scale, grid: Mapping[str, Any]) -> Bars:
    means = {size: mean_of(one, scale) for size, one in _sized(scores, grid)}
    groups = []
    for size, (value, interval) in found.fitted.items():
        mean = means[size]
        measured = () if mean is None else (_bar("measured", mean.value, mean.interval, scale),)
        groups.append((f"{size:,} examples", (*measured, _bar("curve", value, interval, scale))))
    return Bars(f"Measured and fitted, {scale.name}", tuple(groups), (("mean", "with its interval below the bar"),))


def _bar(name: str, value: float, interval: Interval, scale: Scale) -> Bar:
    whisker = interval and tuple(min(1.0, max(0.0, scale.part(x))) for x in interval)
    part = min(1.0, max(0.0, scale.part(value)))
    return Bar(name, (Part("mean", part),), f"{value:.2f}  {_plain(interval)}", interval=whisker or None)  # type: ignore[arg-type]


def _steps(found: Curve, rater: str) -> Table:
    rows = tuple(
        (
            f"{step.size:,}",
            Number(f"largest against {step.size}, {rater}", f"{step.difference:+.2f}  {_between(step.interval)}", found.units,
                   "against the largest", step.difference, step.interval),
        )
        for step in found.steps
    )  # fmt: skip
    return Table(f"The largest size against each, by {rater}", ("size", "the largest minus it"), rows)


def _between(interval: Interval) -> str:
    return f"[{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else "[no interval]"


def _plain(interval: Interval) -> str:
    return f"[{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
