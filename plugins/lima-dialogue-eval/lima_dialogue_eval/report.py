"""One self-contained HTML file: our figures next to the paper's, and all conversations side by side.

No script and no external resource, and a content security policy that allows none. Replies, topics and model names are hostile
text: the template escapes everything, and hidden characters are written out. Knows nothing of how figures are computed.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lima import SCORES, UNDECIDED, LimaError, Store, __version__, now, pieces, storable
from lima_dialogue_eval import figures
from lima_dialogue_eval.comparable import version
from lima_dialogue_eval.comparison import Arm, Change, Comparison
from lima_dialogue_eval.converse import COMPLETE, FULL
from lima_dialogue_eval.definitions import DEFINITIONS
from lima_dialogue_eval.log import conversations, replies
from lima_dialogue_eval.outcomes import GRADE
from lima_dialogue_eval.statistics import Tally, p_text, share_text

TEMPLATE = "report.html.jinja"
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


def render(store: Store, comparison: Comparison, title: str, beside_paper: bool = False) -> str:
    """The report as HTML, where asked for with the paper's figures beside these"""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lima_dialogue_eval", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        pieces=lambda value: pieces(str(value)), figures=figures, share=share_text, p_text=p_text
    )
    replicates, arms = _replicates(comparison), (comparison.before, comparison.after)
    sections = _sections(store, comparison, len(replicates))
    return environment.get_template(TEMPLATE).render(
        title=title,
        c=comparison,
        beside_paper=beside_paper,
        rows=figures.table_rows(comparison),
        definitions=DEFINITIONS,
        labels=_labels(comparison),
        replicates=replicates,
        sections=sections,
        counts=_counts(sections, len(replicates)),
        bars=_bars,
        graded=comparison.outcome == GRADE,
        grades=figures.shown_grades(comparison),
        lines=[
            ("Bounds", figures.bounds_line(comparison)),
            ("Without the turns not reached", figures.reached_line(comparison)),
            *((f"Seeds, {arm.label}", figures.reliability_line(arm, comparison.outcome)) for arm in arms),
        ],
        percent=lambda tally, grade: f"{100 * tally.count(grade) / tally.turns:.0f}" if tally.turns else "none",
        groups=[
            ("By turn", "turn", DEFINITIONS["by_turn"], comparison.by_turn),
            ("By kind of turn", "kind", DEFINITIONS["by_kind"], comparison.by_kind),
        ],
        sources=_sources(comparison),
        created=now()[:16].replace("T", " ") + " UTC",
        version=__version__,
    )


def _replicates(comparison: Comparison) -> list[str]:
    """A name for each pair of replicates, shown as the choice of seeds"""
    before, after = comparison.before.seeds, comparison.after.seeds
    names: list[str] = []
    for i in range(max(len(before), len(after))):
        seeds = list(dict.fromkeys(str(seeds[i]) if i < len(seeds) else "none" for seeds in (before, after)))
        name = " / ".join(seeds)
        names.append(f"{name} (no. {i + 1})" if name in names else name)
    return names


def _labels(comparison: Comparison) -> list[str]:
    """The names of the arms in addition to 'before' and 'after'; empty if they are those"""
    pairs = (("before", comparison.before.label), ("after", comparison.after.label))
    return ["" if label.casefold() == name else label for name, label in pairs]


def _bars(tally: Tally) -> list[tuple[str, float]]:
    """The widths of a stacked bar, in per cent"""
    return [(grade, 100 * tally.count(grade) / tally.turns if tally.turns else 0.0) for grade in figures.NAMES]


