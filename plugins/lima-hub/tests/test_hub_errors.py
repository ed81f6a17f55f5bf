"""The Hub, read through `datasets` from a server on loopback, and every refusal as a sentence that helps."""

import json
import os
import subprocess
import sys

import pytest

from lima import LimaError
from lima_hub.options import Options, asked_for
from lima_hub.source import Hub

from .hub_stand_in import COMMIT, hub

ROWS = [
    {"messages": [{"role": "user", "content": f"Hi {n}"}, {"role": "assistant", "content": f"Ho {n}"}]}
    for n in range(5)
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FILES = {
    "good": {
        "README.md": b"---\nlicense: cc-by-4.0\n---\n",
        "train.jsonl": LINES,
        "test.jsonl": LINES[: len(LINES) // 5],
    },
    "script": {"README.md": b"", "script.py": b"raise SystemExit('code of a data set was run')", "train.jsonl": LINES},
    "gated": {"README.md": b"", "train.jsonl": LINES},
}
READ = """
import json, sys
from lima import LimaError, load_plugins, open_source
for spec in sys.argv[1:]:
    try:
        found = open_source(spec, load_plugins()).records
        print(json.dumps([[one.id, one.licence, one.provenance, one.response] for one in found]), flush=True)
    except LimaError as e:
        print(json.dumps(str(e)), flush=True)
"""
COPY = "To read a copy: `hf download --repo-type dataset ann/{0} --local-dir {0}`, then hub:./{0}"
GONE = "The Hub has no data set ann/{0}, or it is private: see https://huggingface.co/datasets/ann/{0}, "
GONE += "or log in with `hf auth login`."


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """What another process reads of these data sets, or the error, each; its Hub is the server, asked for `read.asked`"""

    def found(*specs, **variables):
        home = tmp_path_factory.mktemp("home")
        unset = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_TOKEN")
        environment = {key: value for key, value in os.environ.items() if key not in unset}
        environment |= {
            "HF_ENDPOINT": address,
            "HF_HOME": str(home),
            "LIMA_USER_PATH": str(home),
            "HF_HUB_ETAG_TIMEOUT": "1",
        }
        environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "LIMA_LOAD_PLUGINS": "chat,hub", **variables}
        command = [sys.executable, "-c", READ, *(f"hub:{spec}" for spec in specs)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr[-2000:]
        return dict(zip(specs, map(json.loads, done.stdout.splitlines()), strict=True))

    pytest.importorskip("datasets")
    with hub(FILES) as (address, found.asked):
        yield found


@pytest.mark.slow
def test_a_data_set_by_name_and_every_refusal(read):
    found = read(
        "ann/good?limit=2",
        "ann/good?split=test",
        "ann/good?split=dev",
        "ann/good?config=big",
        "ann/good@v9",
        "ann/gone",
        "ann/private",
        "ann/gated",
        "ann/script",
        "ann/broken",
        "ann/slow",
    )
    page = f"https://huggingface.co/datasets/ann/good/tree/{COMMIT}"
    assert found.pop("ann/good?limit=2") == [
        [f"ann/good/train:{n}", "cc-by-4.0", f"{page}; ann/good (train), row {n}", f"Ho {n - 1}"] for n in (1, 2)
    ]
    assert [one[0] for one in found.pop("ann/good?split=test")] == ["ann/good/test:1"]
    broken = found.pop("ann/broken")
    assert broken.startswith("ann/broken cannot be read: Server error '500 Internal Server Error'")
    assert broken.endswith(COPY.format("broken"))
    assert found == {
        "ann/good?split=dev": "ann/good has no split 'dev', but train, test. Choose one: hub:ann/good?split=train",
        "ann/good?config=big": "ann/good has no config 'big', but default. Choose one: hub:ann/good?config=default",
        "ann/good@v9": "ann/good has no revision 'v9': see https://huggingface.co/datasets/ann/good.",
        "ann/gone": GONE.format("gone"),
        "ann/private": GONE.format("private"),
        "ann/gated": "ann/gated is gated: accept its terms at https://huggingface.co/datasets/ann/gated, and log in with "
        f"`hf auth login`. {COPY.format('gated')}",
        "ann/script": f"ann/script has a loading script, which is not run. {COPY.format('script')}",
        "ann/slow": f"The Hub did not answer in time while ann/slow was read. Try again later. {COPY.format('slow')}",
    }
    assert [one for one in read.asked if "/ann/script/" in one], (
        "its code, which would have ended the process, was offered"
    )


@pytest.mark.slow
def test_offline_and_not_reachable(read):
    (offline,) = read("ann/good?split=test", HF_HUB_OFFLINE="1").values()
    copy = "To read a copy: `hf download --repo-type dataset ann/good --local-dir good`, then hub:./good?split=test"
    assert offline == f"ann/good is not asked for, because HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set. {copy}"
    (gone,) = read("ann/good?split=test", HF_ENDPOINT="http://127.0.0.1:9").values()
    assert gone == f"The Hub cannot be reached, so ann/good cannot be read. {copy}"


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    with pytest.raises(
        LimaError, match=r"`pip install 'lima-hub\[datasets\]'`. To read a copy: `hf download .* ann/x --revision v1 "
    ):
        list(Hub().examples("ann/x@v1"))


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        (None, "reads a data set: write it as hub:OWNER/NAME"),
        ("robots", "'robots' is neither a folder nor the name of a data set"),
        ("ann/../x", "is neither a folder nor"),
        ("ann/x y", "is neither a folder nor"),
        ("./gone", r"\./gone is not there. Expected the folder"),
        ("./file", r"\./file is a file, .* Name it alone, without 'hub:'"),
        ("ann/x?spilt=a", "'spilt' is not an option of 'lima-hub'. Did you mean 'split'"),
        ("ann/x?split=a&split=b", "says split twice"),
        ("ann/x?split", "cannot be read|split is empty"),
        ("ann/x?limit=many", "lima-hub.limit is 'many'; expected a whole number"),
        ("ann/x?merge_turns=yes", "lima-hub.merge_turns is 'yes'; expected true or false"),
        ("ann/x?prompt=q", "the column of the prompt or of the response alone"),
        ("ann/x?prompt=q&response=a&messages=m", "the column of messages and that of prompt"),
        (".", "has no files of rows"),
        ("./empty.txt", "is not there"),
    ],
)
def test_arguments_that_name_nothing(tmp_path, monkeypatch, argument, error):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(LimaError, match=error):
        list(Hub().examples(argument))


