"""The whole experiment on a tiny model, in real processes: equal arms, a kill, a second process, more seeds, and the page."""

import html
import json
import os
import re
import signal
import sqlite3
import time

import pytest
from click.testing import CliRunner

from lima import LimaError, Store
from lima.testing import only_plugins

FOLDS, ARMS = (1, 2), ("singles", "dialogues", "fake")


@pytest.fixture(scope="module")
def finished(command, plugins, tmp_path_factory):
    """(what `lima effect --json` printed, the database, the page)"""
    from lima_effect.command import effect

    database = tmp_path_factory.mktemp("done") / "l.db"
    page = database.with_name("page.html")
    with only_plugins(**plugins):
        done = CliRunner().invoke(effect, command(database, "--json", "--report", str(page)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), database, page


def measured(database):
    """Every measured answer by arm, fold, seed, conversation and place, without what differs from run to run"""
    sql = """select arm, fold, jobs.seed, conversation, exchange, "true", none, other from effect_jobs jobs
      join gain_answers on gain_answers.gain_run = jobs.gain_run"""
    with sqlite3.connect(database) as db:
        found = {tuple(row[:5]): row[5:] for row in db.execute(sql)}
        assert len(found) == len(list(db.execute(sql)))
    return found


def test_arms_get_as_many_tokens_and_steps_and_each_answer_is_measured_once_an_arm(finished):
    told, database, _ = finished
    with Store(database) as store:
        jobs = store.rows("select * from effect_jobs")
        for fold in FOLDS:
            runs = [store.run(job["run"]) for job in jobs if job["fold"] == fold and job["run"]]
            assert len(runs) == len(ARMS)
            assert len({(run["steps"], run["trained_tokens"], run["base_hash"]) for run in runs}) == 1
        (row,) = store.rows("select * from effect_experiments")
        means = {r["arm"]: r for r in store.rows("select * from effect_summary")}
    assert (row["status"], row["seeds"], row["id"]) == ("done", 1, told["experiment"])
    answers = measured(database)
    assert len(answers) == 4 * 19  # later answers of the twelve, which have 31 in all
    assert {key[2] for key in answers} == {0}
    for arm in told["arms"]:
        for gain in ("over_none", "over_other"):
            assert means[arm][gain] == pytest.approx(told["arms"][arm]["gains"][gain]["mean"])
    assert not (database.parent / told["experiment"]).exists()  # no model is left
    assert len(told["findings"]) == 3
    assert any("quality" in text or "replies are better" in text for text in told["not_shown"])


def run(plugins, arguments):
    """`lima effect` in this process"""
    from lima_effect.command import effect

    with only_plugins(**plugins):
        return CliRunner().invoke(effect, arguments)


def test_the_same_command_repeats_nothing_and_more_seeds_add_to_it(finished, command, plugins, tmp_path):
    told, database, _ = finished
    copy = tmp_path / "l.db"
    with sqlite3.connect(database) as old, sqlite3.connect(copy) as new:
        old.backup(new)
    before = measured(copy)
    again = json.loads(run(plugins, command(copy, "--json")).stdout)
    for key in ("experiment", "arms", "dialogues_against"):
        assert again[key] == told[key]
    assert measured(copy) == before
    more = json.loads(run(plugins, command(copy, "--json", seeds=2)).stdout)
    assert (more["experiment"], more["seeds"]) == (told["experiment"], 2)
    assert more["arms"]["base"] == told["arms"]["base"]
    assert more["arms"]["fake"] != told["arms"]["fake"]
    found = measured(copy)
    assert before.items() < found.items()
    assert {key[2] for key in found if key[0] != "base"} == {0, 1}
    with sqlite3.connect(copy) as db:
        assert list(db.execute("select count(*) from runs")) == [(2 * len(FOLDS) * len(ARMS),)]


KILLED = """
    import lima_effect.work as work, os, signal
    real, calls = work._Work.{method}, []
    def die(self, *given):
        calls.append(given)
        if len(calls) == 2:
            {dies}
        return real(self, *given)
    work._Work.{method} = die"""
NOW = "os.kill(os.getpid(), signal.SIGKILL)"
MOMENTS = {
    "while it trains": {"method": "train", "dies": f"given = (given[0], lambda what, share: share and {NOW})"},
    "after it is trained": {"method": "opened", "dies": NOW},
    "after it is measured": {"method": "measure", "dies": f"real(self, *given); {NOW}"},
}


def test_an_experiment_that_is_killed_again_and_again_ends_in_the_same_numbers(
    finished, command, process, plugins, tmp_path
):
    """Each time at the second job that comes there: while a model trains, before it is measured, before it is deleted"""
    database, done = tmp_path / "l.db", 0
    for moment in MOMENTS.values():
        killed = process(command(database), KILLED.format(**moment).strip())
        _, errors = killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL, errors
        done, before = len(measured(database)), done
        assert before <= done < len(measured(finished[1]))
    assert done
    assert run(plugins, command(database)).exit_code == 0
    assert measured(database) == measured(finished[1])
    with sqlite3.connect(database) as db:
        assert list(db.execute("select status from effect_experiments")) == [("done",)]
        assert set(db.execute("select status from runs")) == {("done",)}
        for table, count in (("runs", len(FOLDS) * len(ARMS)), ("gain_runs", len(FOLDS) * (len(ARMS) + 1))):
            assert list(db.execute(f"select count(*) from {table}")) == [(count,)]
    assert not [p for p in tmp_path.glob("effect-*") if p.is_dir()]


def test_a_second_process_is_refused_while_the_first_works(command, process, plugins, tmp_path):
    slow = "import lima_effect.work as w, time; w._Work.all = lambda self: time.sleep(60)"
    first, deadline = process(command(tmp_path / "l.db"), slow), time.monotonic() + 40
    while not list(tmp_path.glob("effect-*/.lock")):
        assert time.monotonic() < deadline
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    refused = run(plugins, command(tmp_path / "l.db")).exception
    assert isinstance(refused, LimaError)
    assert re.fullmatch(r"Another process is working on effect-\w+ right now\. Wait for it, or stop it\.", str(refused))
    os.kill(first.pid, signal.SIGINT)
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 130
    assert re.search(r"Interrupted\. The same command continues effect-\w+ in \S*l\.db", errors)
    with sqlite3.connect(tmp_path / "l.db") as db:
        assert list(db.execute("select status from effect_experiments")) == [("interrupted",)]


def test_the_page_is_whole_escaped_and_shows_the_numbers(finished):
    told, _, page = finished
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img" not in text
    assert "talks &lt;img src=x&gt;⟨U+202E⟩.jsonl" in text
    assert not re.findall(r'(?:src|href)="(?!#)', text)
    for one in told["findings"]:
        for sentence in one["sentences"]:
            assert sentence in html.unescape(text)
    shown = html.unescape(re.sub(r"<[^>]+>", " ", text))
    for text in (*told["not_shown"], *told["equal"], told["definition"]):
        assert " ".join(text.split()) in " ".join(shown.split())
    ids = re.findall(r'\bid="([^"]*)"', page.read_text())
    assert len(ids) == len(set(ids))


def test_what_cannot_be_compared_is_refused_before_anything_is_trained(base, talks, plugins):
    from lima_effect.experiment import Asked, plan

    with only_plugins(**plugins):
        with pytest.raises(LimaError, match=r"longer than max_tokens = 30 .* --set max_tokens=N"):
            plan(Asked(str(base), str(talks), settings={"max_tokens": 30, "residual_dropout": 0.0}))
        with pytest.raises(LimaError, match="`lima effect` decides 'seed' itself"):
            plan(Asked(str(base), str(talks), settings={"seed": 3}))
        with pytest.raises(LimaError, match="12 conversations, 11 of them .* cannot be divided into 6 folds"):
            plan(Asked(str(base), str(talks), folds=6))
