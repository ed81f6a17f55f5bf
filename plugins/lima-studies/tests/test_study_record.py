"""A study as a record: begun once, found by its name or its settings, continued by raters; and what its commands refuse."""

import json

import pytest

from lima import LimaError
from lima_studies import Study, StudyPrompt, System, read_prompts

PROMPTS = [StudyPrompt("a", "Why?"), StudyPrompt("b", "How?", sensitive=True, malice="implicit")]
SETTINGS = {
    "sampling": {"temperature": 0.0, "top_p": 0.9, "repetition_penalty": 1.0, "max_new_tokens": 5},
    "samples": 1,
    "seed": 0,
}


def test_a_study_is_found_by_its_settings_and_a_name_is_of_one_study(store):
    systems = [System("LIMA", "m:x"), System("other", "m:y")]
    one = Study.begin(store, "preference", SETTINGS, PROMPTS, systems)
    assert Study.begin(store, "preference", SETTINGS, PROMPTS, systems).id == one.id
    assert one.id.startswith("preference-")
    assert one.prompts() == PROMPTS
    assert one.systems() == systems
    named = Study.begin(store, "preference", SETTINGS, PROMPTS, systems, "mine")
    with pytest.raises(LimaError, match="Study mine was begun with other prompts, seed. Give this one another --name"):
        Study.begin(store, "preference", {**SETTINGS, "seed": 1}, PROMPTS[:1], systems, "mine")
    with pytest.raises(LimaError, match="Study mine is a preference study"):
        Study.begin(store, "safety", SETTINGS, PROMPTS, systems, "mine")
    with pytest.raises(LimaError, match="cannot be a study's name"):
        Study.begin(store, "safety", SETTINGS, PROMPTS, systems, "../mine")
    with pytest.raises(LimaError, match=r"No study 'mime' in .* Did you mean 'mine'\?.*`lima study` lists them"):
        Study.find(store, "mime")
    named.add_rater("j", "judges", "m:z", "hash")
    named.add_rater("j", "judges", "m:z", "hash")
    with pytest.raises(LimaError, match="The judge 'j' is not the one that judged in study mine"):
        named.add_rater("j", "judges", "m:z", "other")
    with pytest.raises(LimaError, match="'j' is of the group 'judges', not 'crowd'"):
        named.add_rater("j", "crowd")
    assert [r["rater"] for r in named.raters()] == ["j"]


def test_a_study_that_stops_says_so_in_its_row(store):
    study = Study.begin(store, "preference", SETTINGS, PROMPTS, [System("LIMA", "m:x")])
    for error, status in ((KeyboardInterrupt, "interrupted"), (ValueError, "failed")):
        with pytest.raises(error) as raised, study.working():
            raise error
        assert study.row["status"] == status
        assert "The same command continues" in raised.value.__notes__[0]
    with study.working(), pytest.raises(LimaError, match="Another process is working on the study"), study.working():
        pass
    assert study.row["status"] == "done"


def test_a_system_that_changed_is_refused_and_a_recording_may_grow(store, tmp_path):
    from lima_studies.asking.replying import reply_all
    from lima_studies.models.replies import ReplyFile

    file = tmp_path / "old.jsonl"

    def ask(*replies):
        rows = zip(("Why?", "How?"), replies, strict=False)
        file.write_text("".join(json.dumps({"prompt": p, "reply": r}) + "\n" for p, r in rows))
        study = Study.begin(store, "preference", SETTINGS, PROMPTS, [System("old", "replies:x")])
        reply_all(study, System("old", "replies:x"), lambda: ReplyFile(str(file)), SETTINGS, lambda done, total: None)
        return study.texts()

    assert ask("So.") == {("old", "a", 0): "So."}
    with pytest.raises(
        LimaError, match=r"old \(replies:x\) has changed since it replied to the first 1 prompts of study"
    ):
        ask("No.", "Thus.")
    assert ask("So.", "Thus.") == {("old", "a", 0): "So.", ("old", "b", 0): "Thus."}
    assert ask("Whatever: nothing is missing.") == {("old", "a", 0): "So.", ("old", "b", 0): "Thus."}