def test_arguments():
    asked = asked_for("ann/x.y-z@v1.0/a?split=s&limit=3&ignore=a,b", Options(config="c"))
    assert (asked.name, asked.revision) == ("ann/x.y-z", "v1.0/a")
    assert asked.options == Options(split="s", limit=3, ignore=("a", "b"), config="c")


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"train.jsonl": "{}\n{}\n"}, r"robots: no source recognises its rows, which have no columns\."),
        ({"train.jsonl": '{"q": "a", "words": ["b"]}\n' * 2}, r"have 'q' \(text\), 'words' \(a list\). Say which columns"),
        ({"train.jsonl": '{"a": 1}\n{"a": 2}\n', "README.md": "---\n: [\n---\n"}, "the lines between its --- are not YAML"),
        ({"train.parquet": b"PAR1 but no more"}, "cannot be read as Parquet"),
        ({"train.jsonl": "{}\n{}\n", "README.md": "---\nconfigs:\n- data_files: {train: [7]}\n---"}, "a number where a path was"),
    ],
)  # fmt: skip
def test_copies_that_cannot_be_read(tmp_path, files, error):
    from .conftest import write

    with pytest.raises(LimaError, match=error):
        list(Hub().examples(write(tmp_path / "robots", files)))


def test_advice_and_notes_name_the_data_set(tmp_path, caplog):
    from .conftest import write

    asks = {"messages": [{"role": "user", "content": "Why?"}]}
    folder = write(
        tmp_path / "robots", {"train.jsonl": [ROWS[0], {"messages": ROWS[0]["messages"] + asks["messages"]}]}
    )
    list(Hub().examples(f"{folder}?split=train"))
    (note,) = (record.getMessage() for record in caplog.records)
    assert note == f"'hub:{folder}?split=train': a last question without an answer ({folder}/train.jsonl, line 2)."
    folder = write(tmp_path / "prompts", {"train.jsonl": [{"prompt": "Why?"}, {"prompt": "How?"}]})
    refused, _ = Hub().examples(f"{folder}?split=train")
    assert f"To ask a model: lima dialogues run 'hub:{folder}?split=train' (plugin" in refused.reason


def test_broken_rows_are_refused_with_their_places(tmp_path):
    from .conftest import write

    rows = '{"prompt": "a", "response": "b"}\n{"prompt"\n{"prompt": "a", "response": 7}\n{"prompt": "\\ud83d", "response": "b"}\n'
    folder = write(tmp_path / "robots", {"train.jsonl": rows})
    _, *refused = Hub().examples(folder)
    found = {one.where.removeprefix(f"{folder}/"): one.reason for one in refused}
    assert sorted(found) == ["train.jsonl, line 2", "train.jsonl, line 3", "train.jsonl, line 4"]
    assert "not JSON" in found["train.jsonl, line 2"]
    assert "expected text in 'response'" in found["train.jsonl, line 3"]
    assert "half of a character" in found["train.jsonl, line 4"]
