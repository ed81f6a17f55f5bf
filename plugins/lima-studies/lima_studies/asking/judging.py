"""Has a judge look at the cases of a study that it has not read yet, and keeps each answer as it comes.

Knows nothing of what the cases are.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lima_studies.asking.judge import LabelJudge
from lima_studies.record.cases import Case, Key
from lima_studies.record.study import Study

OnProgress = Callable[[int, int], None]


def key_of(row: dict[str, Any]) -> Key:
    """The case of a verdict's row"""
    return Key(row["prompt"], row["first"], row["second"], row["sample"])


def unread(study: Study, judge: LabelJudge, rater: str, cases: Sequence[Case]) -> tuple[list[Case], dict[Key, int]]:
    """(cases to ask about, how often each was asked about before): neither those that were read nor those that were given up"""
    tried: dict[Key, int] = {}
    read: set[Key] = set()
    for row in study.verdicts(judge.question.name):
        if row["rater"] == rater and row["status"] in ("parsed", "unparsed"):
            key = key_of(row)
            tried[key] = max(row["attempt"], tried.get(key, 0))
            if row["status"] == "parsed":
                read.add(key)
    todo = [case for case in cases if case.key not in read and tried.get(case.key, 0) < judge.attempts]
    return todo, tried


def judge_all(study: Study, judge: LabelJudge, rater: str, cases: Sequence[Case], on_progress: OnProgress) -> None:
    """Ask the judge about what it has not read yet; an answer that is kept is never asked for again"""
    todo, tried = unread(study, judge, rater, cases)
    done = len(cases) - len(todo)
    judge.charge_to(study.id)

    def on_row(db: Any, row: dict[str, Any]) -> None:
        nonlocal done
        if db is None:
            with study.store.write() as own:
                study.keep_verdict(own, {**row, "rater": rater})
        else:
            study.keep_verdict(db, {**row, "rater": rater})
        done += row["status"] == "parsed"
        on_progress(done, len(cases))

    judge.judge(todo, tried, on_row)
