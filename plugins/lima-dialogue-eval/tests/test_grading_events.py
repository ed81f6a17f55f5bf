"""What a rater does becomes events, grades and preferences: in one transaction, once, in any order that a page can send."""

import json

import pytest

from lima import LimaError
from lima_dialogue_eval.people import overview
from lima_dialogue_eval.people.events import Event, read_event
from lima_dialogue_eval.people.grading import Grading
from lima_dialogue_eval.people.studies import Plan, begin


@pytest.fixture
def grade(store, by_hand):
    """grade(rater, *(turn, side, kind, value)): does this in the one conversation of a study of two runs; what was refused"""
    runs = [by_hand({"tea": {0: "EPF"}}) for _ in range(2)]
    study, _ = begin(store, Plan(tuple((run,) for run in runs), ("ana", "ben"), 2))
    made = iter(range(1000))

    def act(rater, *acts):
        events = [Event(f"made-{next(made):04}", 1, *act) for act in acts]
        return list(Grading(store, study, rater).take(events).values())

    act.study, act.runs = study, runs
    return act


def written(store, *columns, table="dialogue_grades", where="grader = 'people'"):
    return [
        tuple(row.values()) for row in store.rows(f"select {', '.join(columns)} from {table} where {where} order by id")
    ]


def test_grades_comments_ticks_and_undo_are_rows_of_which_the_newest_counts(store, grade, by_hand):
    grading = Grading(store, grade.study, "ana")
    left = grading.items()[0]["left_run"]
    with store.write() as db:
        db.execute(
            "update dialogue_turns set requirements = ?", [json.dumps([{"text": "says water"}, {"text": "is kind"}])]
        )
    assert grade("ana", (1, "left", "tick", "1:yes"), (1, "left", "comment", "almost")) == []
    assert written(store, "id") == []  # nothing to grade by yet
    assert grade("ana", (1, "left", "grade", "pass")) == []
    (row,) = store.rows("select * from dialogue_grades where grader = 'people'")
    ticks = [
        {"requirement": "says water", "met": None, "quote": ""},
        {"requirement": "is kind", "met": True, "quote": ""},
    ]
    wanted = {"dialogue_run": left, "conversation": "tea", "seed": 0, "turn": 1, "rater": "ana", "grade": "pass"}
    wanted |= {"reason": "almost", "status": "graded", "grader_hash": None}
    assert {key: row[key] for key in wanted} == wanted
    assert json.loads(row["ticks"]) == ticks
    grade("ana", (1, "left", "grade", "cannot judge"))
    grade("ana", (1, "left", "comment", "on second thoughts"), (1, "left", "grade", "fail"))
    state = grading.state(grading.items()[0])
    grade("ana", (1, "left", "undo", state.kept[-1].id), (1, "left", "undo", state.kept[-2].id))
    grade("ana", (1, "left", "undo", state.kept[-3].id))
    grade("ana", (1, "left", "undo", state.kept[-4].id))
    assert written(store, "grade", "status", "reason") == [
        ("pass", "graded", "almost"),
        (None, "cannot judge", "almost"),
        (None, "cannot judge", "on second thoughts"),
        ("fail", "graded", "on second thoughts"),
        (None, "cannot judge", "on second thoughts"),
        (None, "cannot judge", "almost"),
        ("pass", "graded", "almost"),
        (None, "withdrawn", "almost"),
    ]
    newest = store.rows("select grade, status from dialogue_latest_grades where grader = 'people'")
    assert newest == [{"grade": None, "status": "withdrawn"}]


def test_a_repeated_event_adds_nothing_whoever_sends_it(store, grade):
    event = Event("made-elsewhere", 1, 1, "left", "grade", "pass")
    for _ in range(3):
        assert Grading(store, grade.study, "ana").take([event, event]) == {}
    assert written(store, "value", table="grading_events", where="true") == [("pass",)]
    assert len(written(store, "id")) == 1
    assert Grading(store, grade.study, "ben").take([event]) == {
        "made-elsewhere": "Another rater's event has this id. Reload the page."
    }


def test_turns_are_graded_in_order_and_the_dialogues_last(store, grade):
    assert grade("ana", (2, "left", "grade", "pass")) == ["Turn 2 is not shown yet. Grade the replies before it."]
    assert grade("ana", (1, "left", "grade", "pass"), (2, "left", "grade", "pass"))[0].startswith("Turn 2 is not shown")
    assert grade("ana", (0, "left", "prefer", "left")) == [
        "Grade every reply first; then say which dialogue is better."
    ]
    rest = [(n, side, "grade", "fail") for n in (1, 2, 3) for side in ("left", "right") if (n, side) != (1, "left")]
    assert grade("ana", *rest) == []
    grading = Grading(store, grade.study, "ana")
    item = grading.items()[0]
    assert not grading.done(item)
    for value in ("left", "neither", "right"):
        assert grade("ana", (0, "left", "prefer", value)) == []
    assert grading.done(item)
    assert grade("ana", (0, "left", "undo", grading.state(item).kept[-1].id)) == []
    found = written(store, "rater", "left_run", "right_run", "preferred", table="dialogue_preferences", where="true")
    runs = item["left_run"], item["right_run"]
    assert found == [("ana", *runs, runs[0]), ("ana", *runs, ""), ("ana", *runs, runs[1]), ("ana", *runs, "")]
    # What was seen stays in view when a grade before it is undone.
    first = next(e for e in grading.state(item).kept if e.turn == 1)
    grade("ana", (1, "left", "undo", first.id))
    assert grading.state(item).open(item["cells"]) == (1, "left")
    assert [turn.number for turn in grading.talk(item).turns] == [1, 2, 3]


