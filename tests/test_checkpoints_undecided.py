"""Choosing an epoch by a grader that leaves replies to a reader: the fewest fails decide, and the choice says so."""

import pytest

from dev_runs import run_lima, weights
from lima import LimaError
from lima.record import selection

pytestmark = pytest.mark.usefixtures("core_alone")


def choose(store, run):
    run_lima("checkpoints", "choose", run.id, "--grader", "judge", "-d", store.path)
    return store.rows("select epoch, reason from choices order by id")[-1]


def test_with_undecided_replies_the_fewest_fails_decide(done, judges):
    store, run, say = done
    say(["excellent", "fail", "fail"], ["undecided", "undecided", "fail"], ["undecided", "undecided", "fail"])
    assert choose(store, run) == {
        "epoch": 2,
        "reason": "fewest fails, 1 of 3 dev prompts by judge, of 3 epochs (4 replies are undecided, so there is no mean grade); "
        "the same as of 3, and the earliest is taken",
    }
    assert weights(run.folder) == weights(run.folder / "epoch-02")
    shown = run_lima("checkpoints", "--run", run.id, "-d", store.path, env={"COLUMNS": "120"}).stdout
    for text in (
        "0.67 (33 %)",
        "1 of 3 fail, 2 undecided",
        "Where replies are undecided, a mean would compare only what failed",
    ):
        assert text in shown


def test_a_prompt_that_no_epoch_decides_is_left_out_and_the_mean_grade_of_the_others_decides(done, judges):
    store, run, say = done
    say(["undecided", "pass", "pass"], ["undecided", "pass", "excellent"], ["undecided", "fail", "excellent"])
    assert choose(store, run) == {
        "epoch": 2,
        "reason": "mean grade 1.50 of 2 by judge over 2 dev prompts, the best of 3 epochs; 1 without a grade in every epoch "
        "left out",
    }


def test_where_nothing_is_decided_nothing_is_chosen(done, judges):
    store, run, say = done
    say(*[["undecided"] * 3] * 3)
    run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path)
    with pytest.raises(LimaError, match="has a grade by 'judge' in every epoch; .* Choose by hand, with --epoch N"):
        selection.best(store, run.id, "judge")


def test_an_empty_reply_is_a_fail_and_no_grader_is_asked(done, judges):
    store, run, say = done
    say(["", " \n", "\u200b\u3164"], ["pass"] * 3, ["excellent", "fail", "fail"])
    assert choose(store, run)["epoch"] == 2
    assert len(judges.asked) == 6
    graded = store.rows("select grade, reason, status from generation_grades where epoch = 1")
    assert graded == [{"grade": "fail", "reason": "The reply is empty.", "status": "graded"}] * 3


def test_a_reply_on_which_the_grader_failed_is_graded_again(done, judges):
    store, run, say = done
    say(["error", "pass", "pass"], ["pass"] * 3, ["pass"] * 3)
    assert "1 without a grade in every epoch left out" in choose(store, run)["reason"]
    say(["fail"])
    assert choose(store, run)["epoch"] == 2
    assert len(judges.asked) == 10
