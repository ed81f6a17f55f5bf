"""A key is sent to its server and stands nowhere else: not in the database, its journal, what is printed, or JSON."""

import json

import pytest
from click.testing import CliRunner

from lima import LimaError, Sampling
from lima_judges.openai_server import OpenAIServers

KEY = "sk-proj-5ecret0000-0123456789abcdef"


@pytest.fixture
def lima(store, tmp_path):
    """Runs a command, and gives all that it printed and all bytes that it left in files"""
    from lima.cli import cli
    from lima.plugins import load_plugins

    load_plugins().add_commands(cli)
    (tmp_path / "asks.jsonl").write_text(json.dumps({"id": "tea", "turns": ["Tea?", "Why?"]}))

    def run(*arguments):
        done = CliRunner().invoke(cli, [*map(str, arguments), "-d", str(store.path)])
        left = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        return done, f"{done.output}{done.exception}{left!r}"

    return run


def repeats(status):
    """Says the key again, as a careless server does in its errors and a hostile one in its replies, in headers and in bodies"""

    def behave(handler, body):
        key = handler.headers["authorization"].removeprefix("Bearer ")
        words = f"{'x' * 255} wrong key: {key}"
        if status == 200:
            handler.say(words, reasoning=key)
        else:
            error = {"error": {"message": words, "code": key}}
            handler.answer(
                status, json.dumps(error).encode() if status != 403 else words.encode(), location=f"http://h/{key}"
            )

    return behave


@pytest.mark.parametrize("status", [200, 301, 401, 403])
def test_a_server_that_repeats_the_key_does_not_bring_it_anywhere(status, serve, lima, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LIMA_JUDGES_ATTEMPTS", "1")
    server = serve(repeats(status))
    model = f"openai:{server.spec}"
    for more in (["--json"], ["--grader", f"judge:{model}"]):
        done, everything = lima("dialogues", "run", tmp_path / "asks.jsonl", "--model", model, "--seeds", 1, *more)
        assert server.asked[-1]["headers"]["authorization"] == f"Bearer {KEY}"
        assert KEY not in everything
        assert KEY[:20] not in everything, "not even its first half, where words are cut"
        assert done.exit_code == (more[0] == "--grader" or status != 200)
    for command in (["dialogues"], ["dialogues", "--json"], ["judges", "--json"], ["doctor"]):
        assert KEY not in lima(*command)[1]


def test_a_placeholder_for_a_key_changes_no_reply(serve, store, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    (reply,) = OpenAIServers().open(serve().spec, store).reply(["I have none."], Sampling(max_new_tokens=5), 0)
    assert not isinstance(reply, LimaError)
    assert reply.text == "You said: I have none."
