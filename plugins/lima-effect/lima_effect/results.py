"""The figures of a finished experiment: of each arm, and of the dialogues against each other arm.

Seeds are averaged first, answer by answer; then the conversation is the unit, as everywhere. Knows nothing of how figures are
told or drawn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

from lima import LimaError, Store
from lima_dialogue_eval import Difference, Later, Summary, differences, gain_answers, summary
from lima_effect.arms import ARMS, BASE, DIALOGUES, FAKE, SINGLES, TRAINED, draw, together
from lima_effect.experiment import Experiment, Job
from lima_effect.ledger import Ledger

AGAINST = (SINGLES, FAKE, BASE)
"With what the dialogues are compared, in the order of the findings"


@dataclass(frozen=True)
class Given:
    """What the arms of a fold were given with one seed, as their runs recorded it: the same for all"""

    fold: int
    seed: int
    steps: int
    trained_tokens: int
    together: int
    "Exchanges of the fakes that stand after one of their own dialogue"
    seconds: float
    "Of training, all arms together"


@dataclass(frozen=True)
class Results:
    """All that is told"""

    arms: dict[str, Summary]
    against: dict[str, list[Difference]]
    "The dialogues minus each other arm, over none and over another history; by Holm over all of these tests"
    by_tag: dict[str, dict[str, Summary]]
    "Of the conversations with a tag: each arm's figures"
    by_exchange: dict[int, dict[str, Summary]]
    "Of the answers in one place of their conversation"
    given: tuple[Given, ...]
    seeds: int
    measuring: float
    "Seconds that measuring took, all arms together"

    @property
    def one(self) -> Summary:
        """An arm's figures, for what is the same in all"""
        return self.arms[DIALOGUES]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready"""
        return {
            "arms": {arm: asdict(one) for arm, one in self.arms.items()},
            "dialogues_against": {arm: [asdict(d) for d in found] for arm, found in self.against.items()},
            "by_tag": _levels(self.by_tag),
            "by_exchange": _levels(self.by_exchange),
            "given": [asdict(one) for one in self.given],
            "measuring": self.measuring,
            "seeds": self.seeds,
        }


def results(store: Store, experiment: Experiment) -> Results:
    """The figures of an experiment; LimaError unless all its jobs are done and its arms were given the same"""
    ledger = Ledger(store, experiment)
    measured = ledger.measured()
    if left := [job for job in experiment.jobs() if job not in measured]:
        raise LimaError(
            f"{len(left)} of {len(experiment.jobs())} jobs of {experiment.id} are not done; the same command does them."
        )
    by_arm = {arm: averaged(gain_answers(store, row["gain_run"]) for row in _of(measured, arm)) for arm in ARMS}
    tags = sorted({tag for answer in by_arm[DIALOGUES] for tag in answer.tags})
    places = sorted({answer.exchange for answer in by_arm[DIALOGUES]})
    return Results(
        arms={arm: summary(arm, answers) for arm, answers in by_arm.items()},
        against=compared(by_arm),
        by_tag={tag: _some(by_arm, partial(_has, tag)) for tag in tags},
        by_exchange={n: _some(by_arm, partial(_is_at, n)) for n in places},
        given=tuple(_given(store, experiment, measured)),
        seeds=experiment.asked.seeds,
        measuring=sum(
            row["seconds"]
            for one in measured.values()
            for row in store.rows("select seconds from gain_runs where id = ?", [one["gain_run"]])
        ),
    )


def averaged(measurements: Iterable[Sequence[Later]]) -> list[Later]:
    """Each answer once, with the means over the measurements that have it: seeds of one arm"""
    found: dict[tuple[str, int], list[Later]] = {}
    for answers in measurements:
        for answer in answers:
            found.setdefault((answer.conversation, answer.exchange), []).append(answer)
    return [
        replace(
            same[0],
            true=fmean(a.true for a in same),
            none=fmean(a.none for a in same),
            other=fmean(a.other for a in same),
        )
        for same in found.values()
    ]


def compared(by_arm: Mapping[str, Sequence[Later]]) -> dict[str, list[Difference]]:
    """The dialogues minus each other arm; p is adjusted over both gains and all arms"""
    found = differences(by_arm[DIALOGUES], {arm: by_arm[arm] for arm in AGAINST})
    return {arm: [difference.turned() for difference in those] for arm, those in found.items()}


def _has(tag: str, answer: Later) -> bool:
    return tag in answer.tags


def _is_at(exchange: int, answer: Later) -> bool:
    return answer.exchange == exchange


def _of(measured: Mapping[Job, dict[str, Any]], arm: str) -> list[dict[str, Any]]:
    return [row for job, row in measured.items() if job.arm == arm]


def _some(by_arm: Mapping[str, Sequence[Later]], chosen: Callable[[Later], bool]) -> dict[str, Summary]:
    return {arm: summary(arm, [a for a in answers if chosen(a)]) for arm, answers in by_arm.items()}


def _levels(groups: Mapping[Any, Mapping[str, Summary]]) -> dict[str, Any]:
    """Of each group and arm the gains, and of how many conversations"""
    return {
        str(name): {
            arm: {"conversations": one.conversations, "answers": one.answers}
            | {gain: asdict(figure) for gain, figure in one.gains.items()}
            for arm, one in arms.items()
        }
        for name, arms in groups.items()
    }


def _given(store: Store, experiment: Experiment, measured: Mapping[Job, dict[str, Any]]) -> Iterable[Given]:
    """What each fold's arms were given, from the rows of their runs; LimaError if it was not the same"""
    for seed in range(experiment.asked.seeds):
        for fold in range(1, len(experiment.folds) + 1):
            runs = {arm: store.run(measured[Job(arm, fold, seed)]["run"]) for arm in TRAINED}
            same = {(run["steps"], run["trained_tokens"], run["base_hash"]) for run in runs.values()}
            if len(same) > 1:
                told = "; ".join(
                    f"{arm}: {run['trained_tokens']:,} tokens in {run['steps']} steps from the base {run['base_hash'][:10]}"
                    for arm, run in runs.items()
                )
                raise LimaError(
                    f"The arms of fold {fold}, seed {seed}, were not given the same ({told}), so they cannot be compared: "
                    "base or source changed while the experiment ran. Start it in a new --database."
                )
            steps, tokens, _ = same.pop()
            left = together(draw(experiment.folds[fold - 1].exchanges, seed))
            yield Given(fold, seed, steps, tokens, left, sum(run["seconds"] or 0.0 for run in runs.values()))
