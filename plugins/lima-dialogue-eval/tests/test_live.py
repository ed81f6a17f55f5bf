"""`lima dialogues live`: a person speaks or the users' turns are given, each reply gets a key, and what is done is kept."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from lima import Sampling, hookimpl
from lima_dialogue_eval import compare, run_evaluation
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.live.terminal import topics
from lima_dialogue_eval.record.log import conversations, dialogue_runs, find_run, replies


@pytest.fixture
def live(store):
    """Run `lima dialogues live` with these lines as what is typed; its result"""

    def run(*arguments, typed=""):
        return CliRunner().invoke(dialogues, ["live", *arguments, "--by", "ana", "-d", str(store.path)], input=typed)

    return run


def graded(store, name):
    row = find_run(store, name)
    return [
        (r["conversation"], r["turn"], r["user"], r["grade"], r["reason"]) for r in replies(store, row["id"], "people")
    ]


def test_a_person_speaks_and_grades_with_a_key(live, store):
    typed = "Hello there\np\nWhy\x1b[31m?\nc\ntoo long\nz\nu\ne\nf\n/end\n"
    found = live(
        "making good tea", "--topic", "Buses", "--model", "parrot", "--arm", "a", typed=typed + "When?\nx\n/end\n"
    )
    assert found.exit_code == 0, found.output
    assert "Hello there after H" in found.output
    assert "\x1b[31m" not in found.output
    assert "'z' is none of the keys." in found.output
    assert graded(store, "a") == [
        ("buses", 1, "When?", None, ""),
        ("making-good-tea", 1, "Hello there", "excellent", ""),  # the key u, then e
        ("making-good-tea", 2, "Why\x1b[31m?", "fail", "ana: too long"),
    ]
    row = find_run(store, "a")
    assert (row["mode"], row["status"], row["grader"], row["evaluation"]) == ("live", "done", "people", "live")
    assert [(c["topic"], c["turns"], c["status"]) for c in conversations(store, row["id"])] == [
        ("making good tea", 2, "complete"),
        ("Buses", 1, "complete"),
    ]
    (counts,) = dialogue_runs(store)
    assert [counts[k] for k in ("turns", "excellent", "fail", "undecided")] == [3, 1, 1, 0]
    rows = store.rows(
        "select grade, rater from dialogue_grades where turn = 1 and conversation = 'making-good-tea' order by id"
    )
    assert [tuple(r.values()) for r in rows] == [("pass", "ana"), ("excellent", "ana")], "nothing is overwritten"


def test_who_leaves_resumes_with_the_reply_that_has_no_grade(live, store):
    left = live("small", "--model", "parrot", "--arm", "a", typed="First\np\nSecond\n")
    assert left.exit_code == 0, left.output
    id = find_run(store, "a")["id"]
    assert f"Resume with: lima dialogues live --resume {id} --model parrot" in left.output
    assert find_run(store, "a")["status"] == "interrupted"
    refused = live("--resume", id, typed="")
    assert "opened only when you name it" in str(refused.exception)
    again = live("--resume", id, "--model", "parrot", typed="e\n/end\nThird\nf\n/end\n")
    assert "turn 2: not graded yet" in again.output
    assert [row[1:4] for row in graded(store, "a")] == [
        (1, "Third", "fail"), (1, "First", "pass"), (2, "Second", "excellent"),
    ]  # fmt: skip
    assert "is complete" in str(live("--resume", id, "--model", "parrot").exception)


def test_a_script_is_graded_as_it_goes_and_pairs_with_runs_that_people_grade(live, store, Model):
    keys = "f\n" * 5
    assert live("small", "--script", "--model", "parrot", "--arm", "a", typed=keys).exit_code == 0
    assert live("small", "--script", "--model", "parrot", "--arm", "b", "--seed", "1", typed="e\n" * 5).exit_code == 0
    found = compare(store, "a", "b")
    assert (found.grader, found.difference, found.before.tally.fail, found.after.tally.excellent) == (
        "people",
        2.0,
        5,
        5,
    )
    assert "How the conversations were held: script, graded while it was held before" in found.notes[0]
    run = run_evaluation(store, "small", Model(), arm="c", seeds=[0], sampling=Sampling())
    assert find_run(store, run)["evaluation_hash"] == find_run(store, "a")["evaluation_hash"]


def test_a_replay_says_the_same_and_what_is_flagged_counts_nowhere(live, store):
    said = "One\np\nTwo\np\nThree\np\n/end\n"
    live("a walk", "--model", "parrot", "--arm", "a", typed=said)
    shown = live("--replay", "a", "--model", "parrot", "--arm", "b", "--seed", "3", typed="e\n\ne\nn\nf\n")
    assert shown.exit_code == 0, shown.output
    assert [row[2] for row in graded(store, "b")] == ["One", "Two", "Three"]
    found = compare(store, "a", "b")
    assert (found.difference, found.after.counts.flagged, found.after.tally.turns) == (1.0, 1, 2)
    assert (
        found.notes[0] == f"How the conversations were held: live before, replay of {find_run(store, 'a')['id']} after."
    )
    assert not any("do not pair" in note for note in found.notes)
    shown = CliRunner().invoke(dialogues, ["show", "b", "-d", str(store.path)]).output
    assert f"Held: replay of {find_run(store, 'a')['id']}" in shown
    assert "Three (flagged: it does not fit" in shown
    listed = CliRunner().invoke(dialogues, ["-d", str(store.path), "--json"]).output
    assert [row["mode"] for row in json.loads(listed)] == ["live", "replay"]


def test_live_conversations_pair_by_their_means_only(live, store):
    live("a walk", "--topic", "a swim", "--model", "parrot", "--arm", "a", typed="One\nf\nTwo\np\n/end\nUp\np\n/end\n")
    live(
        "a walk",
        "--topic",
        "a swim",
        "--model",
        "parrot",
        "--arm",
        "b",
        typed="Uno\ne\n/end\nUp\np\nDown\ne\nOut\ne\n/end\n",
    )
    found = compare(store, "a", "b")
    changes = {c.conversation: (c.before, c.after) for c in found.changes}
    assert changes == {"a-walk": (0.5, 2.0), "a-swim": (1.0, pytest.approx(5 / 3))}
    assert (found.before.tally.turns, found.after.tally.turns, found.waiting) == (3, 4, 0)
    assert "turns do not pair" in found.notes[1]


def test_a_model_that_keeps_failing_stops_no_run(live, store, monkeypatch, Model):
    monkeypatch.setattr("lima_dialogue_eval.live.session.open_model", lambda *_: Model(fail=("And back?", "Boo")))
    scripted = live("small", "--script", "--model", "parrot", "--arm", "a", typed="p\np\np\np\n\nn\n")
    spoken = live("a walk", "--topic", "a swim", "--model", "parrot", "--arm", "b", typed="Boo\n/end\n//x\np\n/end\n")
    assert (scripted.exit_code, spoken.exit_code) == (0, 0), scripted.output + spoken.output
    assert scripted.output.count("n ends this conversation, which comparisons leave out") == 2
    ends = {arm: [c["status"] for c in conversations(store, find_run(store, arm)["id"])] for arm in "ab"}
    assert ends == {"a": ["complete", "error"], "b": ["error", "complete"]}
    assert [row[2:4] for row in graded(store, "b") if row[3]] == [("/x", "pass")]


def test_a_person_has_one_spelling_and_another_grade_keeps_the_comment(live, store):
    live("a walk", "--model", "parrot", "--arm", "a", typed="One\nc\ngood\np\nTwo\nu\ne\nf\n/end\n")
    assert graded(store, "a")[0][3:] == ("excellent", "ana: good")
    again = CliRunner().invoke(dialogues, ["live", "a walk", "--model", "parrot", "--by", "ANA", "-d", str(store.path)])
    assert "'ANA' is written 'ana' in this database" in str(again.exception)


def test_a_replay_of_a_replay_is_one_of_the_live_run_and_a_script_is_not_replayed(live, store, Model):
    live("a walk", "--model", "parrot", "--arm", "a", typed="One\np\n/end\n")
    live("--replay", "a", "--model", "parrot", "--arm", "b", "--seed", "3", typed="e\n")
    live("--replay", "b", "--model", "parrot", "--arm", "c", "--seed", "4", typed="f\n")
    assert find_run(store, "c")["replays"] == find_run(store, "a")["id"]
    assert not any("do not pair" in note for note in compare(store, "b", "c").notes)
    run = run_evaluation(store, "small", Model(), arm="d", seeds=[0], sampling=Sampling())
    said = str(live("--replay", "d", "--model", "parrot").exception)
    assert said.startswith(
        f"In dialogue run {run} the users of 'small' spoke. They speak again with: lima dialogues live small"
    )
    command = ["small", "--script", "--model", "parrot", "--arm", "e"]
    assert live(*command, typed="f\n" * 5).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("small",), "Give a --model"),
        (("--model", "parrot"), "Give a --model, and an EVALUATION"),
        (("small", "--replay", "a", "--model", "parrot"), "and an EVALUATION, a TOPIC or --replay RUN"),
        (("--topic", "x", "--script", "--model", "parrot"), "--script is for an EVALUATION alone"),
        (("a walk", "--script", "--model", "parrot"), "a topic has no turns"),
        (("--resume", "x", "--arm", "b"), "leave out --arm"),
        (("smal", "--model", "parrot"), "Did you mean 'small'?"),
        (("--replay", "nowhere", "--model", "parrot"), "No dialogue run 'nowhere'"),
    ],
)
def test_what_cannot_be_begun_is_a_sentence(live, arguments, said):
    found = live(*arguments)
    assert found.exit_code != 0
    assert said in found.output + str(found.exception)


def test_the_name_adjudicated_is_taken(live, store):
    run = CliRunner().invoke(
        dialogues, ["live", "small", "--model", "parrot", "--by", "adjudicated", "-d", str(store.path)]
    )
    assert "No rater can be called 'adjudicated'" in str(run.exception)


def test_topics_have_ids_of_their_own():
    assert topics(["A walk", "a walk!", "…"]) == {"a-walk": "A walk", "a-walk-2": "a walk!", "topic": "…"}


class Slow:
    """A model whose second reply does not come"""

    name = "slow"

    def reply(self, prompts, settings, seed, on_progress=None):
        from lima import Reply

        if len(prompts[0]) > 1:
            time.sleep(60)
        return [Reply("Here.", [1], "eot", 0.0, [1])]


class Waits:
    @hookimpl
    def register_models(self, register):
        register("slow", SimpleNamespace(description="slow", open=lambda argument, store: Slow()))


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import lima_chat, lima_dialogue_eval
from lima.testing import only_plugins
from lima.cli import main
from test_live import Waits
with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, slow=Waits()):
    sys.exit(main(["dialogues", "live", "a walk", "--model", "slow", "--by", "ana", "-d", {database!r}]))
"""


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_keeps_what_was_said_and_graded(tmp_path):
    from lima import Store

    script = SCRIPT.format(tests=os.path.dirname(__file__), database=str(tmp_path / "l.db"))
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=follower, stdout=follower, stderr=follower, close_fds=True
    )
    os.close(follower)
    shown = ""
    try:
        for wanted, keys in (("lists the commands", "Hello\n"), ("? help", "e"), ("Excellent", "And then?\n")):
            shown += read_until(leader, wanted)
            time.sleep(0.5)  # a terminal that begins to read single keys drops what was typed before
            os.write(leader, keys.encode())
        read_until(leader, "answering")
        process.send_signal(signal.SIGINT)  # what the terminal of a shell makes of Ctrl-C
        shown += read_until(leader, "--resume")
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.wait(timeout=20)
        os.close(leader)
    with Store(tmp_path / "l.db") as store:
        (run,) = store.rows("select status from dialogue_runs")
        grades = store.rows("select grade, rater from dialogue_grades")
    assert (run["status"], grades) == ("interrupted", [{"grade": "excellent", "rater": "ana"}])
    assert "Here." in shown


def read_until(terminal, wanted, seconds=30):
    shown, end = "", time.monotonic() + seconds
    while wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} did not come after {shown[-300:]!r}"
        shown += os.read(terminal, 4096).decode(errors="replace")
    return shown
