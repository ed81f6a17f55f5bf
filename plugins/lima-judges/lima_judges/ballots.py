"""What a judge answered, read: a label for each requirement with a quote, and an overall grade.

Only lines that begin with the call's code count, labels are closed, and of several lines about one thing the last one counts.
Knows nothing of prompts, models or votes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lima import GRADES, Tick
from lima_judges.quoting import one_line, supported

LABELS = {"met": True, "missed": False, "unclear": None}
OVERALL = "OVERALL"
_LONGEST_QUOTE = 500
_QUOTATION = re.compile('["“”„«»](.*)["“”„«»]')
_ALTERNATIVE = re.compile(r"[\s*`]*(?:[/|,?]|(?:or|and)\b)([^\"“”„«»]*)", re.IGNORECASE)
"What follows a label where another one may stand beside it, as in 'excellent / pass / fail', up to a quote"
_ABSENCE = re.compile(
    r"\b(?:no|not|never|none|nothing|neither|nor|without|avoids?|omits?|refrains?|leaves? out|cannot|at most|no more|fewer|"
    r"less than|shorter|only)\b|n['’]t\b",
    re.IGNORECASE,
)


class Unparsed(Exception):
    """A judge's answer that has no verdict in it; its text says what is missing"""


@dataclass(frozen=True)
class Ballot:
    """One vote: a tick for each requirement, in their order, and the judge's overall grade"""

    ticks: tuple[Tick, ...]
    overall: str
    unsupported: tuple[Tick, ...] = ()
    "Ticks whose quote is not in the reply, as the judge made them"


def quotable(requirement: dict[str, Any]) -> bool:
    """Whether a reply that meets a requirement has words that show it

    As the requirement's key `quote` says; without it, not where its text asks for something to be absent or short."""
    said = requirement.get("quote")
    return said if isinstance(said, bool) else not _ABSENCE.search(str(requirement["text"]))


def lines_of(answer: str, code: str) -> dict[str, tuple[str, str]]:
    """(word, rest) by what it is about, such as R1, of the last line about it that begins with the code"""
    head = re.compile(
        rf"[\s*`>#-]*{re.escape(code)}[*`]*[ \t]+(?P<about>[A-Za-z]+[0-9]*)[*`]*[ \t]*[:=]"
        r"[*` \t]*(?P<word>[A-Za-z]+|[0-9]+)(?P<rest>.*)",
        re.ASCII,
    )
    found = {}
    for line in answer.splitlines():
        if match := head.fullmatch(line):
            found[match["about"].upper()] = (match["word"].lower(), match["rest"])
    return found


def read_ballot(answer: str, code: str, requirements: Sequence[dict[str, Any]], reply: str) -> Ballot:
    """The vote in a judge's answer; Unparsed where a line is missing or has another label

    A requirement that is met, and whose quote is not in the reply, is unclear: praise needs evidence. Where nothing can be
    quoted, no quote is needed, but one that was made up counts against the tick all the same."""
    lines = lines_of(answer, code)
    ticks, unsupported = [], []
    for number, requirement in enumerate(requirements, 1):
        label, rest = labelled(lines, f"R{number}", tuple(LABELS))
        quote, text = _quote(rest), str(requirement["text"])
        tick = Tick(text, LABELS[label], quote)
        real = supported(quote, reply) if quote else not quotable(requirement)
        if (quote and not real) or (tick.met and not real):
            unsupported.append(tick)
            tick = Tick(text, None if tick.met else tick.met)
        ticks.append(tick)
    overall, _ = labelled(lines, OVERALL, GRADES)
    return Ballot(tuple(ticks), overall, tuple(unsupported))


def labelled(lines: dict[str, tuple[str, str]], about: str, labels: Sequence[str]) -> tuple[str, str]:
    """(label, rest) of the line about something; Unparsed where it is missing, or has another label or two"""
    if about not in lines:
        raise Unparsed(f"no line about {about}")
    word, rest = lines[about]
    if word not in labels:
        raise Unparsed(f"{about} is {word!r}, not {', '.join(labels)}")
    if (more := _ALTERNATIVE.match(rest)) and (
        other := set(re.findall("[a-z]+|[0-9]+", more[1].lower())) & set(labels)
    ):
        raise Unparsed(f"{about} is {word!r} and {', '.join(sorted(other))} at once")
    return word, rest


def _quote(rest: str) -> str:
    """The quote on a line, with or without quotation marks; empty for none"""
    inside = _QUOTATION.search(rest)
    text = inside[1] if inside else rest.strip(" \t*`-–—:|,.;()")
    return "" if text.strip().casefold() in ("none", "quote", "") else one_line(text)[:_LONGEST_QUOTE]
