"""What the grader of a grid's evaluation gave each arm. Knows nothing of judges that grade from 1 to 6."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lima import GRADED, SCORES, load_plugins
from lima_dialogue_eval import conversations, find_evaluation, find_run, replies
from lima_studies.jobs.grid import Grid
from lima_studies.jobs.record import Ledger
from lima_studies.record.study import Study
from lima_studies.scores.scores import Scale, Scores, scores_of

GRADES = Scale("grade, Fail 0 to Excellent 2", 0.0, 2.0, ((0.0, "fail"), (1.0, "pass"), (2.0, "excellent")))


def grader_of(grid: Grid) -> str:
    """The grader of the grid's evaluation: the one that it names, else the evaluation's own"""
    return grid.evaluated.grader or str(find_evaluation(load_plugins(), grid.evaluated.evaluation).grader)


def held(study: Study, evaluation: str, arms: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The dialogue run of each system that was evaluated; `arms` are the systems of each arm, seed by seed"""
    return {
        arms[row["arm"]][row["seed"]]: row["dialogue_run"]
        for row in Ledger(study.store, study.id).results()
        if (row["evaluation"], row["epoch"]) == (evaluation, 0)
    }


def graded_scores(study: Study, evaluation: str, arms: Mapping[str, Sequence[str]]) -> list[Scores]:
    """What the evaluation's grader gave each arm; the unit is the conversation"""
    runs = held(study, evaluation, arms)
    rows = {system: _rows(study, run) for system, run in runs.items()}
    turns: dict[str, int] = defaultdict(int)
    for some in rows.values():
        for (conversation, _), replied in some.items():
            turns[conversation] = max(turns[conversation], len(replied))
    found = [_scores(arm, {s: rows[s] for s in systems if s in rows}, turns) for arm, systems in arms.items()]
    return [one for one in found if one.by_tune]


Rows = dict[tuple[str, int], list[dict[str, Any]]]


def _rows(study: Study, run: str) -> Rows:
    """The replies of each conversation and seed, with how the conversation ended"""
    grader = find_run(study.store, run)["grader"]
    ended = {(row["conversation"], row["seed"]): row["status"] for row in conversations(study.store, run)}
    found: Rows = {key: [] for key in ended}
    for row in replies(study.store, run, grader):
        found[row["conversation"], row["seed"]].append({**row, "ended": ended[row["conversation"], row["seed"]]})
    return found


def _scores(arm: str, by_system: Mapping[str, Rows], turns: Mapping[str, int]) -> Scores:
    """A conversation that has a reply without a grade has no score; turns that a full context left out are fails"""
    values, given, without = [], list[float](), 0
    for system, conversations_ in by_system.items():
        for (conversation, _), replied in conversations_.items():
            full = bool(replied) and replied[0]["ended"] == "context full"
            points = [
                SCORES[r["grade"]] if r["grade_status"] == GRADED else None
                for r in replied
                if r["status"] == "answered"
            ]
            points += [0] * (turns[conversation] - len(points)) if full else []
            if not points or None in points or len(points) < turns[conversation]:
                without += 1
                continue
            values.append((system, conversation, sum(float(p) for p in points if p is not None) / len(points)))
            given += [float(p) for p in points if p is not None]
    return scores_of(arm, values, without, tuple(by_system), given)
