"""A second set of conversations in `eval-b` and `known-b`: registered, read apart from the first, and linted with it."""

import json

import pytest

import lima_chat
import lima_dialogue_eval
import lima_dialogues
from lima.errors import LimaError
from lima.testing import only_plugins
from lima_dialogues import files
from lima_dialogues.files import File, further_sets, our_folder, read
from lima_dialogues.lint import lint
from lima_dialogues.registered import Conversations, Dialogues
from lima_dialogues.schema import Problem

MET = [{"text": "Is short", "must": True, "check": {"max_words": 40}}]
ASKED = ("How do bees find a field of clover?", "And in the rain?", "Who told you that?")


def script(id, topic):
    turns = [{"user": text, "kind": "follow-up", "requirements": MET} for text in ASKED]
    return {"id": id, "topic": topic, "author": "me", "licence": "CC0-1.0", "turns": turns}


def known(id):
    replies = [{"turn": n, "grade": "pass", "reply": f"By their dance, number {n}."} for n in (1, 2, 3)]
    return {"conversation": id, "author": "me", "licence": "CC0-1.0", "saw_checks": False, "replies": replies}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder in the place of the package's, with two sets of conversations and one dialogue"""
    dialogue = [{"role": ("user", "assistant")[n % 2], "content": f"Word {n}"} for n in range(6)]
    training = script("tea", "tea") | {"turns": dialogue}
    texts = {
        "train/tea.json": training,
        "eval/cats.json": script("cats", "cats"),
        "eval-b/bees.json": script("bees", "bees"),
        "known-b/bees.json": known("bees"),
    }
    for name, data in texts.items():
        path = tmp_path / "dialogues" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
    monkeypatch.setattr(files, "files", lambda package: tmp_path)
    return tmp_path / "dialogues"


def test_it_is_an_evaluation_of_its_own(package):
    assert further_sets() == ["b"]
    modules = (lima_chat, lima_dialogue_eval, lima_dialogues)
    with only_plugins(**{module.__name__: module for module in modules}) as plugins:
        assert plugins.broken == []
        found = plugins.registry("evaluations").find("dialogues-b")
        assert [c.id for c in found.conversations()] == ["bees"]
        assert [(k.conversation, k.turn) for k in found.known_replies()] == [("bees", 1), ("bees", 2), ("bees", 3)]
        assert (found.grader, found.licence) == ("requirements", "Apache-2.0")
    assert [c.id for c in Conversations().conversations()] == ["cats"]
    assert Conversations().known_replies() == []
    assert [record.id for record in Dialogues().examples(None)] == ["tea"]


def test_a_folder_that_is_not_there_or_not_named_is_no_set(package):
    (package / "eval-b" / "bees.json").unlink()
    (package / "eval-b").rmdir()
    (package / "eval-").mkdir()
    (package / "evaluation").mkdir()
    (package / "eval-c").write_text("no folder")
    assert further_sets() == []
    (package / "eval-b").write_text("")
    with only_plugins(lima_dialogues=lima_dialogues, lima_chat=lima_chat) as plugins, pytest.raises(LimaError):
        plugins.registry("evaluations").find("dialogues-b")


def problems(*more):
    return [p for p in lint([*read(our_folder()), *more]).problems if "words" not in p.what and "%" not in p.what]


def test_no_topic_is_shared_with_the_dialogues_or_with_the_first_set(package):
    fix = "No topic may be in two sets: replace one, or name them apart."
    assert problems() == []
    third = File("eval-b/third.json", script("third", "cats and tea"))
    assert sorted(problems(third), key=str) == [
        Problem("eval-b/third.json", None, "shares 'cats' in its topic with eval/cats.json", fix),
        Problem("eval-b/third.json", None, "shares 'tea' in its topic with train/tea.json", fix),
    ]


def test_replies_belong_to_the_conversations_of_their_set(package):
    fix = "Give the id of one that is there. Known: bees."
    assert problems(File("known-b/cats.json", known("cats"))) == [
        Problem("known-b/cats.json", None, "is about the conversation 'cats', which is not there", fix)
    ]
    assert problems(File("eval-b/graded.json", known("bees")))[0] == Problem(
        "eval-b/graded.json", None, "has replies with known grades", "Move it to known-b/."
    )


def test_the_sets_are_counted_apart(package):
    report = lint(read(our_folder()))
    assert report.counts["eval"] == report.counts["eval-b"] == {"files": 1, "exchanges": 3, "words": 16}
    assert list(report.turns) == ["eval-b", "eval", "train"]
