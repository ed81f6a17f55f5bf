"""What max_tokens costs is said by every command and on the card, and what could never fit is refused before it is tokenized."""

import json
import time

import pytest

from lima import hookimpl
from lima.contract.examples import Record
from lima.contract.rendered import Rendered, Span
from lima.data.cuts import ALWAYS, check_length, losses
from lima.data.dataset import prepare
from lima.data.rendering import PlainRenderer
from lima.errors import LimaError
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune

pytestmark = pytest.mark.usefixtures("core_alone")


class Talk(Record):
    """Several answers in one example"""

    def __init__(self, id, turns):
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "turns", turns)
        for key in ("source", "licence", "provenance"):
            object.__setattr__(self, key, "")

    def content(self):
        return {"turns": [{"text": text} for text in self.turns]}


class Talks(PlainRenderer):
    """Turns, each with an EOT, of which every second one is an answer"""

    name = "talks"
    renders = (Talk,)
    prompt = None

    def render(self, record, tokenizer, eot):
        end = tokenizer.convert_tokens_to_ids(eot)
        ids, weights, spans = [], [], []
        for number, text in enumerate(record.turns):
            turn = [*self._ids(tokenizer, text), end]
            if number % 2:
                spans.append(Span(len(ids), len(ids) + len(turn), text))
            weights += [float(number % 2)] * len(turn)
            ids += turn
        return Rendered(ids, weights, spans)

    def prompts(self, record, tokenizer, eot):
        whole = self.render(record, tokenizer, eot)
        return [whole.ids[: span.start] for span in whole.spans]


class Source:
    description, licence = "talks", "CC0-1.0"

    def examples(self, argument):
        yield Talk("short", ["Why?", "So."])
        yield Talk("long", ["Why?", "So."] * 20)
        yield Talk("huge", ["Why?", "So it is. " * 40, "Why?", "So."])
        yield Talk("wordy", ["Why is it? " * 40, "So."])


class Plugin:
    @hookimpl
    def register_renderers(self, register):
        register("talks", Talks())

    @hookimpl
    def register_sources(self, register):
        register("talks", Source())


SAID = "1 of 4 examples cut, 2 dropped: 24 answers → 6 (max_tokens = 40)"
COUNTS = {"cut": 1, "dropped": 2, "answers": 24, "answers_kept": 6}


@pytest.fixture
def asked(base, tmp_path):
    values = {"renderer": "talks", "max_tokens": 40, "epochs": 1, "residual_dropout": 0.0, "out": str(tmp_path / "out")}
    return Recipe(base=str(base), sources=("talks",)).with_values(values)


def test_a_run_records_and_its_card_and_log_say_what_was_cut(asked, tmp_path, caplog):
    caplog.set_level("INFO", "lima")
    with only_plugins(ours=Plugin()) as plugins, Store(tmp_path / "l.db", plugins) as store:
        run = fine_tune(asked.with_values({"lora_rank": 2}), store, plugins)
        (source,) = store.rows("select * from run_sources")
        rows = store.rows("select example, status, answers, answers_kept from run_examples order by position")
    assert {key: source[key] for key in COUNTS} == COUNTS
    assert [tuple(r.values()) for r in rows] == [
        ("short", "kept", 1, 1),
        ("long", "cut", 20, 5),
        ("huge", "dropped", 2, 0),
        ("wordy", "dropped", 1, 0),
    ]
    assert SAID in caplog.text
    for card in (run.folder / "README.md", run.folder / "adapter" / "README.md"):
        assert f"\n\n{SAID}.\n" in card.read_text()


def test_a_trimmed_answer_counts_as_kept(asked):
    with only_plugins(ours=Plugin()) as plugins:
        (source,) = prepare(asked.with_values({"trim": True}), plugins).sources
    assert {key: source[key] for key in COUNTS} == {"cut": 2, "dropped": 1, "answers": 24, "answers_kept": 7}


