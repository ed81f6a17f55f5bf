"""Scores from a study's verdicts: of each rater, what each arm scored.

An arm is a system, or several that are fine-tunes of the same. Knows nothing of intervals or reports.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lima_studies.likert.question import LIKERT
from lima_studies.record.study import Study
from lima_studies.scores.scores import Scores, Value, scores_of

Arms = Mapping[str, Sequence[str]]
"The systems of each arm: its fine-tunes"


def scores_by_rater(study: Study, arms: Arms) -> dict[str, list[Scores]]:
    """What each rater gave each arm, raters in the order in which they came; an arm without a score is left out"""
    rows = study.verdicts(LIKERT.name)
    found: dict[str, list[Scores]] = {}
    for rater in study.raters():
        latest = _latest([row for row in rows if row["rater"] == rater["rater"]])
        scores = [_scores(arm, tunes, latest) for arm, tunes in arms.items()]
        if kept := [one for one in scores if one.by_tune]:
            found[rater["rater"]] = kept
    return found


def _latest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """One row for each system, prompt and sample: what was read stays; else the newest counts"""
    latest: dict[tuple[str, str, int], Mapping[str, Any]] = {}
    for row in rows:
        key = (row["first"], row["prompt"], row["sample"])
        if latest.get(key, {}).get("status") != "parsed":
            latest[key] = row
    return list(latest.values())


def _scores(arm: str, tunes: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Scores:
    own = [row for row in rows if row["first"] in tunes]
    values: list[Value] = [(row["first"], row["prompt"], float(row["label"])) for row in own if row["label"]]
    return scores_of(arm, values, without=len(own) - len(values), tunes=tunes)
