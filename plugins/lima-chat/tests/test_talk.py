"""Talks: what is said, taken back, stopped and kept, in Python and in a real terminal."""

import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from lima import CheckpointModel, LimaError, Reply, Sampling, Store, open_source
from lima.cli import cli
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima_chat.talk.talk import STOPPED, Talk

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
EVIL = "\x1b[2J\u202eevil <b>"


class Parrot:
    """Streams what was said last, word by word, with its seed; told to, it fails or waits"""

    name = "parrot\x1b[2J"

    def __init__(self, stops=False):
        self.prompts, self.stops = [], stops

    def reply(self, prompts, settings, seed, on_progress=None):
        return [LimaError("this one only streams") for _ in prompts]

    def stream(self, prompt, settings, seed):
        self.prompts.append([(t.role, t.content) for t in prompt])
        said = prompt[-1].content
        if said == "context":
            return Reply("", [], "context", 0.0, [])
        for word in f"{said}! {seed}".split(" "):
            if said == "fail" and word != "fail!":
                raise LimaError("The server is down.")
            if said == "press":
                os.kill(os.getpid(), signal.SIGINT)
            yield f"{word} "
        return Reply(f"{said}! {seed}", [1], "eot", 0.1, [1], "a thought" if said == "think" else "")


class Mute:
    """Does not stream, and may give an exception in place of a reply"""

    name = "mute"

    def reply(self, prompts, settings, seed, on_progress=None):
        said = prompts[0][-1].content
        return [ValueError("no") if said == "fail" else Reply(said.upper() + EVIL, [1], "eot", 0.1, [1])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A base that answers conversations by a template of its own, with random weights"""
    tokenizer = tiny_tokenizer(special=("<|im_end|>", "<|im_start|>"))
    tokenizer.chat_template = CHATML
    return tiny_base(tmp_path_factory.mktemp("talking") / "base", tokenizer=tokenizer, max_position_embeddings=20_000)


def whole(stream):
    """(the pieces, the reply that is returned)"""
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration as end:
            return pieces, end.value


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_what_streams_is_the_reply_that_is_given_whole(folder, temperature):
    """Random weights write half characters, too: no piece ends within one"""
    from lima_chat.renderer import OwnTemplateRenderer

    model = CheckpointModel(folder, OwnTemplateRenderer())
    settings = Sampling(temperature=temperature, max_new_tokens=60, repetition_penalty=1.3)
    for seed in range(4):
        (expected,) = model.reply(["Hello"], settings, [seed])
        pieces, reply = whole(model.stream("Hello", settings, seed))
        assert (reply.text, reply.ids, reply.stop) == (expected.text, expected.ids, expected.stop)
        assert "".join(pieces).strip() == reply.text
        assert len(pieces) > 5
    assert whole(model.stream([1] * 20_000, settings, 0))[1].stop == "context"


def test_thoughts_are_not_streamed(folder, monkeypatch):
    from lima_chat.renderer import OwnTemplateRenderer

    model, text = CheckpointModel(folder, OwnTemplateRenderer()), "<think>So, 4.</think>Four, it is."
    ids = model.tokenizer(text, add_special_tokens=False).input_ids
    draws = iter([*ids, model.stop_ids[0]])
    import torch

    monkeypatch.setattr("lima.answer.checkpoint_model.Sampler", lambda *a: lambda *b: torch.tensor([next(draws)]))
    pieces = model.stream("2+2?", Sampling(), 0)
    found, reply = whole(pieces)
    assert "".join(found) == "Four, it is." == reply.text
    assert reply.thoughts == "So, 4."


def test_a_talk_goes_on_is_taken_back_and_asked_again():
    talk = Talk("t", Parrot(), Sampling(), seed=3, system="Be kind.")
    assert "".join(talk.say("one")).startswith("one! ")
    list(talk.say("two"))
    assert [t.content for t in talk.history][::2] == [
        "Be kind.",
        talk.exchanges[0].reply.text,
        talk.exchanges[1].reply.text,
    ]
    assert talk.model.prompts[1] == [(t.role, t.content) for t in talk.history[:4]]
    first = talk.undo()
    list(talk.say("two", first.attempt + 1))
    assert talk.exchanges[1].reply.text != first.reply.text  # other numbers were drawn
    again = Talk("u", Parrot(), Sampling(), seed=3, system="Be kind.")
    for said, attempt in (("one", 0), ("two", 1)):
        list(again.say(said, attempt))
    assert again.history == talk.history
    assert Talk("v", Parrot(), Sampling()).undo() is None


@pytest.mark.parametrize(("model", "said", "why"), [
    (Parrot(), "fail", "server is down"), (Parrot(), "context", "fills the context.*/undo"), (Mute(), "fail", "mute failed: no"),
])  # fmt: skip
def test_where_a_model_fails_nothing_was_said(model, said, why):
    talk = Talk("t", model, Sampling())
    list(talk.say("hello"))
    with pytest.raises(LimaError, match=why):
        list(talk.say(said))
    assert len(talk.exchanges) == 1


def test_a_reply_that_is_stopped_stays_as_far_as_it_came():
    talk = Talk("t", Parrot(), Sampling())
    pieces = talk.say("one two three")
    assert [next(pieces), next(pieces)] == ["one ", "two "]
    pieces.close()
    assert (talk.exchanges[0].reply.text, talk.exchanges[0].reply.stop) == ("one two", STOPPED)
    pieces = talk.say("nothing came")
    pieces.close()
    assert len(talk.exchanges) == 1


@pytest.fixture
def talk(tmp_path, monkeypatch):
    """talk(lines, *arguments): the command with two models of a plugin, and what it shows"""
    import lima_chat

    class Birds:
        @staticmethod
        def open(argument, store):
            return Parrot() if argument == "parrot" else Mute()

        description = "birds"

    class Plugin:
        from lima import hookimpl

        @hookimpl
        def register_models(self, register):
            register("bird", Birds())

    monkeypatch.chdir(tmp_path)

    def run(lines, *arguments):
        with only_plugins(lima_chat=lima_chat, lima_birds=Plugin()) as loaded:
            loaded.add_commands(cli)
            return CliRunner().invoke(cli, ["chat", *arguments], input="\n".join(lines) + "\n")

    return run


def test_saved_talks_are_read_again_and_no_file_is_written_over(talk, tmp_path, plugins):
    (tmp_path / "mine.jsonl").write_text("mine")
    lines = [
        '"""first line',
        'second line"""',
        "think",
        "/save mine.jsonl",
        "/save new.jsonl",
        "more",
        "/save new.jsonl",
    ]
    done = talk([*lines, "/save", "//save"], "bird:parrot", "--system", "Be kind.")
    assert done.exit_code == 0, done.output
    assert "mine.jsonl exists. Name a new file." in done.stderr
    assert "Error: Name the file: /save talk.jsonl" in done.stderr
    assert "Saved 3 exchanges" in done.stderr
    assert "It thought before, in 2 words" in done.stderr
    assert "/save!" in done.stdout
    assert (tmp_path / "mine.jsonl").read_text() == "mine"
    (record,) = open_source(str(tmp_path / "new.jsonl"), plugins).records
    assert [t.role for t in record.turns] == ["system", *["user", "assistant"] * 3]
    assert record.turns[1].content == "first line\nsecond line"
    assert record.turns[4].thoughts == "a thought"


