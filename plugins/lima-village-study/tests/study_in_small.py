"""`lima village study` with a few examples, one epoch and one sample of each request, on what is held out for tuning.

Run as a program by the tests, so that it can be killed: python study_in_small.py ARGUMENT…
"""

import sys

from lima_studies import Arm
from lima_village_study import arms, study
from lima_village_study.arms import PROMPTS, VALIDATION

ARMS = tuple(
    Arm(name, name, {"sources": [source], "epochs": 1}, seeds=2, held=(PROMPTS,), seconds=2)
    for name, source in (("random", "village-forms:32"), ("one-kind", "village-forms:question:32"))
)


def shrink(patch=setattr):
    """Put the small arms and sets in the place of the real ones"""
    new = study.Study.new.__func__
    patch(arms, "ARMS", ARMS)
    patch(arms, "SAMPLES", 1)
    patch(arms, "SAMPLED", {**arms.SAMPLED, "max_new_tokens": 8})
    patch(
        study.Study,
        "new",
        classmethod(lambda cls, database, arms: new(cls, database, arms, sets=VALIDATION)),
    )


if __name__ == "__main__":
    from lima.cli import main

    shrink()
    sys.argv = ["lima", "village", "study", *sys.argv[1:]]
    main()
