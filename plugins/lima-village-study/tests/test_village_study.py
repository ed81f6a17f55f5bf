"""Running a study: real workers and real fine-tunes on a few examples, killed, resumed and reported again."""

import json
import os
import re
import runpy
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima.record.store import Store
from lima_studies import Holding
from lima_village.experiment import GREEDY, RECIPE
from lima_village_study.arms import VALIDATION, chosen
from lima_village_study.commands import study
from lima_village_study.study import Study, find_study

OLD = """
    create table village_studies (id text primary key, created text, status text, seconds float, folder text, settings text);
    create table village_study_results (study text, arm text, seed int, evaluation text, epoch int, run text,
      dialogue_run text, value float, created text, primary key (study, arm, seed, evaluation, epoch));
    create view village_study_replies as select results.study, results.arm, results.seed, results.epoch, replies.evaluation,
      replies.conversation, replies.seed as sample, replies.turn, replies.kind, replies.grade
      from village_study_results results join dialogue_replies replies on replies.dialogue_run = results.dialogue_run;
    insert into village_studies values ('study-20260101-000000', '2026-01-01T00:00:00', 'done', 3.0, '/nowhere',
      '{"recipe": {"epochs": 3}, "base": {"sha256": "ab"}, "versions": {"torch": "1"}, "evaluations": {}, "sets":
      {"conversations": "village-more", "prompts": "village-prompts", "ten": "", "epochs": "", "gain": ""}, "arms": {"before":
      {"name": "before", "sources": ["village-singles:7"], "held": ["conversations"], "changes": {}, "model": "", "seeds": 2}}}');
    insert into village_study_results values ('study-20260101-000000', 'before', 0, '', 0, 'r', null, null, '2026');
"""
"What an earlier version left in a database"


def rows(database, sql):
    if not database.is_file():
        return []
    with Store(database) as store:
        return store.rows(sql)


def results(database):
    return rows(database, "select * from study_jobs order by arm, seed, evaluation")


def by_key(found):
    return {(r["arm"], r["seed"], r["evaluation"]): (r["run"], r["dialogue_run"]) for r in found}


@pytest.mark.slow
def test_killed_and_resumed_it_runs_only_what_is_missing(tmp_path, monkeypatch, small):
    database = tmp_path / "lima.db"
    with subprocess.Popen([sys.executable, str(small), "-d", str(database)], stderr=subprocess.DEVNULL) as first:
        deadline = time.monotonic() + 300
        while len(results(database)) < 3:
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        workers = subprocess.run(["ps", "-o", "pid=", "--ppid", str(first.pid)], capture_output=True, text=True)
        for pid in (first.pid, *map(int, workers.stdout.split())):
            os.kill(pid, signal.SIGKILL)
    before = results(database)
    assert 3 <= len(before) < 8

    command = [sys.executable, str(small), "--resume", "-d", str(database), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    after = results(database)
    assert by_key(before).items() <= by_key(after).items()
    assert len(after) == 8
    finished = rows(database, "select count(*) as n, count(distinct folder) as folders from runs where status = 'done'")
    assert finished == [{"n": 4, "folders": 4}]
    assert rows(database, "select count(*) as n from dialogue_runs where status = 'done'") == [{"n": 4}]
    printed = json.loads(done.stdout)
    assert [finding["finding"] for finding in printed["findings"]] == ["diversity"]
    assert Path(printed["report"]).is_file()

    runpy.run_path(str(small))["shrink"](monkeypatch.setattr)
    monkeypatch.setattr("lima_studies.jobs.running.work_off", None)  # nothing is left, so nobody is needed
    result = CliRunner().invoke(study, ["--resume", "-d", str(database)])
    assert result.exit_code == 0, result.exception
    assert results(database) == after


@pytest.mark.slow
def test_interrupt_names_the_study_to_resume(tmp_path, monkeypatch, small):
    runpy.run_path(str(small))["shrink"](monkeypatch.setattr)

    def interrupted(work):
        def on_event(event):
            if event.what == "trained":
                raise KeyboardInterrupt

        work.run(on_event)

    monkeypatch.setattr("lima_village.bars.run_with_bars", interrupted)
    database = tmp_path / "lima.db"
    result = CliRunner().invoke(study, ["-d", str(database)])
    assert result.exit_code == 130
    with Store(database) as store:
        row = find_study(store, "newest")
    assert row["status"] == "interrupted"
    assert f"Resume with `lima village study --resume {row['id']} -d {database}`." in result.stderr


@pytest.mark.slow
def test_behind_a_link_a_job_resumes_its_fine_tune(tmp_path, monkeypatch, small):
    runpy.run_path(str(small))["shrink"](monkeypatch.setattr)
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to("real")
    behind = Study.new(link / "lima.db", [replace(chosen(["random"])[0], held=(), seeds=1)])
    folder = str(real / f"{behind.id}-models" / "random-seed0")

    def until_trained(event):
        if event.what == "training":
            raise KeyboardInterrupt

    with Store(behind.database) as store:
        with pytest.raises(KeyboardInterrupt):
            behind.begun(store).run(until_trained)
        assert rows(real / "lima.db", "select folder, status from runs") == [
            {"folder": folder, "status": "interrupted"}
        ]
        behind.begun(store).run(lambda event: None)
    assert rows(real / "lima.db", "select folder, status from runs") == [{"folder": folder, "status": "done"}]


def test_the_default_database_is_known_by_its_real_path(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr("lima_village.bars.run_with_bars", ran.append)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "link"))
    CliRunner().invoke(study, ["before"])
    assert [work.database for work in ran] == [tmp_path / "real" / "lima.db"]


