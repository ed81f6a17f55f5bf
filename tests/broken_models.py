"""Imported by tests: models and base models that are wrong in one way each, by the check that must say so."""

import itertools
import os
import random
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from lima import Fetches, LimaError, Reply
from lima.testing import BaseModelContract, ModelContract

calls = itertools.count()
WORDS = ["yes", "no", "perhaps", "never", "always", "seldom", "sometimes", "often"]


class Contract(ModelContract):
    name, argument, draws, seconds = "odd", "a", True, 1.0


class Good:
    name = "odd:a"

    def reply(self, prompts, settings, seed, on_progress=None):
        seeds = [seed] * len(prompts) if isinstance(seed, int) else seed
        found = [self.one(prompt, settings, one) for prompt, one in zip(prompts, seeds, strict=True)]
        if on_progress:
            on_progress(len(found))
        return found

    def one(self, prompt, settings, seed):
        seed = seed if settings.temperature else 0
        words = random.Random(f"{prompt[-1].content} {seed}").choices(WORDS, k=min(settings.max_new_tokens, 3))
        return Reply(" ".join(words), [WORDS.index(word) for word in words], "eot", 0.0, [])


class Opener:
    description = "odd"

    def __init__(self, model):
        self.model = model

    def open(self, argument, store):
        if argument != "a":
            raise LimaError(f"There is no {argument}, only odd:a.")
        return self.model


def with_one(change):
    """A model that changes each reply, given with prompt, settings and seed"""

    class Changed(Good):
        def one(self, prompt, settings, seed):
            return change(super().one(prompt, settings, seed), prompt, settings, seed)

    return Opener(Changed())


def with_all(change):
    """A model that changes the list of replies, given with prompts, settings and on_progress"""

    class Changed(Good):
        def reply(self, prompts, settings, seed, on_progress=None):
            return change(super().reply(prompts, settings, seed), prompts, on_progress or (lambda n: None))

    return Opener(Changed())


def having(**members):
    return Opener(type("Other", (Good,), members)())


def other(reply, **changes):
    return Reply(**vars(reply) | changes)


class Handing(Good):
    """Hands replies over, with wrong places or other texts"""

    def __init__(self, place=lambda at: at, text=lambda reply: reply):
        self.place, self.text = place, text

    def reply(self, prompts, settings, seed, on_progress=None, on_reply=None):
        found = super().reply(prompts, settings, seed)
        for at, reply in enumerate(found):
            if on_reply:
                on_reply(self.place(at), self.text(reply))
        return found


class Numbered(Good):
    """Draws by the place of a prompt"""

    def reply(self, prompts, settings, seed, on_progress=None):
        return super().reply(prompts, settings, [sum(seed) + i for i in range(len(prompts))], on_progress)


class Taking(Good):
    def one(self, prompt, settings, seed):
        found = super().one(prompt, settings, seed)
        if isinstance(prompt, list):
            prompt.append(prompt[-1])
        return found


def stream(self, prompt, settings, seed):
    reply = self.reply([prompt], settings, [seed])[0]
    yield from reply.text.split()
    return reply


def long(prompt):
    return len(prompt[-1].content) > 50_000


def ended(reply, prompt, *more):
    while long(prompt):
        pass
    return reply


def opens_anything(argument, store):
    return Good()


def opens_files(argument, store):
    if argument != "a":
        Path(argument).read_text()
    return Good()


