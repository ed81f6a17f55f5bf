"""From votes to a verdict: the majority for each requirement, and the grade that follows by the rule of LIMA §6.

A missed requirement that must be met is Fail, all met is Excellent, the rest is Pass; without a majority nothing is praised.
Knows nothing of prompts or models.
"""

from collections.abc import Sequence
from typing import Any

from lima import GRADED, GRADER_FAILED, SCORES, UNDECIDED, Tick, Verdict
from lima_judges.ballots import Ballot

CUT = frozenset({"length", "context", "max_tokens"})
"Stop reasons of a reply that was cut off: it is at most Pass"
RULE = (
    "A missed must is Fail, all requirements met is Excellent, anything else Pass; more than half of all votes decide each "
    "requirement, and without them it is unclear. A must that is missed fails a reply whatever is unclear; else one unclear "
    "requirement leaves it undecided. A turn without requirements gets the overall grade that more than half of all votes give."
)


def majority(values: Sequence[Any], votes: int) -> Any:
    """The value that more than half of all votes have; None without one"""
    return next((value for value in dict.fromkeys(values) if 2 * list(values).count(value) > votes), None)


def ruled(ticks: Sequence[Tick], musts: Sequence[bool], overall: str | None, cut: bool) -> str | None:
    """The grade that follows from ticks, or where there are none from the overall grade; None where it is undecided"""
    if any(tick.met is False and must for tick, must in zip(ticks, musts, strict=True)):
        return "fail"
    if any(tick.met is None for tick in ticks):
        return None
    grade = overall if not ticks else "pass" if any(tick.met is False for tick in ticks) else "excellent"
    return "pass" if grade == "excellent" and cut else grade


def verdict_of(
    ballots: Sequence[Ballot], problems: Sequence[str], requirements: Sequence[dict[str, Any]], stop: str
) -> Verdict:
    """The verdict of the votes that were read, and of those that were not (`problems` says why)"""
    votes, cut = len(ballots) + len(problems), stop in CUT
    if 2 * len(ballots) <= votes:
        read = f"{len(ballots)} of {votes} votes could be read" if ballots else "No vote could be read"
        return Verdict(None, f"{read}: {'; '.join(dict.fromkeys(problems))}.", GRADER_FAILED)
    musts = [bool(r.get("must", True)) for r in requirements]
    ticks = tuple(_combined([b.ticks[i] for b in ballots], votes) for i in range(len(requirements)))
    overall = majority([b.overall for b in ballots], votes)
    grade = ruled(ticks, musts, overall, cut)
    spread = [ruled(b.ticks, musts, b.overall, cut) for b in ballots]
    parts = [*_about_ticks(ticks, musts), *_about_overall(grade, ticks, ballots)]
    if cut:
        parts.append(f"The reply was cut off (stop: {stop}).")
    if votes > 1:
        unread = [f"{len(problems)} unread"] if problems else []
        parts.append(f"{votes} votes: {', '.join([grade or 'undecided' for grade in spread] + unread)}.")
    parts += dict.fromkeys(
        f"Not in the reply, so not counted: {tick.quote!r} for {tick.requirement!r}."
        if tick.quote
        else f"No quote, so not counted as met: {tick.requirement!r}."
        for b in ballots
        for tick in b.unsupported
    )
    return Verdict(grade, " ".join(parts), GRADED if grade in SCORES else UNDECIDED, ticks)


def _combined(ticks: Sequence[Tick], votes: int) -> Tick:
    """One requirement's tick over all votes, with the first quote of those who agree with the majority"""
    met = majority([tick.met for tick in ticks], votes)
    quote = next((tick.quote for tick in ticks if tick.met is met and tick.quote), "")
    return Tick(ticks[0].requirement, met, quote)


def _about_ticks(ticks: Sequence[Tick], musts: Sequence[bool]) -> list[str]:
    """'Missed (must): …' and 'Unclear: …', or that all is met"""
    if ticks and all(tick.met for tick in ticks):
        return [f"All {len(ticks)} requirements met." if len(ticks) > 1 else "The requirement is met."]
    found = []
    for tick, must in zip(ticks, musts, strict=True):
        if not tick.met:
            label = "Unclear" if tick.met is None else f"Missed{' (must)' * must}"
            found.append(f"{label}: {tick.requirement}{f' ({tick.quote!r})' if tick.quote else ''}.")
    return found


def _about_overall(grade: str | None, ticks: Sequence[Tick], ballots: Sequence[Ballot]) -> list[str]:
    """The judge's own overall grades, and where they differ from what follows from the ticks"""
    said = ", ".join(b.overall for b in ballots)
    if not ticks:
        return [f"Overall grade of the judge: {said}."]
    if all(b.overall == grade for b in ballots):
        return ["The judge's overall grade is the same."]
    return [f"The judge's overall grade differs: {said}."]
