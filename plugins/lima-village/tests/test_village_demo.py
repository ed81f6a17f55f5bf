"""The demonstration, small: real workers, real training, a real database; and what Ctrl-C leaves."""

import json

import pytest
from click.testing import CliRunner

from lima.store import Store
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


def test_interrupt_stops_the_workers_and_leaves_a_database(small, monkeypatch):
    def interrupt(show):
        def on_event(arm, event):
            if event["event"] == "training":
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


def test_a_failing_worker_is_a_sentence(small, monkeypatch):
    from lima.errors import LimaError

    monkeypatch.setattr(module, "ARMS", {"before": ["no-such-source"], "after": ["no-such-source"]})
    result = CliRunner().invoke(command, ["--seeds", "1", "-d", str(small)])
    assert isinstance(result.exception, LimaError)
    assert "no-such-source" in str(result.exception)
