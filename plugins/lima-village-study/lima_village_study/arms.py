"""Every arm of `lima village study` in one table: what it is trained on, how its recipe differs, and what is held with it.

An arm is a recipe that `lima train` takes as well. Knows nothing of how arms are run or compared; to add one, add a row.
"""

from __future__ import annotations

from collections.abc import Sequence

from lima.errors import LimaError, did_you_mean
from lima_village.arm import CONVERSATIONS, EPOCHS, PROMPTS, TEN, Arm, Sets

SINGLES, DIALOGUES = "village-singles", "village-dialogues"
MATCHED = 1_120
"""singles of the control: 1,000, and as many more as have the trained tokens of the 30 dialogues (a test counts them)"""
SIZES = (16, 256, 512, 1_024, 2_048, 4_096)
"""requests, all for the same number of steps"""
PLATEAU = 256
"""the size from which a plateau is claimed, up to sixteen times it; the smaller ones show that there is something to learn"""
SAMPLES = 5
"""of each single request (LIMA §5)"""
# LIMA §4.1, but for its repetition penalty: a list or a card repeats its own marks and labels, and would be punished for it.
SAMPLED = {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.0, "max_new_tokens": 64}


TEST = Sets("village-more", "village-prompts", "village")
VALIDATION = Sets("village-validation", "village-prompts-validation")


def _dialogues(number: int) -> Arm:
    return Arm(
        name=f"dialogues-{number}",
        text=f"1,000 singles and {number} dialogues",
        sources=(SINGLES, f"{DIALOGUES}:{number}"),
        held=(CONVERSATIONS,),
        seconds=25,
    )


def _sized(number: int) -> Arm:
    return Arm(
        name=f"forms-{number}",
        text=f"{number:,} requests of all six forms, for as many steps as every other size",
        sources=(f"village-forms:{number}",),
        changes={"epochs": max(SIZES) // number},
        held=(PROMPTS,),
        seconds=28,
    )


def _six(form: str) -> Arm:
    return Arm(
        name=f"six-{form}s",
        text=f"1,000 singles, all answered in sentences, and six {form}s",
        sources=(SINGLES, f"village-forms:{form}:6"),
        held=(PROMPTS,),
        seconds=28,
    )


ARMS: tuple[Arm, ...] = (
    # §6
    Arm(
        name="before",
        text="1,000 singles",
        sources=(SINGLES,),
        held=(CONVERSATIONS, TEN, PROMPTS),
        seeds=3,
        seconds=27,
    ),
    Arm(
        name="after",
        text="1,000 singles and 30 dialogues",
        sources=(SINGLES, DIALOGUES),
        held=(CONVERSATIONS, TEN),
        seeds=3,
        seconds=24,
    ),
    *map(_dialogues, (3, 10, 100)),
    # Controls of §6
    Arm(
        name="more-singles",
        text=f"{MATCHED:,} singles: as many trained tokens as with the 30 dialogues",
        sources=(f"{SINGLES}:{MATCHED}",),
        held=(CONVERSATIONS,),
        seeds=3,
        seconds=24,
    ),
    Arm(
        name="unrelated",
        text="1,000 singles and 30 fake dialogues of unrelated questions",
        sources=(SINGLES, "village-unrelated"),
        held=(CONVERSATIONS,),
        seeds=3,
        seconds=24,
    ),
    # §5
    Arm(
        name="random",
        text="1,000 requests of all six forms, drawn at random",
        sources=("village-forms:1000",),
        held=(PROMPTS,),
        seconds=21,
    ),
    Arm(
        name="one-kind",
        text="1,000 requests of one kind: questions",
        sources=("village-forms:question:1000",),
        held=(PROMPTS,),
        seconds=20,
    ),
    Arm(
        name="spoiled",
        text="1,000 requests of all six forms, half of the answers cut off, rambling, wrong or in another form",
        sources=("village-forms:spoiled:1000",),
        held=(PROMPTS,),
        seconds=22,
    ),
    *map(_sized, SIZES),
    # Appendices B and E
    Arm(
        name="epochs",
        text="1,000 singles and 30 dialogues for ten epochs, a checkpoint of each",
        sources=(SINGLES, DIALOGUES),
        changes={"epochs": 10, "keep_epochs": True},
        held=(EPOCHS,),
        seeds=1,
        seconds=105,
    ),
    *map(_six, ("list", "card")),
    # Baselines
    Arm(
        name="longest",
        text="1,000 of 5,000 requests: as many of each form as of random ones, those with the longest answers",
        sources=("village-forms:longest:1000",),
        held=(PROMPTS,),
        seconds=24,
    ),
    Arm(
        name="in-context",
        text="the untuned base with three worked exchanges in its context",
        model="village-in-context",
        held=(CONVERSATIONS, PROMPTS),
        seeds=1,
        seconds=14,
    ),
)


def chosen(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms of these names in the order of the table, all without a name; LimaError for one that is not known"""
    known = {arm.name: arm for arm in ARMS}
    for name in names:
        if name not in known:
            raise LimaError(f"{name!r} is no arm of the study.{did_you_mean(name, known)}")
    return tuple(arm for arm in known.values() if not names or arm.name in names)