def _sections(store: Store, comparison: Comparison, replicates: int) -> list[dict[str, Any]]:
    """The conversations with their turns, a list for each pair of replicates"""
    held = [_held(store, arm, comparison.grader) for arm in (comparison.before, comparison.after)]
    topics = list(held[0]["topics"].values())
    changes: dict[str, Change] = {c.conversation: c for c in comparison.changes}
    left_out = {row["conversation"]: row for row in comparison.left_out}
    sections = []
    for conversation, topic in held[0]["topics"].items():
        dialogues = []
        for i in range(replicates):
            sides = [side["turns"].get((i, conversation), {}) for side in held]
            ends = [side["ends"].get((i, conversation), "") for side in held]
            numbers = sorted({n for side in sides for n, row in side.items() if "user" in row})
            turns = [{"number": n, "before": sides[0].get(n), "after": sides[1].get(n)} for n in numbers]
            for turn in turns:
                turn["script"] = next(row for row in (turn["before"], turn["after"]) if row and "user" in row)
                turn["requirements"] = json.loads(turn["script"]["requirements"] or "[]")
                turn["same"], turn["worse"] = _marks(turn["before"], turn["after"], comparison.outcome)
            dialogues.append(
                {
                    "turns": turns,
                    "ends": ends,
                    "different": any(not t["same"] for t in turns),
                    "regression": any(t["worse"] for t in turns),
                }
            )
        sections.append(
            {
                "id": conversation,
                "topic": topic,
                "name": topic if topic and topics.count(topic) == 1 else f"{topic} ({conversation})".strip(),
                "change": changes.get(conversation),
                "left_out": left_out.get(conversation),
                "dialogues": dialogues,
                "classes": _classes(dialogues),
            }
        )
    return sections


def _held(store: Store, arm: Arm, grader: str) -> dict[str, Any]:
    """Topics, turns by (replicate, conversation) and number, and how the conversations ended that were not completed"""
    topics: dict[str, str] = {}
    turns: dict[tuple[int, str], dict[int, dict[str, Any]]] = {}
    ends: dict[tuple[int, str], str] = {}
    offset = 0
    for run in arm.runs:
        place = {seed: offset + i for i, seed in enumerate(run["seeds"])}
        offset += len(place)
        rows = replies(store, run["id"], grader)
        for row in rows:
            turns.setdefault((place[row["seed"]], row["conversation"]), {})[row["turn"]] = row
        for row in conversations(store, run["id"]):
            key = place[row["seed"]], row["conversation"]
            topics.setdefault(row["conversation"], row["topic"])
            if row["status"] != COMPLETE:
                ends[key] = f"{row['status']}: {row['message']}"
            if row["status"] == FULL:
                _fail_unreached(turns.setdefault(key, {}), row)
    return {"topics": topics, "turns": turns, "ends": ends}


def _fail_unreached(turns: dict[int, dict[str, Any]], dialogue: dict[str, Any]) -> None:
    """Give the turns that a full context left out their grade, which is Fail"""
    for number in range(1, dialogue["turns"] + 1):
        row = turns.get(number, {})
        if row.get("reply") is None:
            message = row.get("message") or dialogue["message"]
            turns[number] = {**row, "reply": None, "grade": "fail", "message": f"{FULL}: {message}"}


def _marks(before: dict[str, Any] | None, after: dict[str, Any] | None, outcome: str) -> tuple[bool, bool]:
    """(same grade on both sides, worse after); where the grader can only fail, a fail is worse than an undecided reply"""
    grades = [row.get("grade") or row.get("grade_status") if row else None for row in (before, after)]
    scores = SCORES if outcome == GRADE else {**SCORES, UNDECIDED: SCORES["pass"]}
    known = all(g in scores for g in grades)
    return grades[0] == grades[1], known and scores[str(grades[1])] < scores[str(grades[0])]


def _classes(dialogues: list[dict[str, Any]]) -> str:
    """The class names that the filters select by: d0 = different in the first replicate, r-all = a regression in any"""
    found = []
    for letter, mark in (("d", "different"), ("r", "regression")):
        found += [f"{letter}{i}" for i, d in enumerate(dialogues) if d[mark]]
        found += [f"{letter}-all"] if any(d[mark] for d in dialogues) else []
    return " ".join(found)


def _counts(sections: list[dict[str, Any]], replicates: int) -> list[dict[str, Any]]:
    """For each choice of seeds, how many conversations each filter shows"""
    choices = [*(str(i) for i in range(replicates)), "-all"]
    return [
        {
            "key": key,
            "all": len(sections),
            "different": sum(f"d{key}" in s["classes"].split() for s in sections),
            "regressions": sum(f"r{key}" in s["classes"].split() for s in sections),
        }
        for key in choices
    ]


def _sources(comparison: Comparison) -> list[dict[str, Any]]:
    """How each side was made, one entry per dialogue run"""
    found = []
    for side, arm in (("before", comparison.before), ("after", comparison.after)):
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
