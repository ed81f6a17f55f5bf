"""The report as one self-contained HTML file, or as the page that `--serve` loads conversations into: one template, one script.

The conversations are JSON in the page, which the script lays out as text when they are opened. Its policy allows that script and
that style sheet, by their hashes, and nothing else. Replies, topics and names are hostile text: the template escapes everything,
the script sets text only, and hidden characters are written out here. Knows nothing of how figures are computed.
"""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import LimaError, Store, __version__, now, pieces, storable, visible
from lima_dialogue_eval.comparison.alone import Alone
from lima_dialogue_eval.comparison.definitions import DEFINITIONS
from lima_dialogue_eval.comparison.family import METHOD, Family
from lima_dialogue_eval.comparison.outcomes import GRADE
from lima_dialogue_eval.comparison.result import Arm, Comparison
from lima_dialogue_eval.pages.templates import page_templates
from lima_dialogue_eval.report import figures
from lima_dialogue_eval.report.document import Document, Row, Subject, in_short
from lima_dialogue_eval.report.filters import filters_for
from lima_dialogue_eval.report.prompts import NOT_REPORTED
from lima_dialogue_eval.report.talks import SEARCHED, Talks
from lima_dialogue_eval.statistics import Tally, p_text

if TYPE_CHECKING:
    from markupsafe import Markup

TEMPLATE = "report.html.jinja"
STATIC = Path(__file__).with_name("static")
"The style sheet and the script"
TITLES = {1: "One arm", 2: "Before and after"}
"By the number of arms; of more, 'Several arms'"
WITHOUT = (
    "The page's script did not run, so the conversations stand below as the data that it lays out. `lima dialogues show RUN` "
    "prints them as text, and `lima dialogues report` with `--json` the whole page as data."
)
_IN_LINES = re.compile(r'([{,])("(?:seed|turn|user|text|thoughts|verdicts|grader|prompt)":)')
"Keys of JSON that begin a line, for those who read it as it is; in a text its quotes are escaped, so it is never found there"
MARK = b'<p class="eyebrow">lima '
"A mark in every page that lima writes: such a file is overwritten, others are not"


def write_report(
    store: Store, subject: Subject, path: str | Path, title: str | None = None, beside_paper: bool = False
) -> Path:
    """Write the report of one arm, of two or of more to a file, completely or not at all; the file's path

    The subject is what `describe`, `compare` or `Family.of(compare_each(…))` gives; two arms may have the paper's figures beside
    theirs."""
    return write_whole(render(store, subject, title, beside_paper), path)


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


def render(store: Store, subject: Subject, title: str | None = None, beside_paper: bool = False) -> str:
    """The report as one HTML text that needs nothing else"""
    document = document_of(subject, title, beside_paper)
    talks = document.talks()
    short: list[Row] = []
    blocks = []
    for conversation in document.conversations(store, talks):
        short.append(in_short(conversation))
        blocks.append(as_data(conversation["dialogues"]))
    return page(store, document, talks, short, blocks)


def document_of(subject: Subject, title: str | None = None, beside_paper: bool = False) -> Document:
    """What a report shows, by its usual title unless it has one"""
    document = Document(subject, "", beside_paper)
    return Document(subject, TITLES.get(len(document.arms), "Several arms") if title is None else title, beside_paper)


def page(
    store: Store, document: Document, talks: Talks, short: Sequence[Row], blocks: "Sequence[Markup] | None" = None
) -> str:
    """The page with its figures and a list of conversations; without their data (`blocks`) it asks its server for them"""
    from markupsafe import Markup

    templates = page_templates("lima_dialogue_eval", "report")
    templates.globals.update(figures=figures, p_text=p_text, bars=_bars)
    own = {} if blocks is None else {name: Markup(_static(f"report.{name}")) for name in ("css", "js")}
    return templates.get_template(TEMPLATE).render(
        **_figures(document),
        title=document.title,
        tab=visible(document.title),
        first=document.first,
        beside_paper=document.beside_paper,
        conversations=short,
        how=document.how(store),
        made=document.made(),
        definitions=document.definitions,
        filters=filters_for(len(document.arms)),
        seeds=talks.seeds,
        index=as_data({**_index(document, talks, short), "served": blocks is None}),
        blocks=blocks or (),
        without=WITHOUT,
        policy=_policy(own) if own else "",
        style=own.get("css"),
        script=own.get("js"),
        created=now()[:16].replace("T", " ") + " UTC",
        version=__version__,
    )


