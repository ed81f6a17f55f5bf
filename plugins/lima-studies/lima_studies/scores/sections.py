"""The parts of a report that show scores: bars of means beside the paper's, a table, and the comparisons.

Knows nothing of who gave the scores.
"""

from collections.abc import Mapping, Sequence

from lima_dialogue_eval import p_text
from lima_studies.report.document import Bar, Bars, Number, Part, Section, Table
from lima_studies.scores import comparing
from lima_studies.scores.comparing import Comparison
from lima_studies.scores.scores import Interval, Mean, Scale, Scores, mean_of

DEFINITIONS = {
    "mean": "Mean over prompts of the mean over a prompt's samples and fine-tunes. 95 % t interval over prompts (N − 1 degrees "
    "of freedom), for the fine-tunes that were run; none where all prompts score the same.",
    "distribution": "How often each score was given, over all samples of all fine-tunes; descriptive.",
    "difference": "Mean paired difference over the prompts that both arms have. 95 % t interval over prompts, for the "
    "fine-tunes that were run. After the slash: " + comparing.REDRAWN,
    "p": comparing.TEST,
    "verdict": comparing.RULE,
}
Paper = Mapping[str, tuple[str, float]]
"For an arm what of the paper's stands beside it, and its mean on the scale of 1 to 6"


def sections_of(
    rater: str, arms: Sequence[Scores], scale: Scale, comparisons: Sequence[Comparison], paper: Paper | None = None
) -> list[Section]:
    """What one rater's scores show"""
    means = [mean for arm in arms if (mean := mean_of(arm, scale))]
    bars = tuple((mean.arm, _bars(mean, scale, (paper or {}).get(mean.arm))) for mean in means)
    drawn = Bars(f"Mean {scale.name}", bars, (("mean", "mean, with its 95 % interval below the bar"),), _note(paper))
    table = _means_table(rater, means, {arm.arm: arm for arm in arms}, scale)
    found = [Section(f"By {rater}", bars=(drawn,), tables=(table,))]
    if comparisons:
        found.append(_comparisons(rater, comparisons))
    return found


def _note(paper: Paper | None) -> str:
    if not paper:
        return ""
    return (
        "Paler bars are the paper's (LIMA §5: 7B models, 2,000 examples, other prompts, another judge). They are a backdrop, not "
        "a baseline; on another scale they are drawn at the same part of it."
    )


def _bars(mean: Mean, scale: Scale, paper: tuple[str, float] | None) -> tuple[Bar, ...]:
    interval = mean.interval and (scale.part(mean.interval[0]), scale.part(mean.interval[1]))
    own = Bar("here", (Part("mean", scale.part(mean.value)),), _with(mean.value, mean.interval), interval=interval)
    if not paper:
        return (own,)
    name, value = paper
    return own, Bar(f"the paper: {name}", (Part("mean", (value - 1) / 5),), f"{value:.2f} of 6", paper=True)


def _means_table(rater: str, means: Sequence[Mean], arms: Mapping[str, Scores], scale: Scale) -> Table:
    rows = []
    for mean in means:
        arm, about = arms[mean.arm], f"{mean.arm}, {rater}"
        counts = ", ".join(f"{name}: {arm.counts.get(value, 0)}" for value, name in scale.values)
        rows.append(
            (
                mean.arm,
                Number(about, _with(mean.value, mean.interval), mean.units, "mean", mean.value, mean.interval),
                " / ".join([*(f"{value:.2f}" for value in mean.by_tune), *["no score"] * arm.silent]),
                Number(about, counts, sum(arm.counts.values()), "distribution"),
                f"{arm.without}" if arm.without else "none",
            )
        )
    columns = ("arm", f"mean {scale.name}", "each fine-tune", "distribution", "samples without a score")
    return Table(f"Scores by {rater}", columns, tuple(rows))


def _comparisons(rater: str, comparisons: Sequence[Comparison]) -> Section:
    rows = []
    for one in comparisons:
        about = f"{one.arm} against {one.against}, {rater}"
        rows.append(
            (
                f"{one.arm} against {one.against}",
                Number(about, _difference(one), one.units, "difference", one.difference, one.interval),
                f"{one.more} / {one.units - one.more - one.less} / {one.less}",
                Number(
                    about, f"{p_text(one.p_value)}; {p_text(one.adjusted)} after Holm", one.units, "p", one.p_value,
                    None, one.adjusted,
                ),
                one.verdict,
            )
        )  # fmt: skip
    columns = ("arms", "difference, over prompts / fine-tunes redrawn", "prompts more / same / less", "p", "verdict")
    return Section(f"Differences, by {rater}", tables=(Table(f"Differences by {rater}", columns, tuple(rows)),))


def _difference(one: Comparison) -> str:
    redrawn = f" / {_between(one.redrawn, signed=True)}" if one.redrawn else ""
    return f"{one.difference:+.2f}  {_between(one.interval, signed=True)}{redrawn}"


def _with(value: float, interval: Interval) -> str:
    return f"{value:.2f}  {_between(interval)}"


def _between(interval: Interval, signed: bool = False) -> str:
    if not interval:
        return "[no interval]"
    low, high = (f"{x:+.2f}" if signed else f"{x:.2f}" for x in interval)
    return f"[{low}, {high}]"
