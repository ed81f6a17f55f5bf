"""The whole experiment on a tiny model, in real processes: equal arms, a kill, a second process, more seeds, and the page."""

import html
import json
import re
import signal
import sqlite3
import time

import pytest
from click.testing import CliRunner

from lima import LimaError, Store
from lima.testing import only_plugins, tiny_base, tiny_tokenizer

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


@pytest.mark.slow
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


STOPS = """
    import lima_effect.work as work, os, signal, time
    from pathlib import Path
    real, calls = work._Work.{method}, []
    def stop(self, *given):
        calls.append(given)
        if len(calls) == 2:
            {then}
        return real(self, *given)
    work._Work.{method} = stop"""
WAITS = "given = (given[0], lambda what, share: share and (Path({here!r}).touch(), time.sleep(600)))"
DIES = "real(self, *given); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.slow
def test_a_second_process_is_refused_and_after_kills_the_same_command_ends_in_the_same_numbers(
    finished, command, process, plugins, tmp_path
):
    """Killed while its second model trains, and then between the measurement of one and its deletion"""
    database, here = tmp_path / "l.db", tmp_path / "here"
    first = process(command(database), STOPS.format(method="train", then=WAITS.format(here=str(here))).strip())
    deadline = time.monotonic() + 300
    while not here.exists():
        assert time.monotonic() < deadline
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    refused = run(plugins, command(database)).exception
    assert isinstance(refused, LimaError)
    said = r"Another process is working on effect-\w+ right now\. Wait for it, or stop it\."
    assert re.fullmatch(said, str(refused))
    first.kill()
    first.communicate()
    assert {key[0] for key in measured(database)} == {"base", "singles"}

    second = process(command(database), STOPS.format(method="measure", then=DIES).strip())
    _, errors = second.communicate(timeout=300)
    assert second.returncode == -signal.SIGKILL, errors
    (model,) = tmp_path.glob("effect-*/*/config.json")
    assert {key[0] for key in measured(database)} == {"base", "singles", "dialogues", "fake"}

    assert run(plugins, command(database)).exit_code == 0
    assert not model.exists()
    assert not [p for p in tmp_path.glob("effect-*") if p.is_dir()]
    assert measured(database) == measured(finished[1])
    with sqlite3.connect(database) as db:
        assert list(db.execute("select status from effect_experiments")) == [("done",)]
        assert set(db.execute("select status from runs")) == {("done",)}
        for table, count in (("runs", len(FOLDS) * len(ARMS)), ("gain_runs", len(FOLDS) * (len(ARMS) + 1))):
            assert list(db.execute(f"select count(*) from {table}")) == [(count,)]


def test_an_interrupted_experiment_says_how_to_continue(command, plugins, tmp_path, monkeypatch):
    from lima_effect import work

    def interrupt(self, job, at):
        raise KeyboardInterrupt

    monkeypatch.setattr(work._Work, "train", interrupt)
    stopped = run(plugins, command(tmp_path / "l.db"))
    assert stopped.exit_code == 130
    assert re.search(r"Interrupted\. The same command continues effect-\w+ in \S*l\.db", stopped.stderr)
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


def test_what_cannot_be_compared_is_refused_before_anything_is_trained(base, talks, plugins, tmp_path):
    from lima_effect.experiment import Asked, plan

    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.content }}{{ ' indeed' if loop.index == 2 else '' }}{{ eos_token }}{% endfor %}"
    )
    first_answer_longer = tiny_base(tmp_path / "base", tokenizer=tokenizer)
    with only_plugins(**plugins):
        with pytest.raises(LimaError, match=r"longer than max_tokens = 30 .* --set max_tokens=N"):
            plan(Asked(str(base), str(talks), settings={"max_tokens": 30, "residual_dropout": 0.0}))
        with pytest.raises(LimaError, match="`lima effect` decides 'seed' itself"):
            plan(Asked(str(base), str(talks), settings={"seed": 3}))
        with pytest.raises(
            LimaError, match="the arms would not train on the same number of tokens .* renderer 'template'"
        ):
            plan(Asked(str(first_answer_longer), str(talks)))
        with pytest.raises(LimaError, match="12 conversations, 11 of them .* cannot be divided into 6 folds"):
            plan(Asked(str(base), str(talks), folds=6))


def test_a_base_without_a_template_is_trained_and_read_in_limas_format(talks, plugins, tmp_path):
    from lima_effect.experiment import Asked, plan

    with only_plugins(**plugins):
        experiment = plan(Asked(str(tiny_base(tmp_path / "base")), str(talks), folds=2))
    assert experiment.recipe.renderer == "lima"