def as_data(value: Any) -> "Markup":
    """A value as JSON that may stand in a script element, in lines, with hidden characters written out: see `marked`"""
    from markupsafe import Markup

    text = _IN_LINES.sub(r"\1\n\2", json.dumps(marked(value), ensure_ascii=False, separators=(",", ":"), default=str))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def marked(value: Any) -> Any:
    """A JSON value, where a text with hidden characters is {"marked": [plain, written out, plain, …]}"""
    if isinstance(value, str):
        found = pieces(value)
        if not any(odd for odd, _ in found):
            return "".join(piece for _, piece in found)
        texts = [""]
        for odd, piece in found:
            after_plain = len(texts) % 2 == 1
            if after_plain and not odd:
                texts[-1] += piece
            else:
                texts += [piece] if odd == after_plain else ["", piece]
        return {"marked": texts}
    if isinstance(value, dict):
        return {key: marked(one) for key, one in value.items()}
    return [marked(one) for one in value] if isinstance(value, list | tuple) else value


def _index(document: Document, talks: Talks, short: Sequence[Row]) -> Row:
    """What the script needs before any conversation"""
    prompts = talks.prompts
    return {
        "arms": [list(head) for head in _heads(document)],
        "seeds": talks.seeds,
        "no_prompt": NOT_REPORTED,
        "searched": sorted(SEARCHED),
        "conversations": list(short),
        "models": [
            {"note": note, "pieces": {str(id): piece for id, piece in known.items()}}
            for note, known in zip(prompts.notes(), prompts.pieces, strict=True)
        ],
    }


def _figures(document: Document) -> dict[str, Any]:
    """What the template shows of the tests and tables, for one arm, two or more"""
    subject, arms = document.subject, document.arms
    first: Any = document.comparisons[0] if len(arms) == 2 else subject
    lines: list[list[tuple[str, str]]] = [
        _lines(one, [one.after] if i else [one.before, one.after]) for i, one in enumerate(document.comparisons)
    ]
    if isinstance(subject, Alone):
        lines = [[(f"Seeds, {subject.arm.label}", figures.reliability_line(subject.arm, subject.outcome))]]
    return {
        "arms": arms,
        "heads": _heads(document),
        "comparisons": document.comparisons,
        "graded": document.first.outcome == GRADE,
        "rows": figures.table_rows(first) if len(arms) == 2 else (),
        "family": list(zip(subject.comparisons, subject.adjusted, strict=True)) if isinstance(subject, Family) else (),
        "method": METHOD,
        "lines": lines,
        "grades": figures.shown_grades(arms, document.first.outcome),
        "groups": [
            (f"By {name}", short, DEFINITIONS[key], [(value, tallies) for value, *tallies in getattr(first, key)])
            for name, short, key in (("turn", "turn", "by_turn"), ("kind of turn", "kind", "by_kind"))
            if len(arms) < 3
        ],
        "percent": lambda tally, grade: f"{100 * tally.count(grade) / tally.turns:.0f}" if tally.turns else "none",
    }


def _heads(document: Document) -> list[tuple[str, str]]:
    """The name of each arm, and what stands in small print beside it"""
    labels = [arm.label for arm in document.arms]
    if len(labels) != 2:
        return [(label, "") for label in labels]
    return [
        (name, "" if label.casefold() == name.casefold() else label)
        for name, label in zip(("Before", "After"), labels, strict=True)
    ]


def _lines(comparison: Comparison, arms: Sequence[Arm]) -> list[tuple[str, str]]:
    """What stands beside the tests, with its name; empty where it does not apply"""
    return [
        ("Bounds", figures.bounds_line(comparison)),
        ("Without the turns not reached", figures.reached_line(comparison)),
        *((f"Seeds, {arm.label}", figures.reliability_line(arm, comparison.outcome)) for arm in arms),
    ]


def _bars(tally: Tally) -> list[tuple[str, float, float]]:
    """Grade, start and width of each part of a stacked bar, in per cent"""
    found, start = [], 0.0
    for grade in figures.NAMES:
        width = 100 * tally.count(grade) / tally.turns if tally.turns else 0.0
        found.append((grade, start, width))
        start += width
    return found


@cache
def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _policy(own: Mapping[str, str]) -> str:
    """The content security policy of a file: its own style sheet and script, by their hashes, and nothing else"""
    css, js = (base64.b64encode(hashlib.sha256(own[name].encode()).digest()).decode() for name in ("css", "js"))
    return (
        f"default-src 'none'; script-src 'sha256-{js}'; style-src 'sha256-{css}'; base-uri 'none'; form-action 'none'"
    )
