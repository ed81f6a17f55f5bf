"""`lima dialogues run` with a model behind an API, killed again and again: what was paid for is kept, and not asked twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from lima.record.store import Store

AT_ONCE, SEEDS, TALKS, TURNS = 3, 2, 12, 3
KEY = "sk-proj-5ecret0000-0123456789abcdef"


def slowly(handler, body):
    """Answers after a moment, and grades when asked as a judge"""
    time.sleep(0.08)
    last = body["messages"][-1]["content"]
    code = re.findall(r"^([A-Z]{6}) OVERALL: ", last, re.M)
    handler.say(f"Fine.\n{code[-1]} OVERALL: pass" if code else f"Reply to {last}.")


def keys_of(asked):
    """How often each turn was asked, by seed and the user's words, and each reply was judged"""
    replies = Counter(
        (a["seed"], a["messages"][-1]["content"]) for a in asked if "OVERALL" not in a["messages"][-1]["content"]
    )
    return replies


@pytest.mark.slow
def test_a_run_that_is_killed_often_ends_with_every_turn_once(serve, tmp_path):
    server, path = serve(slowly), tmp_path / "lima.db"
    rows = [{"id": f"t{n}", "turns": [f"Question {n}.{k}" for k in range(TURNS)]} for n in range(TALKS)]
    (tmp_path / "asks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model, grader = f"openai:{server.spec}", f"judge:openai:{server.spec}"
    first = [
        "dialogues",
        "run",
        str(tmp_path / "asks.jsonl"),
        "--model",
        model,
        "--grader",
        grader,
        "--seeds",
        str(SEEDS),
    ]
    environment = {**os.environ, "LIMA_JUDGES_AT_ONCE": str(AT_ONCE), "OPENAI_API_KEY": KEY}
    command, kills, said = first, 0, ""
    for patience in (1.0, 1.5, 2.0, 2.5, 3.0, 120.0):
        already, before = answered(path), keys_of(server.asked)
        process = subprocess.Popen(
            [sys.executable, "-m", "lima", *command, "-d", str(path)],
            cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        wait(lambda process=process, before=before: process.poll() is not None or keys_of(server.asked) != before, 60)
        try:
            said += process.communicate(timeout=patience)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            said += process.communicate(timeout=30)[0]
            kills += 1
        again = keys_of(server.asked) - before
        assert not [key for key in already if key in again], "what was answered is not asked again"
        with Store(path) as store:
            (run,) = store.rows("select * from dialogue_runs")
            advice = store.rows("select id from dialogue_runs")[0]["id"]
        command = [*first[:3], "--resume", advice, "--model", model, "--grader", grader]
        if run["status"] == "done":
            break
    assert kills >= 2, "it was too quick to be killed"
    with Store(path) as store:
        turns = store.rows("select status, count(*) as n from dialogue_turns group by status")
        grades = store.rows(
            "select count(*) as n, count(distinct conversation || seed || turn) as different from dialogue_grades"
        )
        paid = {
            r["purpose"]: r["n"] for r in store.rows("select purpose, count(*) as n from api_calls group by purpose")
        }
    whole = SEEDS * TALKS * TURNS
    assert (run["status"], turns) == ("done", [{"status": "answered", "n": whole}])
    assert (grades[0]["n"], grades[0]["different"]) == (whole, whole)
    asked = sum(keys_of(server.asked).values())
    assert whole <= paid["reply"] <= asked <= whole + kills * AT_ONCE, "only what was under way is asked again"
    assert whole <= paid["judge"] <= len(server.asked) - asked <= whole + kills * AT_ONCE
    left = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert KEY not in said
    assert KEY.encode() not in left


def answered(path):
    """Seed of the draw and words of the user, of every turn with a reply in the database"""
    from types import SimpleNamespace

    from lima_dialogue_eval.conversation.converse import draw_seed

    if not path.exists():
        return []
    with Store(path) as store:
        if not store.rows("select 1 from sqlite_master where name = 'dialogue_turns'"):
            return []
        rows = store.rows("select conversation, seed, turn, user from dialogue_turns where status = 'answered'")
    drawn = [
        SimpleNamespace(seed=r["seed"], conversation=SimpleNamespace(id=r["conversation"]), index=r["turn"] - 1)
        for r in rows
    ]
    return [(draw_seed(d) % 2**31, r["user"]) for d, r in zip(drawn, rows, strict=True)]


def wait(holds, seconds):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
