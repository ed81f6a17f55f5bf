"""What ships: counts, origins, refusals, topics, and that source and evaluation give it all."""

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from lima.errors import LimaError
from lima_chat import Conversation, EvalConversation, EvalTurn, Turn
from lima_dialogues import files
from lima_dialogues.files import our_folder, read
from lima_dialogues.lint import lint
from lima_dialogues.registered import Conversations, Dialogues

FILES = read(our_folder())
TRAIN = [file.data for file in FILES if file.folder == "train"]
EVAL = [file.data for file in FILES if file.folder == "eval"]
TAGS = {
    "asked-back", "thanks", "topic-change",
    "change-of-mind", "constraint", "constraint-added", "corrects-assistant", "corrects-user", "ellipsis", "new-facts",
    "objection", "pronoun", "reference", "reformat", "refusal", "return", "self-correction", "shorter", "why",
}  # fmt: skip
README = Path(__file__).parents[3] / "dialogues" / "README.md"


def test_the_linter_finds_nothing():
    report = lint(FILES)
    assert report.problems == ()
    assert report.counts["train"]["files"] == 30
    assert report.counts["eval"]["files"] == report.counts["eval-b"]["files"] == 10
    assert report.counts["eval"]["exchanges"] == 46


def test_ten_free_twenty_from_threads():
    assert sorted(data["origin"] for data in TRAIN) == ["free"] * 10 + ["thread"] * 20


def test_three_to_six_exchanges_about_four_on_average():
    exchanges = [len(data["turns"]) // 2 for data in TRAIN]
    assert set(exchanges) == {3, 4, 5, 6}
    assert 3.5 <= sum(exchanges) / 30 <= 5


def test_exactly_two_refusals():
    assert [data["id"] for data in TRAIN if "refusal" in data["tags"]] == ["08-his-phone", "30-one-star"]


def test_every_tag_is_one_of_the_list_and_in_the_readme():
    assert {tag for data in TRAIN for tag in data["tags"]} == TAGS
    assert {tag for tag in TAGS if f"| `{tag}` |" not in README.read_text()} == set()


def test_no_topic_is_in_two_sets():
    second = [file.data for file in FILES if file.folder == "eval-b"]
    words = [{w for d in side for w in re.findall(r"\w+", d["topic"].lower())} for side in (TRAIN, EVAL, second)]
    for one, other in combinations(words, 2):
        assert one & other - {"a", "at", "for", "in", "of", "the", "with"} == set()
    assert len({d["topic"] for d in TRAIN}) == 30


def test_the_source_yields_them_with_licence_and_provenance():
    records = list(Dialogues().examples(None))
    assert [record.id for record in records] == [data["id"] for data in TRAIN]
    assert {(record.source, record.licence) for record in records} == {("dialogues", "Apache-2.0")}
    assert len({record.content_hash for record in records}) == 30
    data = TRAIN[8]
    assert records[8] == Conversation(
        id="09-root-equation",
        source="dialogues",
        licence="Apache-2.0",
        provenance=f"dialogues/train/09-root-equation.json, by lima authors, origin: {data['origin']}",
        turns=tuple(Turn(turn["role"], turn["content"]) for turn in data["turns"]),
        tags=tuple(data["tags"]),
    )


def test_the_evaluation_gives_the_conversations():
    conversations = Conversations().conversations()
    assert [conversation.id for conversation in conversations] == [data["id"] for data in EVAL]
    assert [len(conversation.turns) for conversation in conversations] == [5, 5, 5, 4, 4, 4, 5, 4, 4, 6]
    turn = EVAL[7]["turns"][2]
    assert conversations[7].turns[2] == EvalTurn(
        "Who's the younger dog? Just the name.",
        tuple(turn["requirements"]),
        "reference",
        {"note": turn["facts"]},
    )
    assert isinstance(conversations[7], EvalConversation)


def test_an_early_condition_is_checked_again_later():
    """In these conversations every turn has the same must-check for what was asked in the first"""
    standing = {"02-inflation": {"max_sentences"}, "09-biting-puppy": {"no_list"}, "07-three-cities": {"clock_24"}}
    for data in EVAL:
        for wanted in standing.get(data["id"], ()):
            for turn in data["turns"]:
                assert any(r["must"] and wanted in r.get("check", {}) for r in turn["requirements"]), turn["user"]


def test_registered_under_their_names():
    import lima_dialogues
    from lima.testing import only_plugins

    with only_plugins(lima_dialogues=lima_dialogues) as plugins:
        assert plugins.registry("sources").find("dialogues").licence == "Apache-2.0"
        assert plugins.registry("evaluations").find("dialogues").grader == "requirements"
        assert plugins.broken == []


def test_a_folder_of_ones_own(tmp_path):
    data = TRAIN[0] | {"id": "mine", "author": "me", "licence": "CC0-1.0"}
    del data["origin"], data["tags"]
    (tmp_path / "mine.json").write_text(json.dumps(data))
    (record,) = Dialogues().examples(str(tmp_path))
    assert (record.id, record.licence, record.provenance) == ("mine", "CC0-1.0", f"{tmp_path}/mine.json, by me")


def test_a_folder_with_a_broken_file_is_refused_with_its_name(tmp_path):
    data = TRAIN[0] | {"id": "mine", "turns": TRAIN[0]["turns"][:-1]}
    (tmp_path / "mine.json").write_text(json.dumps(data))
    with pytest.raises(LimaError) as refused:
        list(Dialogues().examples(str(tmp_path)))
    assert str(refused.value) == (
        "mine.json, turn 9: has no answer. End with the assistant's turn. `lima dialogues-lint FOLDER` lists everything."
    )


def test_only_scripts_in_a_folder_are_no_source(tmp_path):
    (tmp_path / "01-moving-house.json").write_text(json.dumps(EVAL[0]))
    with pytest.raises(LimaError, match="has only conversations to evaluate with"):
        list(Dialogues().examples(str(tmp_path)))


def test_a_checkout_without_symbolic_links_gets_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "dialogues").write_text("../../../dialogues")
    monkeypatch.setattr(files, "files", lambda package: tmp_path)
    with pytest.raises(LimaError, match="made without symbolic links"):
        list(Dialogues().examples(None))