@pytest.fixture
def begun(tmp_path):
    """A study that has begun and done nothing"""
    work = Study.new(tmp_path / "lima.db", chosen(["before", "random"]), sets=VALIDATION)
    with Store(work.database) as store:
        work.begun(store)
    return work


def test_a_study_resumes_with_what_it_was_started_with(begun):
    assert Study.resumed(begun.database, "newest") == begun
    more = Study.resumed(begun.database, begun.id[:12], ["in-context"])
    assert [arm.name for arm in more.grid.arms] == ["before", "random", "in-context"]
    with Store(begun.database) as store:
        more.begun(store)
    assert Study.resumed(begun.database, "newest") == more


@pytest.mark.slow
def test_an_evaluation_of_an_untrained_model_resumes_too(tmp_path):
    work = Study.new(tmp_path / "lima.db", chosen(["in-context"]), sets=VALIDATION)
    short = Holding("ten", "village", sampling={**GREEDY, "max_new_tokens": 2})
    grid = replace(work.grid, arms=(replace(work.grid.arms[0], held=("ten",)),), holdings=(short,))
    work = replace(work, grid=grid)
    sql = "select id, status, model from dialogue_runs"

    def until_asked(event):
        if event.what == "holding":
            raise KeyboardInterrupt

    with Store(work.database) as store:
        with pytest.raises(KeyboardInterrupt):
            work.begun(store).run(until_asked)
        (held,) = rows(work.database, sql)
        assert held == {"id": held["id"], "status": "interrupted", "model": "village-in-context:3"}
        work.begun(store).run(lambda event: None)
        assert rows(work.database, sql) == [{**held, "status": "done"}]
        # Killed when all was answered and nothing said so yet.
        with store.write() as db:
            db.execute("update dialogue_runs set status = 'running'")
            db.execute("drop trigger study_jobs_no_delete")
            db.execute("delete from study_jobs")
        work.begun(store).run(lambda event: None)
    assert rows(work.database, sql) == [{**held, "status": "done"}]


@pytest.mark.slow
def test_another_version_of_the_settings_is_refused(begun, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.read_text(encoding="utf-8").replace("epochs = ", "epochs = 1"), encoding="utf-8")
    with pytest.raises(LimaError, match="other settings: recipe 'epochs' has changed since. Start a new one"):
        Study.resumed(begun.database, "newest", recipe=recipe)


def test_the_report_is_drawn_again_without_training_whatever_has_changed_since(begun, monkeypatch):
    with Store(begun.database) as store:
        settings = find_study(store, "newest")["settings"]
        settings["versions"]["torch"] = "0.0.1+older"
        settings["arms"]["gone"] = {**settings["arms"].pop("random")}
        with store.write() as db:
            db.execute("update studies set settings = ?", [json.dumps(settings)])
    for needed in ("lima_village.bars.run_with_bars", "lima_village.base_model.verified"):
        monkeypatch.setattr(needed, None)
    result = CliRunner().invoke(study, ["--redraw", "-d", str(begun.database)])
    assert result.exit_code == 0, result.exception
    page = begun.database.with_name(f"{begun.id}.html")
    assert "torch 0.0.1+older" in page.read_text(encoding="utf-8")
    assert "<b>gone</b>" in page.read_text(encoding="utf-8")
    assert not begun.folder.exists()
    refused = CliRunner().invoke(study, ["--redraw", begun.id, "before", "-d", str(begun.database)])
    assert "give neither ARM nor --resume" in refused.output


