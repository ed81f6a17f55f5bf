"""A frozen data set gives back what was written, and refuses rows that are wrong with their place."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lima_chat
import lima_curate
import lima_dialogue_eval
from lima import Credit, Example, LimaError, Recognises, Refused, TakesOptions, load_plugins, open_source
from lima.testing import SourceContract
from lima_chat import Conversation, Turn
from lima_curate.dataset import MARK, Dataset, record_of, row_of, write_dataset

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
filled = texts.map(lambda text: text + "x")
weights = st.one_of(st.integers(1, 5), st.floats(0.001, 1e6))
scalars = st.none() | st.booleans() | st.integers() | texts
values = st.recursive(scalars, lambda one: st.dictionaries(texts, one), max_leaves=5)
credits = st.builds(Credit, author=filled, url=texts, licence=texts, author_url=texts, written=texts, part=texts)
about = {
    "id": filled,
    "source": filled,
    "licence": texts,
    "provenance": filled,
    "credits": st.lists(credits, max_size=2).map(tuple),
}
singles = st.builds(Example, **about, prompt=filled, response=filled, weight=weights)
calls = st.lists(st.fixed_dictionaries({"type": texts, "function": st.dictionaries(texts, values)}), max_size=2)


@st.composite
def dialogues(draw):
    turns = [Turn("system", draw(texts))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", draw(texts)))
        if called := draw(calls):
            turns.append(Turn("assistant", draw(texts), tool_calls=tuple(called)))
            turns += [Turn("tool", draw(texts), name=draw(texts), call_id=draw(texts)) for _ in called]
        said = {"train": draw(st.booleans()), "weight": draw(weights | st.just(0)), "thoughts": draw(texts)}
        turns.append(Turn("assistant", draw(filled), **said))
    tools, tags = draw(st.lists(st.dictionaries(texts, values), max_size=2)), draw(st.lists(texts, max_size=2))
    return Conversation(
        **{key: draw(one) for key, one in about.items()}, turns=tuple(turns), tools=tuple(tools), tags=tuple(tags)
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(singles | dialogues(), min_size=1, max_size=4, unique_by=lambda one: one.id))
def test_what_is_read_is_what_was_written(tmp_path_factory, records):
    """Whole records, whatever they hold; and the hashes are those of the file and of what lima finds in it"""
    file = tmp_path_factory.mktemp("set") / "set.jsonl"
    written = write_dataset(file, records)
    assert list(Dataset().examples(str(file))) == records
    assert written.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    opened = open_source(f"dataset:{file}", load_plugins())
    assert (opened.owner, opened.hash, len(opened.records)) == ("lima-curate", written.hash, len(records))


class TestDataset(SourceContract):
    plugin, requires, name = lima_curate, (lima_chat, lima_dialogue_eval), "dataset"
    reads_files, abilities = True, (Recognises, TakesOptions)

    def row(self, prompt, answer):
        return row_of(
            Example(id=hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest(), prompt=prompt, response=answer)
        )


TALK = {
    MARK: 1,
    "id": "t",
    "dialogue": {"turns": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
}
PAIR = {MARK: 1, "id": "p", "example": {"prompt": "a", "response": "b"}}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (PAIR | {MARK: 2}, "'lima_row' is 2"),
        (PAIR | {MARK: True}, "'lima_row' is True"),
        ({"prompt": "a", "response": "b"}, "has no 'lima_row'"),
        (PAIR | {"dialogue": {}}, "found both"),
        ({MARK: 1, "id": "p"}, "found neither"),
        (PAIR | {"trust_remote_code": True}, "the row has 'trust_remote_code'"),
        (PAIR | {"example": {"prompt": "a", "response": "b", "weight": -1}}, "'weight' of the example is -1"),
        (PAIR | {"example": {"prompt": "a", "response": "b", "weight": True}}, "'weight' of the example is True"),
        (PAIR | {"example": {"prompt": "a"}}, "the example has no 'response'"),
        (PAIR | {"credits": [{"author": 3}]}, "'author' of credit 1 is 3"),
        (PAIR | {"credits": [{"url": "x"}]}, "credit 1 has no 'author'"),
        (TALK | {"dialogue": {"turns": [{"role": "user", "content": "a"}]}}, "expected an answer"),
        (TALK | {"dialogue": {"turns": [{"role": "user", "content": "a", "train": 1}]}}, "'train' of turn 1 is 1"),
        (TALK | {"dialogue": {"turns": [{"role": "user", "content": "a", "tool_calls": "x"}]}}, "expected a list"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(tmp_path, row, said):
    file = tmp_path / "set.jsonl"
    file.write_text(f"{json.dumps(TALK)}\n{json.dumps(row)}\n")
    good, bad = Dataset().examples(str(file))
    assert (type(good), type(bad), bad.where) == (Conversation, Refused, f"{file}, line 2")
    assert said in bad.reason


def test_a_key_that_is_not_understood_is_left_unread_when_told(tmp_path):
    (tmp_path / "set.jsonl").write_text(json.dumps(PAIR | {"note": "x"}) + "\n")
    (refused,) = Dataset().examples(str(tmp_path / "set.jsonl"))
    assert refused.reason.endswith("To read it without: --set lima-curate.ignore=note")
    (read,) = Dataset().with_options({"ignore": "note"}).examples(str(tmp_path / "set.jsonl"))
    assert read.content_hash == record_of(PAIR).content_hash


def test_ids_of_several_sources_stay_apart_and_nothing_is_overwritten(tmp_path):
    one = Example(id="1", source="a", prompt="a", response="b")
    written = write_dataset(tmp_path / "set.jsonl", [one, one, one])
    assert [read.id for read in Dataset().examples(str(written.file))] == ["1", "1 (2)", "1 (3)"]
    assert open_source(str(written.file), load_plugins()).hash == written.hash, (
        "it is not recognised, or by others as well"
    )
    before = written.file.read_bytes()
    with pytest.raises(LimaError, match="exists and is not overwritten"):
        write_dataset(written.file, [one])
    assert written.file.read_bytes() == before


class Odd(Example):
    """A kind of record that another plugin has"""


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Odd(id="1", prompt="a", response="b"), "is a Odd, which a data set cannot keep"),
        (Example(id="1", source="s", prompt="a\ud800", response="b"), "cannot be kept in a data set"),
        (Example(id="1", source="s", prompt="a", response=" "), "'response' of the example is empty"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, record, said):
    with pytest.raises(LimaError, match=said):
        write_dataset(tmp_path / "set.jsonl", [record])
    assert list(tmp_path.iterdir()) == []