def test_every_command_says_it_in_words_and_in_json(asked, tmp_path, lima):
    about = [
        "--base",
        asked.base,
        "--source",
        "talks",
        "--renderer",
        "talks",
        "--set",
        "max_tokens=40",
        "--set",
        "epochs=1",
    ]
    about += ["--set", "residual_dropout=0"]
    end = ["--out", str(tmp_path / "out"), "-d", str(tmp_path / "l.db")]
    with only_plugins(ours=Plugin()):
        for command in (["plan"], ["preview"], ["train", "--dry-run"]):
            assert SAID in lima(*command, *about).out
        assert (
            "long · 40 tokens, 20 trained, cut: 160 tokens; kept 5 of 20 answers in 40"
            in lima("preview", *about, "--example", "long").out
        )
        counted = json.loads(lima("train", "--dry-run", *about, "--json").out)
        planned = json.loads(lima("plan", *about, "--json").out)
        trained = lima("train", *about, *end, "--json")
    for source in (*counted, *planned["sources"], json.loads(trained.out)):
        assert {key: source[key] for key in COUNTS} == COUNTS
    assert SAID in trained.err


def test_nothing_is_said_where_nothing_was_cut(asked):
    with only_plugins(ours=Plugin()) as plugins:
        ready = prepare(asked.with_values({"max_tokens": 2048}), plugins)
    assert losses(ready.sources, 2048) == ""
    whole = {"examples": 1029, "cut": 1000, "dropped": 1, "answers": 5000, "answers_kept": 1234}
    assert losses([whole], 400) == "1,000 of 1,030 examples cut, 1 dropped: 5,000 answers → 1,234 (max_tokens = 400)"
    assert losses([whole | {"dropped": 0, "examples": 1000}], 9) == (
        "1,000 of 1,000 examples cut: 5,000 answers → 1,234 (max_tokens = 9)"
    )
    assert losses([whole | {"cut": 0}], 9) == "1 of 1,030 examples dropped: 5,000 answers → 1,234 (max_tokens = 9)"


@pytest.mark.parametrize(
    ("role", "key"),
    [
        ("sources", "prompt"),
        pytest.param("sources", "response", marks=pytest.mark.slow),
        pytest.param("dev", "prompt", marks=pytest.mark.slow),
        pytest.param("dev", "response", marks=pytest.mark.slow),
    ],
)
def test_fifty_megabytes_are_refused_before_they_are_tokenized(key, role, base, pairs, tmp_path, monkeypatch):
    from lima.plugins import load_plugins

    file = tmp_path / "big.jsonl"
    row = {"id": "big", "prompt": "Why?", "response": "So.", key: "All work and no play. " * 2_400_000}
    file.write_text(json.dumps(row) + "\n")
    render, seen = PlainRenderer.render, []

    def watched(self, record, tokenizer, eot):
        seen.append(record.id)
        return render(self, record, tokenizer, eot)

    monkeypatch.setattr(PlainRenderer, "render", watched)
    recipe = Recipe(base=str(base), sources=(str(pairs),), keep_epochs=True).with_values({role: [str(file)]})
    started = time.monotonic()
    with pytest.raises(
        LimaError, match=r"'big' of source 'big.jsonl' has 52,800,00\d characters, and max_tokens is 2,048"
    ):
        prepare(recipe, load_plugins())
    assert "big" not in seen
    assert time.monotonic() - started < 30


def test_the_limit_counts_every_text_of_a_record_and_grows_with_max_tokens():
    half = "x" * (ALWAYS // 2)
    check_length(Talk("edge", [half, half]), 2)
    with pytest.raises(
        LimaError, match=r"'over' .* has 1,000,001 characters, and max_tokens is 2: more than 1,000,000"
    ):
        check_length(Talk("over", [half, half, "x"]), 2)
    check_length(Talk("over", [half, half, "x"]), 10_001)
