"""The figures of history gain: of one model, and of one against another, with the tests that decide.

The unit is the conversation: the answers of one share a topic and a history. Knows nothing of models or databases.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lima import LimaError
from lima_dialogue_eval.gain.measure import GAIN_DEFINITION, Later, by_conversation
from lima_dialogue_eval.statistics import Test, holm, sign_flip, t_interval

GAINS: Mapping[str, Callable[[Later], float]] = {
    "over_none": lambda answer: answer.over_none,
    "over_other": lambda answer: answer.over_other,
}
NAMES = {"over_none": "gain over no history", "over_other": "gain over another history"}
METHOD = (
    "Difference: mean over conversations of the second model's gain minus the first's, with the paired t interval (n − 1 degrees "
    "of freedom); two-sided sign-flip test over conversations; p adjusted by Holm over the two gains and all models."
)


@dataclass(frozen=True)
class Figure:
    """A mean over conversations with its 95 % t interval, in nats per token"""

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Difference:
    """By how much one model's gain exceeds another's"""

    gain: str
    figure: Figure
    more: int
    "Conversations whose gain is larger with the second model"
    less: int
    test: Test
    holm: float

    def turned(self) -> "Difference":
        """The same difference seen from the other model; a two-sided test does not change"""
        low, high = self.figure.interval or (0.0, 0.0)
        interval = (-high, -low) if self.figure.interval else None
        return replace(self, figure=Figure(-self.figure.mean, interval), more=self.less, less=self.more)


@dataclass(frozen=True)
class Summary:
    """One model's figures"""

    model: str
    answers: int
    conversations: int
    true: Figure
    "Mean log-likelihood of the later answers after their own history"
    gains: dict[str, Figure]
    by_tag: dict[str, dict[str, float]]
    "Mean gains of the conversations with each tag, and how many these are ('conversations')"
    by_exchange: dict[int, dict[str, float]]
    "The same by the answer's place, and how many answers ('answers')"
    cut: int
    "Answers whose own history was cut to the context"


def summary(model: str, answers: Sequence[Later]) -> Summary:
    """The figures of one model"""
    return Summary(
        model=model,
        answers=len(answers),
        conversations=len({a.conversation for a in answers}),
        true=_figure(answers, lambda a: a.true),
        gains={name: _figure(answers, value) for name, value in GAINS.items()},
        by_tag={
            tag: _group([a for a in answers if tag in a.tags]) for tag in sorted({t for a in answers for t in a.tags})
        },
        by_exchange={n: _group([a for a in answers if a.exchange == n]) for n in sorted({a.exchange for a in answers})},
        cut=sum(a.cut > 0 for a in answers),
    )


def differences(first: Sequence[Later], others: Mapping[str, Sequence[Later]]) -> dict[str, list[Difference]]:
    """Each other model against the first; LimaError unless all have the same answers"""
    same = {(a.conversation, a.exchange, a.others) for a in first}
    found: dict[tuple[str, str], tuple[list[float], Test]] = {}
    for model, answers in others.items():
        if {(a.conversation, a.exchange, a.others) for a in answers} != same:
            raise LimaError(
                f"{model} was measured on other answers, or with other histories. Measure both in one command."
            )
        for name, value in GAINS.items():
            before, after = by_conversation(first, value), by_conversation(answers, value)
            d = [after[c] - before[c] for c in sorted(before)]
            found[model, name] = d, sign_flip(d)
    adjusted = holm({f"{model}\0{name}": test.p_value for (model, name), (_, test) in found.items()})
    return {
        model: [
            Difference(
                gain=name,
                figure=Figure(sum(d) / len(d), t_interval(d)),
                more=sum(x > 0 for x in d),
                less=sum(x < 0 for x in d),
                test=test,
                holm=adjusted[f"{model}\0{name}"],
            )
            for (of, name), (d, test) in found.items()
            if of == model
        ]
        for model in others
    }


def as_dict(summaries: Sequence[Summary], against: Mapping[str, Sequence[Difference]]) -> dict[str, Any]:
    """JSON-ready, with the definitions"""
    return {
        "definition": GAIN_DEFINITION,
        "method": METHOD,
        "models": [asdict(s) for s in summaries],
        "against": summaries[0].model,
        "differences": {model: [asdict(d) for d in found] for model, found in against.items()},
    }


def _figure(answers: Sequence[Later], value: Callable[[Later], float]) -> Figure:
    means = list(by_conversation(answers, value).values())
    return Figure(sum(means) / len(means), t_interval(means))


def _group(answers: Sequence[Later]) -> dict[str, float]:
    means = {name: by_conversation(answers, value).values() for name, value in GAINS.items()}
    found = {name: sum(values) / len(values) for name, values in means.items()}
    return {**found, "answers": len(answers), "conversations": len(means["over_none"])}
