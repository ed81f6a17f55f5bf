"""One self-contained HTML file: the figures of two arms or more, and all conversations side by side.

No script and no external resource, and a content security policy that allows none. Replies, topics and model names are hostile
text: the template escapes everything, and hidden characters are written out. Knows nothing of how figures are computed.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lima import LimaError, Store, __version__, now, pieces, storable
from lima_dialogue_eval.comparison.comparable import version
from lima_dialogue_eval.comparison.definitions import DEFINITIONS
from lima_dialogue_eval.comparison.family import METHOD, Family
from lima_dialogue_eval.comparison.outcomes import GRADE
from lima_dialogue_eval.comparison.result import Arm, Comparison
from lima_dialogue_eval.report import figures
from lima_dialogue_eval.report.talks import arms_of, counts_of, replicates_of, sections
from lima_dialogue_eval.statistics import Tally, p_text, share_text

TEMPLATE, ARMS_TEMPLATE = "report.html.jinja", "report_arms.html.jinja"
MARK = b'<p class="eyebrow">lima '
"A mark in every page that lima writes: such a file is overwritten, others are not"


def write_report(
    store: Store,
    comparison: Comparison,
    path: str | Path,
    title: str = "Before and after",
    beside_paper: bool = False,
) -> Path:
    """Write the report of a comparison to a file, completely or not at all; the file's path"""
    return write_whole(render(store, comparison, title, beside_paper), path)


def write_whole(page: str, path: str | Path) -> Path:
    """Write a page to a file, completely or not at all; the file's path, or LimaError"""
    path = Path(path)
    with _written_beside(path, page) as temporary:
        _reserve(path)
        temporary.replace(path)
    return path


def _reserve(path: Path) -> None:
    """Create the file, or check again that it is a page of lima's, so that another process finds it"""
    try:
        path.open("xb").close()
    except FileExistsError:
        _check_ours(path)


def check_place(path: str | Path) -> None:
    """LimaError unless a page can be written to a file, before hours of work end in one"""
    with _written_beside(Path(path), ""):
        pass


@contextmanager
def _written_beside(path: Path, page: str) -> Iterator[Path]:
    """The page in a temporary file next to its place, removed afterwards; LimaError if it cannot be written"""
    if not path.name:
        raise LimaError(f"Cannot write the report: {str(path)!r} names no file. Give one, such as report.html.")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _check_ours(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("x", encoding="utf-8") as file:  # does not follow a link that somebody put there
            file.write(storable(page))
        yield temporary
    except OSError as e:
        raise LimaError(f"Cannot write the report {path}: {e.strerror}. Choose another file.") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _check_ours(path: Path) -> None:
    """LimaError if anything other than a page of lima's or an empty file would be lost"""
    if path.exists() and not path.is_file():  # a device, for example, which a file would replace
        raise LimaError(f"{path} exists and is not a regular file, so it is not overwritten. Choose another file.")
    if path.is_file() and path.stat().st_size and MARK not in path.read_bytes():
        raise LimaError(f"{path} exists and is not a report of lima, so it is not overwritten. Choose another file.")


def write_arms(store: Store, family: Family, path: str | Path, title: str = "Several arms") -> Path:
    """Write the report of several arms, each against the first, to a file, completely or not at all; the file's path"""
    return write_whole(render_arms(store, family, title), path)


def render(store: Store, comparison: Comparison, title: str, beside_paper: bool = False) -> str:
    """The report of two arms as HTML, where asked for with the paper's figures beside these"""
    labels, arms = _labels(comparison), (comparison.before, comparison.after)
    return _page(
        TEMPLATE,
        store,
        [comparison],
        list(zip(("Before", "After"), labels, strict=True)),
        title=title,
        c=comparison,
        beside_paper=beside_paper,
        rows=figures.table_rows(comparison),
        labels=labels,
        grades=figures.shown_grades(comparison),
        lines=_lines(comparison, arms),
        percent=lambda tally, grade: f"{100 * tally.count(grade) / tally.turns:.0f}" if tally.turns else "none",
        groups=[
            ("By turn", "turn", DEFINITIONS["by_turn"], comparison.by_turn),
            ("By kind of turn", "kind", DEFINITIONS["by_kind"], comparison.by_kind),
        ],
    )


def render_arms(store: Store, family: Family, title: str) -> str:
    """The report of several arms as HTML"""
    found = family.comparisons
    arms = arms_of(found)
    return _page(
        ARMS_TEMPLATE,
        store,
        found,
        [(arm.label, "") for arm in arms],
        title=title,
        first=found[0],
        arms=arms,
        family=list(zip(found, family.adjusted, strict=True)),
        method=METHOD,
        lines=[_lines(one, [one.after] if i else [one.before, one.after]) for i, one in enumerate(found)],
    )


def _page(
    template: str, store: Store, comparisons: Sequence[Comparison], heads: list[tuple[str, str]], **values: Any
) -> str:
    """A page with its figures, and the conversations of all arms side by side under their heads: name and small print"""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lima_dialogue_eval", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        pieces=lambda value: pieces(str(value)), figures=figures, share=share_text, p_text=p_text, bars=_bars
    )
    replicates = replicates_of(arms_of(comparisons))
    found = sections(store, comparisons, len(replicates))
    return environment.get_template(template).render(
        **values,
        definitions=DEFINITIONS,
        heads=heads,
        replicates=replicates,
        sections=found,
        counts=counts_of(found, len(replicates)),
        graded=comparisons[0].outcome == GRADE,
        sources=_sources(comparisons),
        created=now()[:16].replace("T", " ") + " UTC",
        version=__version__,
    )