def test_a_recorded_talk_is_in_the_database_with_what_was_taken_back_marked(talk, tmp_path):
    lines = ["one", "two", "/undo", "two again", "/retry", "/clear", "three", "fail"]
    done = talk(lines, "bird:parrot", "--record", "-d", "t.db")
    assert done.exit_code == 0, done.output
    with sqlite3.connect(tmp_path / "t.db") as db:
        said = list(db.execute("select exchange, user, attempt from talk_replies order by id"))
        assert said == [(1, "one", 0), (2, "two", 0), (2, "two again", 0), (2, "two again", 1), (1, "three", 0)]
        assert {u for (u,) in db.execute("select user from talk_exchanges")} == {"one", "two again", "three"}
        assert len(list(db.execute("select id from talks"))) == 2
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("delete from talk_replies")
    talk(["one"], "bird:parrot", "-d", "t.db")
    with sqlite3.connect(tmp_path / "t.db") as db:
        assert len(list(db.execute("select id from talks"))) == 2  # nothing is kept without --record


def test_two_models_answer_together_or_nothing_was_said(talk):
    done = talk(["hello", "fail", "bye", "/undo", "/undo", "/undo"], "bird:parrot", "bird:mute")
    assert done.exit_code == 0, done.output
    assert done.stdout.index("A:") < done.stdout.index("hello!") < done.stdout.index("B:") < done.stdout.index("HELLO")
    assert done.stderr.count("Error: The server is down.") == 1
    assert [line for line in done.stderr.splitlines() if "aken back" in line] == [
        "Taken back: bye",
        "Taken back: hello",
    ]
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output