@pytest.mark.slow
def test_an_arm_after_resume_is_an_arm(begun, monkeypatch):
    ran = []
    monkeypatch.setattr("lima_village.bars.run_with_bars", ran.append)
    for arguments in (["--resume", "in-context"], ["in-context", "--resume"]):
        result = CliRunner().invoke(study, [*arguments, "-d", str(begun.database)])
        assert result.exit_code == 0, result.exception
    assert [[arm.name for arm in work.grid.arms] for work in ran] == [["before", "random", "in-context"]] * 2
    assert {work.id for work in ran} == {begun.id}


def test_where_the_report_cannot_be_written_is_said_before_anything_runs(begun, monkeypatch, tmp_path):
    monkeypatch.setattr("lima_village.bars.run_with_bars", None)
    mine = tmp_path / "mine.html"
    mine.write_text("mine")
    for place, said in (
        (mine, "is not a report of lima"),
        (tmp_path / "mine.html" / "x.html", "Cannot write the report"),
    ):
        result = CliRunner().invoke(study, ["before", "-d", str(begun.database), "--report", str(place)])
        assert said in str(result.exception)
    assert mine.read_text() == "mine"


def test_a_report_that_fails_in_the_end_names_the_way_to_draw_it(begun, monkeypatch):
    def full(*_):
        raise LimaError("Cannot write the report x.html: No space left on device.")

    monkeypatch.setattr("lima_village_study.study_page.write_page", full)
    result = CliRunner().invoke(study, ["--redraw", "-d", str(begun.database)])
    assert f"lima village study --redraw {begun.id} -d {begun.database} --report FILE" in str(result.exception)


def test_a_file_that_is_no_database_leaves_no_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but some text that is longer than its header would be" * 20)
    for place in (tmp_path / "notes.txt", Path("/proc/nope/x.db")):
        result = CliRunner().invoke(study, ["before", "-d", str(place)])
        assert "Cannot use the database" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_is_a_sentence(begun):
    begun.folder.write_text("in the way")
    with pytest.raises(LimaError, match="Cannot create .*village-.*-models.*Choose another --database"):
        begun.run(lambda event: None)


def test_unknown_studies_are_sentences(begun, tmp_path):
    with pytest.raises(LimaError, match="No study 'other' in .*Known: village-"):
        Study.resumed(begun.database, "other")
    result = CliRunner().invoke(study, ["--resume", "-d", str(tmp_path / "none.db")])
    assert "does not exist, so it has no study" in str(result.exception)


def test_it_is_a_study_among_others_with_a_report_of_its_own(begun):
    from lima.testing import run_command

    (row,) = run_command("study", "-d", begun.database, "--json").json
    assert (row["id"], row["kind"]) == (begun.id, "village")
    said = run_command("study", "report", begun.id, "-d", begun.database, code=1).err
    assert f"Study {begun.id} has a report of its own: `lima study village --help` says how it is written." in said


def test_two_processes_do_not_work_on_one_study(begun):
    from filelock import FileLock

    lock = begun.database.with_name(f".{begun.id}.lock")
    with FileLock(lock), pytest.raises(LimaError, match="Another process is working on the study village-"):
        begun.run(lambda event: None)


def test_a_fine_tune_whose_folder_is_gone_is_not_done(begun):
    with Store(begun.database) as store:
        trainer = begun.begun(store).trainer()
        job = begun.grid.jobs()[0]
        folder = trainer.folder(job)
        with store.write() as db:
            db["runs"].insert({"id": "r", "folder": str(folder), "status": "done", "created": "2026"})
        assert trainer.known(job) is None
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        assert trainer.known(job)["id"] == "r"


def test_a_study_of_an_earlier_version_is_reported_again_and_not_resumed(tmp_path):
    """Its tables are only read; a database without such a study loses them"""
    database = tmp_path / "lima.db"
    with Store(database) as store:
        assert store.rows("select name from sqlite_master where name like 'village_study%'") == []
    with sqlite3.connect(database) as db:
        db.executescript(OLD)
    for name in ("newest", "study-2026"):
        result = CliRunner().invoke(study, ["--resume", name, "-d", str(database)])
        assert "Study study-20260101-000000 was begun by an earlier version of lima" in str(result.exception)
    advice = re.search(r"`lima village study (--redraw \S+ -d \S+)`", str(result.exception))
    again = CliRunner().invoke(study, [*advice.group(1).split(), "--json"])
    assert again.exit_code == 0, again.exception
    assert json.loads(again.stdout)["study"] == "study-20260101-000000"
    page = (tmp_path / "study-20260101-000000.html").read_text(encoding="utf-8")
    assert "village-singles:7" in page
    assert "3 s" in page
