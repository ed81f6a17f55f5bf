"""Local copies of data sets: which files are of a split, which source reads the rows, and what an example carries."""

import json
import os
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lima_chat
import lima_hub
from lima import Example, LimaError, Refused, TakesOptions
from lima.testing import SourceContract, only_plugins
from lima_chat import Conversation
from lima_hub.card import card_of, data_files, licence_of
from lima_hub.local import split_of
from lima_hub.source import Hub

from .conftest import CARD, write

CHAT = {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Here."}]}
PAIR = {"prompt": "Hello?", "response": "Here."}


@pytest.fixture(autouse=True, scope="module")
def plugins():
    """This plugin, and that whose sources read the rows"""
    with only_plugins(lima_hub=lima_hub, lima_chat=lima_chat) as found:
        yield found


class TestHub(SourceContract):
    plugin, requires, abilities = lima_hub, (lima_chat,), (TakesOptions,)
    name, reads_files, reads_folders, options = "hub", True, True, {"limit": 1, "split": "train"}

    def row(self, prompt, answer):
        return {"prompt": prompt, "response": answer}


def read(argument, **options):
    """(examples, refused)"""
    found = list(Hub().with_options(options).examples(argument))
    return [one for one in found if not isinstance(one, Refused)], [one for one in found if isinstance(one, Refused)]


def test_an_example_and_what_it_carries(copy):
    folder = copy(README_dot_md=CARD, data__train_dot_parquet=[CHAT, CHAT | {"n": 1}])
    kept, refused = read(folder)
    assert not refused
    assert kept[1] == Example(
        id="robots/train:2",
        source="hub:robots",
        licence="cc-by-4.0",
        provenance=f"{folder}/data/train.parquet, row 2",
        prompt="Hello?",
        response="Here.",
    )


SHAPES = [
    PAIR,
    CHAT,
    {"conversations": [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Here."}]},
    {"conversations": ["Hello?", "Here."], "source": "stackexchange"},
    {"history": [{"user": "Hello?", "bot": "Here."}]},
    {"instruction": "Hello?", "input": "", "output": "Here."},
    {"instruction": "Hello?", "context": "", "response": "Here."},
    {"question": "Hello?", "answer": "Here."},
    {"prompt": "Hello?", "completion": "Here."},
    {"prompt": "Hello?", "chosen": "Here.", "rejected": "No."},
    {"message_id": "1", "parent_id": None, "role": "prompter", "text": "Hello?"},
]


ENDINGS = [
    (shape, ending)
    for shape in SHAPES
    for ending in ("jsonl", "parquet", "json", "csv")
    if (shape, ending) != (SHAPES[-1], "csv")
]


@pytest.mark.parametrize(("shape", "ending"), ENDINGS, ids=lambda one: "-".join(one) if isinstance(one, dict) else one)
def test_every_format_is_recognised(copy, shape, ending):
    rows = [shape]
    if "message_id" in shape:
        rows.append({"message_id": "2", "parent_id": "1", "role": "assistant", "text": "Here."})
    if ending == "csv":
        cells = [
            [one if isinstance(one, str) else json.dumps(one) if one else "" for one in row.values()] for row in rows
        ]
        quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [list(shape), *cells]]
        rows = "\n".join(quoted) + "\n"
    elif ending == "json":
        rows = json.dumps(rows, indent=1)
    (one,), refused = read(copy(**{f"train_dot_{ending}": rows}))
    assert not refused
    said = (one.prompt, one.response) if isinstance(one, Example) else tuple(turn.content for turn in one.turns)
    assert said == ("Hello?", "Here.")
    assert one.licence == "not stated"


@pytest.mark.parametrize(
    ("options", "row"),
    [
        ({"prompt": "q", "response": "a"}, {"q": "Hello?", "a": "Here.", "tokens_used": 7, "note": ["x"]}),
        ({"messages": "talk"}, {"talk": CHAT["messages"], "tokens_used": 7}),
        ({"messages": "talk"}, {"talk": ["Hello?", "Here."]}),
        ({"prompt": "response", "response": "prompt"}, {"prompt": "Here.", "response": "Hello?"}),
    ],
)
def test_columns_are_mapped(copy, options, row):
    folder = copy(train_dot_jsonl=[row | {"id": "one", "license": "MIT"}])
    query = "&".join(f"{key}={column}" for key, column in options.items())
    for argument, told in ((folder, options), (f"{folder}?{query}", {})):
        (one,), _ = read(argument, **told)
        assert (one.id, one.licence, one.prompt, one.response) == ("one", "MIT", "Hello?", "Here.")


def test_a_system_column(copy):
    rows = [PAIR | {"told": "Be brief."}]
    (one,), _ = read(copy(train_dot_jsonl=rows), prompt="prompt", response="response", system="told")
    assert isinstance(one, Conversation)
    assert [turn.content for turn in one.turns] == ["Be brief.", "Hello?", "Here."]


def test_options_of_reading_are_passed_on(copy):
    twice = {"messages": [*CHAT["messages"][:1], {"role": "user", "content": "Anyone?"}, *CHAT["messages"][1:]]}
    folder = copy(train_dot_jsonl=[twice, CHAT | {"mood": "good"}])
    _, refused = read(folder)
    assert "--merge-turns joins them" in refused[0].reason
    assert refused[1].reason.endswith("--set lima-hub.ignore=mood")
    kept, refused = read(folder, merge_turns=True, ignore="mood")
    assert not refused
    assert [one.prompt for one in kept] == ["Hello?\n\nAnyone?", "Hello?"]
    assert read(f"{folder}?merge_turns=true&ignore=mood,x")[0] == kept


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("data/train-00000-of-00002-ab12.parquet", "train"),
        ("data/train_sft-00001-of-00002.parquet", "train_sft"),
        ("test.jsonl", "test"),
        ("my-dev-set.csv", "validation"),
        ("validation/0001.json", "validation"),
        ("latest.jsonl", "train"),
        ("contested.jsonl", "train"),
    ],
)
def test_the_split_of_a_file(path, split):
    assert split_of(path) == split


