"""The demonstration, small: real workers, real training, a real database; and what Ctrl-C leaves."""

import json

import pytest
from click.testing import CliRunner

from lima.errors import LimaError
from lima.record.store import Store
from lima_village import demo as module
from lima_village.commands import demo as command


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The demo with a few examples and one epoch"""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(module.RECIPE.read_text(encoding="utf-8").replace("epochs = 3", "epochs = 1"), encoding="utf-8")
    monkeypatch.setattr(module, "RECIPE", recipe)
    monkeypatch.setattr(
        module, "ARMS", {"before": ["village-singles:16"], "after": ["village-singles:16", "village-dialogues:2"]}
    )
    return tmp_path / "lima.db"


@pytest.mark.slow
def test_json_is_one_object_of_what_the_models_did(small):
    report = small.with_name("report.html")
    options = ["--seeds", "1", "--more", "-d", str(small), "--report", str(report), "--json"]
    result = CliRunner().invoke(command, options)
    assert result.exit_code == 0, (result.output, result.exception)
    printed = json.loads(result.stdout)
    assert list(printed) == [
        "before",
        "after",
        "conversations",
        "p_value",
        "seeds",
        "database",
        "report",
        "seconds",
        "more",
    ]
    assert printed["seeds"] == [0]
    assert sum(printed["conversations"].values()) == 10
    assert sum(printed["more"]["conversations"].values()) == 150
    with Store(small) as store:
        for arm in ("before", "after"):
            for evaluation, found in (("village", printed), ("village-more", printed["more"])):
                row = store.rows(
                    "select excellent, pass, fail, turns from dialogue_run_summary where arm = ? and evaluation = ?",
                    [arm, evaluation],
                )[0]
                assert found[arm] == row
        assert store.rows("select count(*) as n, count(distinct status) as s from runs where status = 'done'") == [
            {"n": 2, "s": 1}
        ]
    more = small.with_name("report-more.html")
    assert (printed["report"], printed["more"]["report"]) == (str(report), str(more))
    for page, conversations in ((report, 10), (more, 150)):
        assert f"{conversations} conversations" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_interrupt_stops_the_workers_and_leaves_a_database(small, monkeypatch):
    def interrupt(show):
        def on_event(event):
            if event.what == "training":
                raise KeyboardInterrupt

        show.run(on_event)

    monkeypatch.setattr("lima_village.bars.run_with_bars", interrupt)
    result = CliRunner().invoke(command, ["--seeds", "1", "-d", str(small)])
    assert result.exit_code == 130
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Interrupted.")
    assert str(small) in last
    with Store(small) as store:
        assert {row["status"] for row in store.rows("select status from runs")} <= {"interrupted", "done"}


@pytest.fixture
def held(monkeypatch):
    """A demo whose arms have run, by name"""
    monkeypatch.setattr("lima_village.bars.run_with_bars", lambda experiment: None)
    monkeypatch.setattr(module, "compared", lambda *_: None)
    monkeypatch.setattr(module.Experiment, "dialogue_runs", lambda self, store, arm, name: [f"{arm}-0", f"{arm}-1"])


def test_a_report_that_fails_in_the_end_names_the_way_to_write_it(held, monkeypatch, tmp_path):
    from lima_dialogue_eval.cli.dialogues import dialogues

    def full(*_, **__):
        raise LimaError("Cannot write the report x.html: No space left on device.")

    monkeypatch.setattr("lima_dialogue_eval.report.page.write_report", full)
    result = CliRunner().invoke(command, ["-d", str(tmp_path / "lima.db")])
    options = f"--pool-anyway --beside-paper -d {tmp_path / 'lima.db'} --out FILE"
    again = f"lima dialogues report before-0,before-1 after-0,after-1 {options}"
    assert str(result.exception).endswith(again)
    asked = CliRunner().invoke(dialogues, again.split()[2:])
    assert "before-0" in str(asked.exception)  # a command that exists, with an id that does not


def test_the_default_database_is_known_by_its_real_path(held, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr("lima_village.bars.run_with_bars", ran.append)
    monkeypatch.setattr("lima_dialogue_eval.report.page.write_report", lambda *_, **__: None)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "link"))
    CliRunner().invoke(command, [])
    assert [work.database for work in ran] == [tmp_path / "real" / "lima.db"]


def test_where_the_report_cannot_be_written_is_said_before_anything_runs(monkeypatch, tmp_path):
    monkeypatch.setattr("lima_village.bars.run_with_bars", None)
    (tmp_path / "page-more.html").write_text("mine")
    options = ["-d", str(tmp_path / "lima.db"), "--report", str(tmp_path / "page.html"), "--more"]
    result = CliRunner().invoke(command, options)
    assert "page-more.html exists and is not a report of lima" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["page-more.html"]


def test_a_database_that_cannot_be_is_a_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, but some text that is longer than its header would be" * 20)
    for place in (tmp_path / "notes.txt", "/proc/x.db"):
        result = CliRunner().invoke(command, ["-d", str(place)])
        assert "Cannot use the database" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("width", [80, 120])
def test_times_are_whole_in_a_narrow_terminal(tmp_path, width):
    from io import StringIO

    from rich.console import Console

    from lima_studies import Event
    from lima_village.bars import Bars
    from lima_village.demo import demonstration

    experiment = demonstration(tmp_path / "lima.db", 3, True)
    bars, out = Bars(experiment), StringIO()
    job = experiment.grid.jobs()[2]
    bars.hear(Event("begun", left=(job,)))
    bars.hear(Event("holding", job, 1, 3, evaluation="village-prompts-validation", epoch=7))
    Console(file=out, width=width).print(bars.progress.get_renderable())
    lines = out.getvalue().rstrip().splitlines()
    assert "5 of 6 done" in lines[0]
    assert "0 % 0:00:00" in lines[0]
    assert "33 % 0:00:00 -:--:--" in lines[1]
    assert "village-prompts" in lines[1]


def test_the_bar_of_the_whole_moves_while_its_jobs_train(tmp_path):
    from lima_studies import Event
    from lima_village.bars import Bars
    from lima_village.demo import demonstration

    experiment = demonstration(tmp_path / "lima.db", 2, False)
    bars, (one, two, *_) = Bars(experiment), experiment.grid.jobs()
    at = []
    for event in (
        Event("begun", left=tuple(experiment.grid.jobs())),
        Event("training", one, 1, 4, worker=0),
        Event("training", two, 2, 4, worker=1),
        Event("holding", one, 3, 3, evaluation="village", worker=0),
        Event("finished", one, worker=0),
        Event("training", two, 4, 4, worker=1),
        Event("finished", two, worker=1),
    ):
        bars.hear(event)
        at.append(bars.progress.tasks[0].completed)
    assert at == [0, 0.25, 0.75, 0.75, 1.5, 2, 2]
    assert bars.progress.tasks[0].total == 4


@pytest.mark.slow
def test_a_failing_worker_is_a_sentence(small, monkeypatch):
    monkeypatch.setattr(module, "ARMS", {"before": ["no-such-source"], "after": ["no-such-source"]})
    result = CliRunner().invoke(command, ["--seeds", "1", "-d", str(small)])
    assert isinstance(result.exception, LimaError)
    assert "no-such-source" in str(result.exception)