def _lines(comparison: Comparison, arms: Sequence[Arm]) -> list[tuple[str, str]]:
    """What stands beside the tests, with its name; empty where it does not apply"""
    return [
        ("Bounds", figures.bounds_line(comparison)),
        ("Without the turns not reached", figures.reached_line(comparison)),
        *((f"Seeds, {arm.label}", figures.reliability_line(arm, comparison.outcome)) for arm in arms),
    ]


def _labels(comparison: Comparison) -> list[str]:
    """The names of the arms in addition to 'before' and 'after'; empty if they are those"""
    pairs = (("before", comparison.before.label), ("after", comparison.after.label))
    return ["" if label.casefold() == name else label for name, label in pairs]


def _bars(tally: Tally) -> list[tuple[str, float]]:
    """The widths of a stacked bar, in per cent"""
    return [(grade, 100 * tally.count(grade) / tally.turns if tally.turns else 0.0) for grade in figures.NAMES]


def _sources(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """How each side was made, one entry per dialogue run"""
    found, arms = [], arms_of(comparisons)
    names = ["before", "after"] if len(arms) == 2 else [arm.label for arm in arms]
    for side, arm in zip(names, arms, strict=True):
        for run in arm.runs:
            found.append(
                {
                    "side": side,
                    "dialogue run": run["id"],
                    "arm": run["arm"],
                    "model": run["model"],
                    "trained in run": run["run"] or "unknown",
                    "held": run["created"][:19].replace("T", " "),
                    "seconds": f"{run['seconds'] or 0:.1f}",
                    "seeds": ", ".join(map(str, run["seeds"])),
                    "sampling": _pairs(run["sampling"]),
                    "versions": _pairs(run["environment"]),
                    "plugins": ", ".join(f"{p['plugin']} {p['version']} ({p['hash'][:8]})" for p in run["plugins"]),
                    "script": f"{run['evaluation']}, sha256 {run['evaluation_hash'][:16]}",
                    "weights": version(run["model_hash"]) if run["model_hash"] else "unknown",
                    "template": version(run["template_hash"]) if run["template_hash"] else "unknown",
                    "primary test": run["primary_test"],
                }
            )
    return found


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
