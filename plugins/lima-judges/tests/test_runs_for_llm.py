"""Runs as models of the `llm` library: what a run is prompted with is what it was trained on, and listing changes nothing."""

import json
import os
import subprocess
import sys

import pytest

import lima_chat
from lima import Recipe, Sampling, Store, default_path, fine_tune, open_model
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima_chat import Turn

llm = pytest.importorskip("llm")

ROWS = [
    [("user", "Hi"), ("assistant", "Hello."), ("user", "And?"), ("assistant", "Then more.")],
    [("user", "One?"), ("assistant", "Two."), ("user", "Three?"), ("assistant", "Four.")],
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(the user folder, the run) of a fine-tune on two conversations"""
    place = tmp_path_factory.mktemp("llm")
    base = tiny_base(place / "base", tokenizer=tiny_tokenizer())
    rows = [{"messages": [{"role": r, "content": c} for r, c in row]} for row in ROWS]
    (place / "talks.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = Recipe(base=str(base), sources=(str(place / "talks.jsonl"),), out=str(place / "out"), renderer="lima")
    (place / "user").mkdir()
    with only_plugins(lima_chat=lima_chat), Store(place / "user" / "lima.db") as store:
        run = fine_tune(recipe.with_values({"epochs": 1, "batch_size": 2}), store).id
    return place / "user", run


@pytest.fixture
def model(trained, monkeypatch):
    """The run, as the library is given it"""
    from lima_judges.runs_for_llm import register_models

    monkeypatch.setenv("LIMA_USER_PATH", str(trained[0]))
    found = []
    with only_plugins(lima_chat=lima_chat):
        register_models(found.append)
        assert [one.model_id for one in found] == [f"lima/{trained[1]}"]
        yield found[0]


def test_a_run_is_prompted_as_it_was_trained_and_its_reply_is_that_of_lima(model, trained):
    with Store(default_path()) as store:
        checkpoint = open_model(trained[1], store)
    greedy = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=9)
    talk = model.conversation()
    first = talk.prompt(
        "Hi", temperature=0, max_new_tokens=9
    )  # fmt: skip
    turns = [Turn("user", "Hi")]
    (expected,) = checkpoint.reply([turns], greedy, [0])
    assert first.text().strip() == expected.text
    assert first.input_tokens == len(checkpoint.prompt_ids(turns))
    assert first.output_tokens == len(expected.ids)
    second = talk.prompt("And?", temperature=0, max_new_tokens=9, stream=False)
    turns += [Turn("assistant", first.text()), Turn("user", "And?")]
    assert second.text() == checkpoint.reply([turns], greedy, [0])[0].text
    assert second.input_tokens == len(checkpoint.prompt_ids(turns))


def test_options_are_checked_and_what_is_no_text_is_refused(model):
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        model.prompt("Hi", temperature=-1)
    with pytest.raises(llm.ModelError, match="without tools or attachments"):
        model.prompt("Hi", max_new_tokens=1, tool_results=[llm.ToolResult(name="t", output="x")]).text()
    other = [model.prompt("Hi", seed=seed, temperature=2.0, max_new_tokens=12).text() for seed in (1, 1, 2)]
    assert other[0] == other[1] != other[2]


@pytest.mark.parametrize("content", [None, b"", b"not a database at all"])
def test_no_database_is_made_or_changed_by_listing_models(tmp_path, monkeypatch, content):
    from lima_judges.runs_for_llm import register_models

    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path))
    if content is not None:
        (tmp_path / "lima.db").write_bytes(content)
    register_models(pytest.fail)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([] if content is None else [content])


@pytest.mark.slow
def test_the_librarys_command_knows_the_run(trained, tmp_path):
    environment = os.environ | {
        "LIMA_USER_PATH": str(trained[0]),
        "LLM_USER_PATH": str(tmp_path),
        "LIMA_LOAD_PLUGINS": "lima-chat",
    }
    command = [sys.executable, "-m", "llm", "-m", f"lima/{trained[1]}", "--no-log", "-o", "max_new_tokens", "4", "Hi"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
