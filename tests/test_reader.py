"""Large sources: read again instead of kept, packed without loss, within a few hundred bytes an example, and stopped by name."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from functools import partial

import pytest

import lima
from lima.contract.rendered import Rendered
from lima.data.dataset import prepare
from lima.data.files import Row
from lima.data.packed import Examples, Rows, Texts
from lima.data.sources import open_source
from lima.errors import LimaError
from lima.isolation.proxy import CHUNK
from lima.plugins import load_plugins
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.batching import Steps, epoch_order, rows_of, sizes_of, steps_of
from lima.train.start import fine_tune
from short_runs import assert_same, recipe, weights

pytestmark = pytest.mark.usefixtures("core_alone")


def pairs_file(file, count):
    with file.open("w") as lines:
        for i in range(count):
            lines.write(json.dumps({"prompt": f"What is {i}?", "response": f"It is {i}."}) + "\n")
    return file


def test_a_source_that_is_read_again_trains_the_same_model_and_hooks_get_its_examples(
    base, pairs, tmp_path, monkeypatch
):
    seen = []

    class Looks:
        @lima.hookimpl
        def before_train(self, run, examples):
            seen.append((len(examples), [e.id for e in examples], examples[3].id, [e.id for e in examples[4:7]]))

    bad = json.loads(pairs.read_text().partition("\n")[0]) | {"prompt": 5}
    pairs.write_text(f"{json.dumps(bad)}\n{pairs.read_text()}")
    keys = {"sources": [str(pairs)], "lima-tune.skip_bad": True, "max_tokens": 24, "trim": False}
    runs = []
    for kept in (10_000, 10):
        monkeypatch.setattr("lima.data.sources.KEPT", kept)
        with only_plugins(looks=Looks()) as plugins, Store(tmp_path / f"{kept}.db", plugins) as store:
            run = fine_tune(recipe(base, pairs, tmp_path / str(kept), **keys), store, plugins)
            runs.append((run, store.rows("select * from run_examples"), store.rows("select * from run_sources")))
    (one, examples, sources), (other, again, others) = runs
    assert_same(weights(one.folder), weights(other.folder))
    assert one.rows_hash == other.rows_hash
    assert [{**row, "run": ""} for row in examples] == [{**row, "run": ""} for row in again]
    assert [{**row, "run": ""} for row in sources] == [{**row, "run": ""} for row in others]
    assert {row["status"] for row in examples} == {"kept", "dropped", "refused"}
    assert seen[0] == seen[1]
    count, ids, third, some = seen[0]
    assert (count, third, some) == (len(ids), ids[3], ids[4:7])
    assert ids == [row["example"] for row in examples if row["status"] == "kept"]


def test_a_large_source_that_changes_between_two_readings_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("lima.data.sources.KEPT", 10)
    file = pairs_file(tmp_path / "p.jsonl", 30)
    source = open_source(str(file), load_plugins())
    assert (len(source.records), source.records[-1].id, source.records[29].id) == (30, "p.jsonl:30", "p.jsonl:30")
    with pytest.raises(IndexError):
        _ = source.records[30]
    file.write_text(file.read_text().replace("What is 29?", "What is it?"))
    with pytest.raises(LimaError, match=r"p.jsonl' gave other examples when it was read again"):
        list(source.records)


def test_a_large_source_that_is_gone_before_a_run_ends_is_not_asked_for_again(base, tmp_path, monkeypatch):
    monkeypatch.setattr("lima.data.sources.KEPT", 10)
    file = pairs_file(tmp_path / "p.jsonl", 30)
    with Store(tmp_path / "l.db") as store:
        done = fine_tune(recipe(base, file, tmp_path / "out"), store, on_step=lambda *_: file.unlink(missing_ok=True))
        assert store.run(done.id)["status"] == "done"
    assert weights(done.folder)


def test_packed_rows_give_back_ids_and_weights_and_their_sizes():
    chance = random.Random(3)
    rows, given = Rows(), []
    for _ in range(200):
        several = []
        for _ in range(chance.randint(1, 3)):
            ids = [chance.randrange(200_000) for _ in range(chance.randint(1, 30))]
            several.append(Rendered(ids, [chance.choice((0.0, 1.0, chance.random())) for _ in ids], []))
        rows.append(several)
        given.append(several)
    assert list(rows) == given
    assert (rows[-1], rows[3:5]) == (given[-1], given[3:5])
    many = Rendered(list(range(70_000)), [i / 7 for i in range(70_000)], [])  # more weights than two bytes tell apart
    rows.append([many])
    assert (rows[0], rows[200]) == (given[0], [many])
    steps = Steps(rows, 2, 16, seed=5)
    made = [rows_of(rows, m) for epoch in (1, 2) for m in steps_of(epoch_order(201, 5, epoch), 16)]
    assert list(steps) == made
    assert list(sizes_of(steps)) == list(sizes_of(made))


def test_packed_examples_are_the_rows_that_they_were():
    found = Examples()
    found.begin("a.jsonl")
    found.add("é\ud800", "ab" * 32, "cut", "too long", 5, 3, 2, 1)
    found.add("a.jsonl, line 3", "", "refused", "it is empty.")
    found.begin("b")
    found.add("x", "cd" * 32, "kept", "", 9, 8, 1, 1)
    counts = ("tokens", "trained_tokens", "answers", "answers_kept")
    assert list(found) == [
        {"source": "a.jsonl", "example": "é\ud800", "hash": "ab" * 32, "status": "cut", "reason": "too long"}
        | dict(zip(counts, (5, 3, 2, 1), strict=True)),
        {"source": "a.jsonl", "example": "a.jsonl, line 3", "hash": "", "status": "refused", "reason": "it is empty."}
        | {"tokens": 0, "trained_tokens": 0},
        {"source": "b", "example": "x", "hash": "cd" * 32, "status": "kept", "reason": ""}
        | dict(zip(counts, (9, 8, 1, 1), strict=True)),
    ]
    assert Texts().__len__() == 0


@pytest.mark.parametrize(
    ("ids", "twice"),
    [
        ([None, None, None], []),
        (["x", None, "x"], [(3, 1)]),
        ([None, "f.jsonl:1", None], [(2, 1)]),  # the first row's own
        (["f.jsonl:2", None, None], [(2, 1)]),
        (["f.jsonl:3", "f.jsonl:3", None], [(2, 1), (3, 1)]),
        (["f.jsonl:03", "f.jsonl:3", "f.jsonl:³"], []),
        (["f.jsonl:99999999999", "f.jsonl:99999999999", "f.jsonl:-1"], [(2, 1)]),
        (["other.jsonl:2", None, "f.jsonl:2"], [(3, 2)]),
    ],
)
def test_ids_that_occur_twice_are_found_whatever_they_are(ids, twice, tmp_path):
    rows = [{"prompt": "Why?", "response": str(i)} | ({"id": one} if one else {}) for i, one in enumerate(ids)]
    file = tmp_path / "f.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_source(str(file), load_plugins(), {"lima-tune": {"skip_bad": True}})
    places = [tuple(map(int, re.findall(r"line (\d+)", one.where + one.reason))) for one in source.refused]
    assert places == twice
    assert Row(str(file), 1, 1, None).where == f"{file}, line 1"


MEMORY = """
import resource, sys
from lima import Recipe, load_plugins, prepare
from lima.train.plan import plan