def test_one_refused_event_does_not_take_others_with_it(store, grade):
    refused = grade(
        "ana",
        (1, "left", "grade", "pass"),
        (7, "left", "grade", "pass"),
        (1, "left", "undo", "never-made"),
        (1, "right", "grade", "fail"),
    )
    assert refused == [
        "Turn 7, left, is not to be graded in this conversation.",
        "What should be undone is not there.",
    ]
    assert written(store, "grade") == [("pass",), ("fail",)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "short"}, "id has 8 to 64"),
        ({"id": "with space"}, "id has 8 to 64"),
        ({"id": 7}, "Not an event"),
        ({"item": True}, "Not an event"),
        ({"item": 2**40}, "No such event"),
        ({"turn": -1}, "No such event"),
        ({"side": "middle"}, "No such event"),
        ({"kind": "praise"}, "No such event"),
        ({"value": "superb"}, "No such grade: 'superb'"),
        ({"value": "pass\n"}, "No such grade"),
        ({"kind": "tick", "value": "1:maybe"}, "No such tick"),
        ({"kind": "prefer", "value": "run-1"}, "No such prefer"),
        ({"kind": "comment", "value": "x" * 10_001}, r"A comment may have 10,000 characters; this one has 10,001\."),
    ],
)
def test_what_is_no_event_is_a_sentence(change, says):
    with pytest.raises(LimaError, match=says):
        read_event({"id": "made-0001", "item": 1, "turn": 1, "side": "left", "kind": "grade", "value": "pass"} | change)


def test_text_that_no_database_holds_is_kept_as_far_as_it_goes():
    event = {"id": "made-0001", "item": 1, "turn": 1, "side": "left", "kind": "comment", "value": "a\ud800b"}
    assert read_event(event).value == "a\ufffdb"


def test_the_coordinator_sees_progress_agreement_and_disagreements_and_settles_them(store, grade):
    everything = [(n, side) for n in (1, 2, 3) for side in ("left", "right")]
    for rater, other in (("ana", "pass"), ("ben", "fail")):
        item = Grading(store, grade.study, rater).items()[0]
        first = "left" if item["left_run"] == grade.runs[0] else "right"
        values = {
            (n, side): "excellent" if side == first else other if n == 2 else "cannot judge" for n, side in everything
        }
        assert grade(rater, *((*cell, "grade", value) for cell, value in values.items())) == []
    assert not overview.finished(store, grade.study)
    found = overview.agreement(overview.given(store, grade.study))
    # Both ways round: 6 excellent–excellent, a pass–fail and a fail–pass, so 1 − 2 / (62 / 8).
    assert (found.replies, found.equal, found.kappa) == (4, 3, pytest.approx(1 - 16 / 62))
    assert [row["cannot_judge"] for row in overview.progress(store, grade.study)] == [2, 2]
    (one,) = overview.disputed(store, grade.study, overview.given(store, grade.study))
    assert (one.turn, one.given, one.settled, one.topic) == (2, {"ana": "pass", "ben": "fail"}, None, "About tea")
    judge = Grading(store, grade.study, "adjudicated")
    assert judge.take([Event("made-by-her", one.item, one.turn, one.side, "grade", "pass")]) == {}
    assert [d.settled for d in overview.disputed(store, grade.study, overview.given(store, grade.study))] == ["pass"]
    (row,) = store.rows("select * from dialogue_people_grades where turn = 2 and dialogue_run = ?", [grade.runs[1]])
    assert (row["grade"], row["people"]) == ("pass", 2)
    for rater in ("ana", "ben"):
        grade(rater, (0, "left", "prefer", "left"))
    assert overview.finished(store, grade.study)
    first, second = overview.models(store, grade.study, overview.given(store, grade.study))
    assert (first["runs"], first["grades"]) == ([grade.runs[0]], {"excellent": 6, "pass": 0, "fail": 0})
    assert (first["preferred"], second["preferred"], second["grades"]["fail"]) == (1, 1, 1)


def test_people_s_grades_stay_out_of_what_programs_are_counted_by(store, grade):
    before = store.rows("select * from dialogue_run_summary")
    grade("ana", (1, "left", "grade", "fail"), (1, "right", "grade", "fail"))
    assert store.rows("select * from dialogue_run_summary") == before