def test_the_table_in_the_readme_is_up_to_date():
    pytest.importorskip("cogapp")
    done = subprocess.run([sys.executable, "-m", "cogapp", "--check", str(README)], capture_output=True, text=True)
    assert done.returncode == 0, "run `cog -r dialogues/README.md`"


def test_every_check_can_be_met_and_missed():
    """With the grader of lima-dialogue-eval: for each turn a reply that misses no check and one that fails"""
    grading = pytest.importorskip("lima_dialogue_eval")
    from importlib import import_module

    replies = json.loads((Path(__file__).parent / "replies.json").read_text())
    grader = import_module("lima_dialogue_eval.conversation.grade").Requirements()
    conversations = Conversations().conversations()
    grader.verify(conversations)
    wrong = []
    for conversation in conversations:
        assert len(replies[conversation.id]) == len(conversation.turns)
        said = ()
        for index, pair in enumerate(replies[conversation.id]):
            said += (Turn("user", conversation.turns[index].user),)
            for wanted, reply in pair.items():
                verdict = grader.grade(grading.GradedTurn(conversation, index, said, reply, "eot"))
                held = verdict.grade is None and all(tick.met is not False for tick in verdict.ticks)
                if not (held if wanted == "excellent" else verdict.grade == wanted):
                    wrong.append((conversation.id, index + 1, wanted, verdict))
            said += (Turn("assistant", pair["excellent"]),)
    assert wrong == []


@pytest.mark.parametrize(
    ("reply", "missed_ones"),
    [
        ("Ottawa; it's more than twice the size of Canberra (1,017,449 to about 456,000).", 0),
        ("Ottawa: it beats Canberra, 1,017,449 against 456,000.", 0),
        ("Ottawa, as Canberra has 1,017,449.", 1),
    ],
)
def test_two_numbers_after_the_second_city_are_in_the_order_of_the_cities(reply, missed_ones):
    from lima_dialogue_eval.checks import missed

    checks = [r["check"] for r in EVAL[9]["turns"][2]["requirements"] if r["text"].startswith("The numbers")]
    assert len(missed(checks[0], reply, ())) == missed_ones
