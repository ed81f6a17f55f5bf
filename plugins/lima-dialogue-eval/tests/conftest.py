"""A model that answers from its prompt alone, an evaluation of two conversations, and a store that knows both."""

import json
import os
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

import lima_dialogue_eval
from lima import hookimpl
from lima.contract.answers import Reply, Sampling
from lima_chat import EvalConversation, EvalTurn

CONVERSATIONS = [
    EvalConversation(
        "tea",
        "Making tea",
        (
            EvalTurn("How do I make tea?", ({"text": "says water", "check": {"contains_all": "water"}},), "opening"),
            EvalTurn("Shorter.", ({"text": "short", "check": {"max_words": 5}, "must": False},), "shorter"),
            EvalTurn("Is it kind?", ({"text": "is kind"},), "why"),
        ),
    ),
    EvalConversation(
        "bus",
        "Catching a bus",
        (
            EvalTurn("When does it go?", ({"text": "says nine", "check": {"contains_all": "nine"}},), "opening"),
            EvalTurn("And back?", ({"text": "says ten", "check": {"contains_all": "ten"}},), "follow-up"),
        ),
    ),
]


class Parrot:
    """Answers with what it was asked, how long the history is and its seed, so that a test can tell where a reply came from"""

    name = "parrot"

    def __init__(self, answers=None, fail=(), full=()):
        self.answers, self.fail, self.full = answers or {}, fail, full
        self.calls = []

    def reply(self, prompts, settings, seed, on_progress=None):
        self.calls.append(len(prompts))
        if any(p[-1].content in self.fail for p in prompts):
            raise ConnectionError("the line is dead")
        found = []
        for prompt, one in zip(prompts, seed, strict=True):
            asked = prompt[-1].content
            if asked in self.full:
                found.append(Reply("", [], "context", 0.0, [1, 2, 3]))
                continue
            said = "".join(t.content[0] for t in prompt)
            text = self.answers.get(asked, f"{asked} after {said}")
            found.append(Reply(f"{text} #{one % 97}", [7] * len(text.split()), "eot", 0.25, list(range(len(prompt)))))
        return found


class Evaluations:
    """A plugin with one evaluation and one model"""

    @hookimpl
    def register_evaluations(self, register):
        register(
            "small",
            SimpleNamespace(
                description="two conversations",
                licence="Apache-2.0",
                grader="requirements",
                checks_decide=True,
                conversations=lambda: CONVERSATIONS,
            ),
        )

    @hookimpl
    def register_models(self, register):
        register("parrot", SimpleNamespace(description="repeats", open=lambda argument, store: Parrot()))


@pytest.fixture
def plugins(lima_plugins):
    return lima_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations())


@pytest.fixture
def store(plugins, lima_store, monkeypatch):
    """The default database of the test, which commands need not name"""
    monkeypatch.setattr("lima.record.places.default_path", lambda: lima_store.path)
    return lima_store


@pytest.fixture
def Model():
    return Parrot


@pytest.fixture
def greedy():
    return Sampling(temperature=0.0)


@pytest.fixture
def script():
    return CONVERSATIONS


def answered(id, conversation, seed, turn):
    """A row of a turn that has a reply"""
    return {
        "conversation": conversation,
        "seed": seed,
        "turn": turn,
        "kind": "opening" if turn == 1 else "follow-up",
        "user": f"user {turn}",
        "requirements": "[]",
        "reply": f"{id} {conversation} {seed} {turn}",
        "stop": "eot",
        "seconds": 0.5,
        "reply_tokens": 4,
        "status": "answered",
        "message": "",
    }


@pytest.fixture
def by_hand(store):
    """Writes a finished dialogue run with the given grades: {conversation: {seed: "EPF-"}}, '-' = undecided

    '.' is not reached, because the context was full."""
    from itertools import count

    from lima_dialogue_eval.record.log import DialogueLog
    from lima_dialogue_eval.statistics import PRIMARY

    letters = {"E": "excellent", "P": "pass", "F": "fail", "-": None}
    numbers = count(1)

    def write(grades, **values):
        id = f"run-{next(numbers)}"
        log, seeds = DialogueLog(store, id), sorted({seed for of_one in grades.values() for seed in of_one})
        row = {
            "evaluation": "small",
            "evaluation_hash": "h" * 64,
            "model": "by hand",
            "arm": "",
            "seeds": json.dumps(seeds),
            "sampling": json.dumps({"temperature": 0.7}),
            "grader": "requirements",
            "primary_test": PRIMARY,
            "plugins": "[]",
            "environment": json.dumps({"torch": "2"}),
            **values,
        }
        keys = [(c, seed, labels) for c in grades for seed, labels in grades[c].items()]
        log.start(row, [{"conversation": c, "seed": s, "topic": f"About {c}", "turns": len(g)} for c, s, g in keys])
        turns = [answered(id, c, s, n) for c, s, g in keys for n, _ in enumerate(g.rstrip("."), 1)]
        full = {"reply": None, "stop": None, "status": "context full", "message": "too long"}
        turns += [{**answered(id, c, s, len(g.rstrip(".")) + 1), **full} for c, s, g in keys if "." in g]
        ends = {True: {"status": "context full", "message": "too long"}, False: {"status": "complete", "message": ""}}
        ended = [{"conversation": c, "seed": s, **ends["." in g]} for c, s, g in keys]
        log.turns(turns, ended)
        log.grades(
            {
                "conversation": c,
                "seed": seed,
                "turn": n,
                "grader": row["grader"],
                "grade": letters[label],
                "reason": f"because {label}",
                "status": "undecided" if label == "-" else "graded",
                "grader_hash": row.get("grader_hash"),
            }
            for c, seed, labels in keys
            for n, label in enumerate(labels.rstrip("."), 1)
        )
        log.mark("done", "", 1.0)
        return id

    return write


@pytest.fixture(name="Evaluations")
def evaluations_plugin():
    return Evaluations