def test_sixty_prompts_come_with_the_plugin(store):
    found = read_prompts("own")
    kinds = {kind: [p for p in found if p.kind == kind] for kind in ("everyday", "unlike", "sensitive", "malicious")}
    assert {kind: len(some) for kind, some in kinds.items()} == {
        "everyday": 10,
        "unlike": 20,
        "sensitive": 20,
        "malicious": 10,
    }
    assert len({p.text for p in found}) == len({p.id for p in found}) == 60
    assert sum(p.sensitive for p in found) == 30
    assert {p.malice for p in kinds["malicious"]} == {"explicit", "implicit"}
    assert {p.licence for p in found} == {"Apache-2.0"}


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        (
            [{"conversations": ["Why?"], "source": "authors"}, {"conversations": ["How?", "So."], "source": "reddit"}],
            ["Why?", "How?"],
        ),
        ([{"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]}], ["Why?"]),
        ([{"messages": [{"role": "system", "content": "Be."}, {"role": "user", "content": "Why?"}]}], ["Why?"]),
        ([{"instruction": "Shorten.", "input": "A text.", "output": "x"}], ["Shorten.\n\nA text."]),
        (
            [{"prompt": "Why?", "malice": "explicit"}, {"question": "How?"}, {"text": " x\u202e "}],
            ["Why?", "How?", " x\u202e "],
        ),
    ],
)
def test_prompts_of_the_usual_shapes_are_read(rows, texts, tmp_path):
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_prompts(str(tmp_path))  # the folder of LIMA's release
    assert [p.text for p in found] == texts
    assert [p.sensitive for p in found] == [bool(row.get("malice")) for row in rows]
    assert [p.source for p in found] == [row.get("source", "test.jsonl") for row in rows]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": " "}', r"test\.jsonl, line 2: it has no prompt\. Expected text in 'prompt', "),
        ('{"conversations": []}', "line 2: it has no prompt"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "line 2: it has no prompt"),
        ('{"messages": [{"role": "user", "content": ["x"]}]}', "line 2: it has no prompt"),
        ("[1]", "line 2: expected an object with a prompt, found a list"),
        ('{"prompt": "x", "sensitive": "yes"}', "line 2: expected true or false in 'sensitive'"),
        ('{"prompt": "x", "malice": "some"}', "explicit, implicit or nothing in 'malice'; found False and 'some'"),
        ('{"prompt": "x", "malice": ["explicit"]}', "line 2: expected true or false in 'sensitive'"),
        ('{"prompt": "x", "id": "one"}', r"line 2: the id 'one' is that of .*line 1 already"),
        ('{"prompt": ', "line 2"),
    ],
)
def test_rows_without_a_prompt_are_named(line, said, tmp_path):
    (tmp_path / "test.jsonl").write_text(f'{{"prompt": "Why?", "id": "one"}}\n{line}\n')
    with pytest.raises(LimaError, match=said):
        read_prompts(str(tmp_path / "test.jsonl"))
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(LimaError, match="no prompt in it"):
        read_prompts(str(tmp_path / "empty.jsonl"))
    with pytest.raises(LimaError, match="owm"):
        read_prompts("owm")


def test_distance_is_none_to_the_same_text_and_one_to_a_foreign_one():
    from lima_studies.prompts.distance import nearest

    trained = [("x", "How do I bake bread?"), ("y", "What is a prime number?")]
    same, near, far, empty = nearest(["How do I BAKE bread", "Baking bread, how?", "ξενία", ""], trained)
    assert (same.example, same.distance) == ("x", 0.0)
    assert near.example == "x"
    assert 0.1 < near.distance < 0.9
    assert far.distance == empty.distance == 1.0
    with pytest.raises(LimaError, match="no training prompt"):
        nearest(["x"], [])