MODELS = [
    ("test_name_has_the_argument", Opener(type("Nameless", (Good,), {"name": "odd"})())),
    ("test_works", with_all(lambda found, prompts, tell: found[1:]), {}),
    ("test_works", with_all(lambda found, prompts, tell: [one.text for one in found]), {}),
    ("test_works", with_all(lambda found, prompts, tell: [*found[1:], ConnectionError("the line is dead")])),
    ("test_works", having(name="")),
    ("test_opened_abilities_are_those_that_are_named", having(stream=stream)),
    ("test_opened_abilities_are_those_that_are_named", Opener(Good()), {"streams": True}),
    ("test_opened_abilities_are_those_that_are_named", Opener(Good()), {"tells_prompts": True}),
    ("test_replies_are_complete", with_one(lambda reply, *more: other(reply, stop=""))),
    ("test_replies_are_complete", with_one(lambda reply, *more: other(reply, seconds=-1.0))),
    ("test_replies_are_complete", with_one(lambda reply, *more: other(reply, text=f"{reply.text} \ud83d"))),
    ("test_no_prompt_no_reply", with_all(lambda found, prompts, tell: (prompts[0], found)[1])),
    ("test_same_seed_same_reply", with_one(lambda reply, *more: other(reply, text=f"{reply.text} {next(calls)}"))),
    ("test_replies_are_in_the_order_of_prompts", Opener(Numbered())),
    (
        "test_replies_are_in_the_order_of_prompts",
        with_all(lambda found, prompts, tell: sorted(found, key=lambda r: r.text)),
    ),
    ("test_another_seed_another_reply", with_one(lambda reply, prompt, *more: other(reply, text=prompt[-1].content))),
    (
        "test_temperature_0_is_greedy",
        with_one(lambda reply, prompt, _, seed: other(reply, text=f"{reply.text} {seed}")),
    ),
    ("test_no_reply_is_longer_than_asked", with_one(lambda reply, *more: other(reply, ids=[1, 2, 3]))),
    ("test_progress_counts_replies", with_all(lambda found, prompts, tell: ([tell(i) for i in range(9)], found)[1])),
    ("test_replies_that_are_handed_over", Opener(Handing(place=lambda at: at + 1))),
    ("test_replies_that_are_handed_over", Opener(Handing(text=lambda reply: other(reply, text="sooner")))),
    ("test_changes_no_prompt", Opener(Taking())),
    ("test_long_prompts", with_one(lambda reply, prompt, *more: 1 / 0 if long(prompt) else reply)),
    ("test_long_prompts", with_one(lambda reply, prompt, *more: (time.sleep(1.1 * long(prompt)), reply)[1])),
    ("test_long_prompts", with_one(ended)),
    ("test_pieces_make_the_reply", having(stream=stream), {"streams": True}),
    (
        "test_tells_the_prompts_that_it_reads",
        having(
            prompt_ids=lambda self, prompt: [1],
            one=lambda self, *more: other(Good.one(self, *more), prompt_ids=[2]),
        ),
        {"tells_prompts": True},
    ),
    ("test_unknown_argument_is_an_error", SimpleNamespace(description="odd", open=opens_anything)),
    ("test_unknown_argument_is_an_error", SimpleNamespace(description="odd", open=opens_files)),
    ("test_prints_nothing", with_one(lambda reply, *more: (print(reply.text), reply)[1])),
    ("test_leaves_random_numbers_alone", with_one(lambda reply, prompt, _, seed: (random.seed(seed), reply)[1])),
]
"""(the check that must fail, and no other; what opens the model; what its contract says besides)"""


class OfBases(BaseModelContract):
    name = "odd"


def base(folder, **more):
    return SimpleNamespace(description="odd", folder=folder, **more)


def missing():
    raise LimaError("It is not there.")


def bases(good):
    """The same of base models; `good` is the folder of one that is complete"""
    return [
        ("test_works", base(lambda: "/nowhere/at/all")),
        ("test_works", base(missing)),
        ("test_works", base(lambda: None)),
        ("test_same_twice", base(lambda: tempfile.mkdtemp(dir=Path(good).parent))),
        ("test_same_twice", base(lambda: os.path.relpath(good))),
        ("test_folder_is_complete", base(lambda: str(Path(good).parent))),
        ("test_says_how_it_is_fetched", base(missing, fetch=lambda say, file=None: good), {"abilities": (Fetches,)}),
    ]