def test_blind_names_nobody_before_the_end(talk):
    done = talk(["hello", "/help"], "bird:parrot", "bird:mute", "--blind")
    assert done.exit_code == 0
    assert "parrot" not in done.stdout
    last = done.stderr.splitlines()[-2:]
    assert sorted(re.sub("^[AB] is ", "", line) for line in last) == ["mute", "parrot⟨U+001B⟩[2J"]
    failed = talk(["fail", "context", "/reveal", "fail"], "bird:parrot", "bird:mute", "--blind").stderr
    secret, _, known = failed.partition("A is")
    assert secret.count("gave no reply, so nothing was said to either") == 2
    assert not {"parrot", "mute", "server"} & set(re.findall(r"\w+", secret))
    assert re.search("server is down|mute failed", known)
    assert "--blind is for two models" in talk([], "bird:mute", "--blind").output
    assert "Talk with one model or two; you gave 3" in talk([], *["bird:mute"] * 3).output


def test_an_unknown_command_or_model_is_said_with_its_neighbour(talk):
    done = talk(["/sav x"], "bird:mute")
    assert "There is no command /sav. Did you mean '/save'?" in done.stderr
    assert "is not a model, a folder, a base model or a run" in str(talk([], "brid:mute").exception)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_in_a_terminal_ctrl_c_stops_the_reply_and_not_the_talk(folder, tmp_path):
    """A real process; greedy, a model with random weights repeats itself for minutes"""
    command = [sys.executable, "-m", "lima", "chat", str(folder), "--max-new-tokens", "19000", "--temperature", "0"]
    parent, child = pty.openpty()
    environment = os.environ | {"LIMA_LOAD_PLUGINS": "lima-chat", "TERM": "dumb"}
    process = subprocess.Popen(
        command, stdin=child, stdout=child, stderr=child, env=environment, cwd=tmp_path, start_new_session=True,
        preexec_fn=lambda: (signal.signal(signal.SIGINT, signal.default_int_handler), _own_terminal()),
    )  # fmt: skip
    os.close(child)
    seen = ""

    def read(count, text=""):
        """Read until so many characters are there, and this text"""
        nonlocal seen
        deadline = time.monotonic() + 100
        while text not in seen or len(seen) < count:
            assert time.monotonic() < deadline, seen
            if select.select([parent], [], [], 1)[0]:
                seen += os.read(parent, 4096).decode(errors="replace")

    def until(text):
        nonlocal seen
        read(0, text)
        seen = seen.partition(text)[2]

    try:
        until("> ")
        os.write(parent, b"Hello?\n")
        until("Hello?\r\n")
        read(8)  # it writes
        os.write(parent, b"\x03")
        until("You stopped the reply; what is there stays in the talk.")
        until("> ")
        for _ in range(
            100
        ):  # one that comes after the prompt and before Python waits for a key is seen at the next key
            os.write(parent, b"\x03")
            if select.select([parent], [], [], 1)[0]:
                break
        until("Ctrl-D or /quit ends the talk.")
        until("> ")
        os.write(parent, b"/save talk.jsonl\n")
        until("Saved 1 exchange")
        until("> ")  # an end of input that comes before the prompt is lost
        os.write(parent, b"\x04")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(60)
        os.close(parent)
    (row,) = (tmp_path / "talk.jsonl").read_text().splitlines()
    assert json.loads(row)["messages"][0] == {"role": "user", "content": "Hello?"}
    assert not (tmp_path / "user" / "lima.db").exists() or not Store(tmp_path / "user" / "lima.db").rows(
        "select * from talks"
    )


def _own_terminal():
    """Make the pseudo-terminal the one that Ctrl-C comes from"""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_talk_is_not_saved_over_a_file_that_came_meanwhile_nor_through_a_link(tmp_path):
    """Of several who save under one name at once only one has it; a file that has the name of a temporary one stays"""
    from concurrent.futures import ThreadPoolExecutor

    from lima_chat.talk.file import _write

    def save(number):
        try:
            _write(tmp_path / "talk.jsonl", str(number) * 1000, exclusive=True)
        except FileExistsError:
            return None
        return number

    (tmp_path / "talk.jsonl.part").write_text("mine")
    with ThreadPoolExecutor(8) as threads:
        saved = [number for number in threads.map(save, range(8)) if number is not None]
    assert len(saved) == 1
    assert (tmp_path / "talk.jsonl").read_text() == str(saved[0]) * 1000
    _write(tmp_path / "talk.jsonl", "again", exclusive=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["talk.jsonl", "talk.jsonl.part"]
    assert (tmp_path / "talk.jsonl.part").read_text() == "mine"
    assert (tmp_path / "talk.jsonl").read_text() == "again"