peaks = []
for source in sys.argv[2:]:
    recipe = Recipe(base=sys.argv[1], sources=(source,), renderer="plain", epochs=2, residual_dropout=0.0)
    plan(recipe, prepare(recipe, load_plugins()), bfloat16=False)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(*peaks)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB there")
def test_each_further_example_takes_a_few_hundred_bytes(base, tmp_path):
    """In another process, whose peak after 12,000 examples is what it needs anyway"""
    few, many = pairs_file(tmp_path / "few.jsonl", 12_000), pairs_file(tmp_path / "many.jsonl", 36_000)
    command = [sys.executable, "-c", MEMORY, str(base), str(few), str(many)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"LIMA_LOAD_PLUGINS": ""}, timeout=600
    )
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert (after - before) * 1024 / 24_000 < 700  # 290 in arrays, which double as they grow; it was 2,700


class Slow:
    """A source of many examples, as a plugin"""

    description, licence = "many", "CC0-1.0"

    def __init__(self, stop_at=-1, count=20_000):
        self.stop_at, self.count = stop_at, count

    def examples(self, argument):
        for i in range(self.count):
            if i == self.stop_at:
                signal.raise_signal(signal.SIGINT)
            yield lima.Example(id=str(i), prompt="Why?", response=f"{i}.")

    @lima.hookimpl
    def register_sources(self, register):
        register("many", self)


def test_ctrl_c_in_a_source_names_it_and_how_far_it_came(base, capsys, monkeypatch):
    from lima.cli import main

    monkeypatch.setattr(signal, "default_int_handler", signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with only_plugins(slow=Slow(12_345)), pytest.raises(SystemExit) as ended:
        main(["plan", "--base", str(base), "--source", "many"])
    assert ended.value.code == 130
    said = capsys.readouterr().err.splitlines()[-1]
    found = re.fullmatch(r"Interrupted while reading the source 'many', after ([\d,]+) examples\.", said)
    assert found, said
    assert 12_345 - CHUNK < int(found[1].replace(",", "")) <= 12_345  # a plugin's examples are taken some at a time


def test_reading_says_how_far_it_is(base, tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr("lima.data.sources.KEPT", 10)
    with only_plugins(slow=Slow(count=2_000)) as plugins:
        wanted = Recipe(base=str(base), sources=("many",), renderer="plain", residual_dropout=0.0)
        prepare(wanted, plugins, on_example=lambda *given: heard.append(given))
    assert heard[0] == ("many", 500, 0)
    assert heard[-1] == ("many", 2_000, 2_000)  # read once more to be rendered


def test_ctrl_c_is_reported_once(tmp_path):
    file = pairs_file(tmp_path / "p.jsonl", 200_000)
    command = [sys.executable, "-m", "lima", "sources", "show", str(file)]
    # A test that was started in the background ignores Ctrl-C, and so would what it starts.
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    environment = os.environ | {"LIMA_LOAD_PLUGINS": "", "FORCE_COLOR": "1", "TERM": "xterm"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, preexec_fn=heard
    )
    said = b""
    while b"reading" not in said and (some := os.read(process.stderr.fileno(), 1000)):
        said += some
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(re.findall(rb"Interrupted", err)) == 1
    assert re.search(rb"Interrupted while reading the source '.*p\.jsonl', after [\d,]+ examples\.\s*$", err), err
    assert b"Traceback" not in err