def test_splits_by_name_and_limit(copy):
    rows = [{"prompt": f"Hello {n}?", "response": "Here."} for n in range(5)]
    folder = copy(
        train_dot_jsonl=rows[:2], test_dot_jsonl=rows[2:], script_dot_py="raise SystemExit", state_dot_json="{}"
    )
    assert len(read(folder)[0]) == 2
    assert [one.id for one in read(f"{folder}?split=test&limit=2")[0]] == ["robots/test:1", "robots/test:2"]
    with pytest.raises(
        LimaError, match=r"has no split 'tset'\. Did you mean 'test'\?.* Choose one: hub:/.*\?split=\w+$"
    ):
        read(f"{folder}?split=tset")


def test_splits_and_configurations_of_the_card(copy):
    card = "---\nlicense: [mit, other]\nconfigs:\n- config_name: small\n  data_files: a/*.jsonl\n- config_name: big\n"
    card += "  data_files:\n  - split: first\n    path: [a/*.jsonl, b/x.jsonl]\n  - split: gone\n    path: c/*\n---\n"
    folder = copy(README_dot_md=card, a__1_dot_jsonl=[PAIR], b__x_dot_jsonl=[PAIR], b__y_dot_jsonl=[PAIR])
    with pytest.raises(LimaError, match=r"has the configurations small, big. Choose one: …\?config=small"):
        read(folder)
    assert len(read(f"{folder}?config=small")[0]) == 1
    kept, _ = read(f"{folder}?config=big&split=first")
    assert [one.provenance.rpartition("robots/")[2] for one in kept] == ["a/1.jsonl, line 1", "b/x.jsonl, line 1"]
    assert kept[0].licence == "mit AND other"
    with pytest.raises(LimaError, match=r"the card names the files c/\* of the split 'gone', and there are none"):
        read(f"{folder}?config=big&split=gone")


@pytest.mark.parametrize("path", ["../x.jsonl", "/etc/passwd", "a/../../x", "hf://datasets/x/y", "https://x.org/y"])
def test_a_card_does_not_lead_out_of_the_folder(path):
    with pytest.raises(LimaError, match="which are not in its folder"):
        data_files({"configs": [{"data_files": path}]}, "", "here")


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (CARD, "cc-by-4.0"),
        ("---\nlicense: other\nlicense_name: house-1\n---", "house-1"),
        ("---\nlicense: 7\n---", "not stated"),
        ("---\n- a\n---", "not stated"),
        ("# No card", "not stated"),
        ("---\nlicense: mit", "not stated"),
    ],
)
def test_licences_of_cards(copy, tmp_path, text, licence):
    copy(README_dot_md=text)
    assert licence_of(card_of(tmp_path / "robots")) == licence


def test_read_again_and_nothing_is_left(copy, tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    reading = Hub().examples(copy(train_dot_jsonl=[PAIR, PAIR]))
    next(reading)
    assert list(scratch.iterdir())
    reading.close()
    assert list(scratch.iterdir()) == []


def test_what_is_asked(copy):
    folder = copy(train_dot_jsonl=[CHAT, 7])
    one, refused = Hub().scripts(folder)
    assert (one.id, one.turns[0].user, one.turns[0].facts) == ("robots/train:1", "Hello?", {"reference": "Here."})
    assert refused.where == f"{folder}/train.jsonl, line 2"


CELLS = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=6)
    | st.just(date(2024, 1, 2))
    | st.binary(max_size=2)
)
VALUES = st.recursive(
    CELLS, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one, max_size=2)
)
ROWS = st.fixed_dictionaries(
    {"prompt": st.text(max_size=6) | CELLS, "response": st.text(max_size=6)}
) | st.dictionaries(st.sampled_from(["prompt", "response", "messages", "id", "x"]), VALUES, max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, max_size=6), st.integers(0, 3), st.booleans())
def test_read_is_kept_and_refused(tmp_path_factory, rows, limit, maps):
    lines = [json.dumps(row, default=str) for row in [PAIR, *rows]]
    folder = write(tmp_path_factory.mktemp("hub"), {"train.jsonl": "\n".join(lines) + "\n"})
    kept, refused = read(folder, limit=limit, **({"prompt": "prompt", "response": "response"} if maps else {}))
    assert len(kept) + sum(one.rows for one in refused) == min(limit or len(lines), len(lines))
    assert all(one.where.startswith(f"{folder}/train.jsonl, line ") for one in refused)
    assert not any("lima-hub-" in one.reason + one.where for one in refused)


@pytest.mark.skipif(
    not os.environ.get("LIMA_HUB_COPY"), reason="LIMA_HUB_COPY names no copy of a data set, such as GAIR/lima's"
)
def test_a_real_copy():
    kept, refused = read(os.environ["LIMA_HUB_COPY"])
    assert kept
    assert not [one for one in refused if one.fault]
