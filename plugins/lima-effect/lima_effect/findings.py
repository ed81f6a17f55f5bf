"""What the figures say, in plain sentences computed from them, and what they do not show.

Knows nothing of where figures come from or how sentences are laid out.
"""

from dataclasses import dataclass

from lima_dialogue_eval import Difference, p_text, signed
from lima_effect.arms import BASE, DIALOGUES, FAKE, SINGLES
from lima_effect.results import AGAINST, Results

LEVEL = 0.05
"Of the p that is adjusted by Holm"
TITLES = {
    SINGLES: "Dialogues against their exchanges alone",
    FAKE: "Dialogues against fake dialogues",
    BASE: "Dialogues against the untrained base",
}
THAN = {
    SINGLES: "after the same exchanges as single turns",
    FAKE: "after fake dialogues of the same exchanges",
    BASE: "before any training",
}
OVER = {"over_none": "no history", "over_other": "another conversation's history"}
NOT_SHOWN = (
    "Whether the model's own replies are better. Only given answers are read; none is generated and none is graded.",
    "Whether it holds for conversations of other people, topics and styles than those of this source: training and test are "
    "different conversations of one source.",
    "Whether it holds for another base, more data or another recipe. The test is over conversations, with this base and this "
    "recipe; seeds draw the order of the examples and the fakes, and are averaged.",
    "How much of a gain is understanding and how much is words that come back: an answer that repeats its history is likelier "
    "after it.",
    "Whether a smaller gain than the base's means that less of the history is used: any training on such answers makes them "
    "likelier without a history, too. The exchanges alone and the fakes have that training as well; compare with these.",
    "Singles train an answer without history, and fakes one after a foreign history: the very readings that one of the two gains "
    "is measured against. That alone lowers this gain, so look at both.",
)


@dataclass(frozen=True)
class Finding:
    """One comparison in words"""

    key: str
    title: str
    sentences: tuple[str, ...]
    verdict: str
    "more, less, undecided, or mixed where the two gains differ in that"


def findings(results: Results) -> list[Finding]:
    """Each comparison of the dialogues with another arm, the one that the experiment is for first"""
    found = []
    for arm in AGAINST:
        differences = results.against[arm]
        verdicts = {verdict(difference) for difference in differences}
        sentences = tuple(sentence(results, arm, difference) for difference in differences)
        found.append(Finding(arm, TITLES[arm], sentences, verdicts.pop() if len(verdicts) == 1 else "mixed"))
    return found


def verdict(difference: Difference) -> str:
    """more or less with the dialogues, or undecided where the adjusted p is above .05"""
    if difference.holm > LEVEL:
        return "undecided"
    return "more" if difference.figure.mean > 0 else "less"


def sentence(results: Results, arm: str, difference: Difference) -> str:
    """One difference: what, how much, in how many conversations, and how sure"""
    gain = difference.gain
    ours, theirs = (results.arms[name].gains[gain].mean for name in (DIALOGUES, arm))
    lead = {
        "more": f"The gain over {OVER[gain]} is larger after the dialogues than {THAN[arm]}",
        "less": f"The gain over {OVER[gain]} is smaller after the dialogues than {THAN[arm]}",
        "undecided": f"Whether the gain over {OVER[gain]} is larger after the dialogues than {THAN[arm]} is not decided",
    }[verdict(difference)]
    between = (
        f" [{', '.join(signed(end, 3) for end in difference.figure.interval)}]" if difference.figure.interval else ""
    )
    test = difference.test
    return (
        f"{lead}: {number(ours)} against {number(theirs)} nats per token, "
        f"{signed(difference.figure.mean, 3)}{between}, more in {difference.more} and less in {difference.less} of {test.n} "
        f"conversations (sign-flip p {_equals(test.p_value)}, adjusted {_equals(difference.holm)}; {test.method})."
    )


def number(value: float) -> str:
    """'0.412', '−3.262'"""
    return signed(value, 3).removeprefix("+")


def equality(results: Results) -> str:
    """That all arms were given the same, as their runs recorded it"""
    tokens = {(one.fold, one.trained_tokens, one.steps) for one in results.given}
    told = "; ".join(f"fold {fold}: {count:,} in {steps} steps" for fold, count, steps in sorted(tokens))
    return (
        "Checked in the rows of all runs: the three trained arms of a fold were trained on the same number of tokens an epoch, "
        f"in the same number of steps, from the same base ({told})."
    )


def fakeness(results: Results) -> str:
    """How well the fakes were drawn"""
    left = sum(one.together for one in results.given)
    if not left:
        return "In no fake dialogue does an exchange stand after one of its own dialogue."
    return (
        f"In the fake dialogues of all folds and seeds an exchange stands {left} times after one of its own dialogue, because "
        "too few dialogues are as long."
    )


def _equals(p: float) -> str:
    text = p_text(p)
    return text if text.startswith("<") else f"= {text}"
