"""A study whose judge is killed at any call, before and after its answer is kept, in a real process against a real server.

What was answered and kept is never asked for again, and every call that the database counts has its reply or verdict.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest

PROCESS = """
import os, signal, sys
from importlib import import_module
from lima.cli import main
from lima.testing import only_plugins

names = ("lima_chat", "lima_dialogue_eval", "lima_judges", "lima_studies")
with only_plugins(**{name: import_module(name) for name in names}):
    from lima_judges.api_model import ApiModel
    from lima_studies import Study
    where, at = sys.argv.pop(1), int(sys.argv.pop(1))
    calls = []

    def dies(real, before):
        def call(self, *given, **more):
            calls.append(1)
            if before and len(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            found = real(self, *given, **more)
            if not before and len(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return found
        return call

    # Inside the transaction that counts the call; once the transaction is over; as a verdict is written, and as a reply is.
    if where == "answered":
        ApiModel._record = dies(ApiModel._record, True)
    if where == "kept":
        ApiModel._record = dies(ApiModel._record, False)
    if where == "verdict":
        Study.keep_verdict = dies(Study.keep_verdict, False)
    if where == "reply":
        Study.keep_reply = dies(Study.keep_reply, False)
    main(sys.argv[1:])
"""
PROMPTS = 6
CALLS = 2 * PROMPTS + 2 * PROMPTS
"Replies of two systems, and both orders of each pair"


def run(arguments, where="", at=0):
    environment = os.environ | {"LIMA_JUDGES_AT_ONCE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PROCESS, where, str(at), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def count(database, table):
    with closing(sqlite3.connect(database, timeout=10)) as db:
        return db.execute(f"select count(*) from {table}").fetchone()[0]


@pytest.mark.slow
def test_a_study_killed_at_many_calls_ends_in_the_same_report_and_pays_for_nothing_twice(
    serve, longer, code_in, tmp_path
):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "prompt": "Why? " * (n + 1)}) + "\n" for n in range(PROMPTS)))
    server = serve(longer)

    def arguments(database):
        models = (
            f"LIMA={server.spec('a')}",
            "--against",
            f"other={server.spec('b')}",
            "--judge",
            f"j={server.spec('j')}",
        )
        return [
            "study",
            "preference",
            *models,
            "--prompts",
            prompts,
            "-d",
            tmp_path / database,
            "--name",
            "s",
            "--json",
        ]

    whole = run(arguments("whole.db"))
    assert whole.returncode == 0, whole.stderr
    assert len(server.asked) == CALLS
    server.asked.clear()

    killed, seen = arguments("killed.db"), []
    for where, at in (("reply", 2), ("answered", 3), ("kept", 1), ("verdict", 2), ("kept", 4)):
        dead = run(killed, where, at)
        assert dead.returncode == -signal.SIGKILL, dead.stderr
        paid = count(tmp_path / "killed.db", "api_calls")
        assert paid == sum(count(tmp_path / "killed.db", table) for table in ("study_replies", "study_verdicts"))
        seen.append(paid)
    # What was under way counts neither as paid nor as answered; with all twelve replies there, one verdict is kept, then five.
    assert seen == [1, 3, 4, 2 * PROMPTS + 1, 2 * PROMPTS + 5]
    done = run(killed)
    assert done.returncode == 0, done.stderr
    assert count(tmp_path / "killed.db", "api_calls") == CALLS
    with closing(sqlite3.connect(tmp_path / "killed.db")) as db:
        keys = db.execute("select prompt, first, second, attempt from study_verdicts").fetchall()
        status = db.execute("select status from studies").fetchall()
    assert (len(keys), len({*keys}), status) == (2 * PROMPTS, 2 * PROMPTS, [("done",)])
    # The server is asked again only for what it had answered and nobody had kept: one call at each of three deaths.
    assert len(server.asked) == CALLS + 3
    one, other = json.loads(whole.stdout), json.loads(done.stdout)
    for key in ("sections", "numbers", "title", "more"):
        assert one[key] == other[key]
    assert one["more"]["outcomes"][0]["wins"] > 0
    again = run(killed)
    assert json.loads(again.stdout)["numbers"] == other["numbers"]
    assert len(server.asked) == CALLS + 3
    assert Counter(model for model, _ in server.asked)["j"] >= 2 * PROMPTS
