"""Studies: who grades what, in which order and on which side; what is left to people; known replies among the others."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest

import lima_dialogue_eval
from lima import LimaError, hookimpl
from lima_chat import EvalConversation, EvalTurn, KnownReply
from lima_dialogue_eval.people.assignment import assign
from lima_dialogue_eval.people.candidates import outside
from lima_dialogue_eval.people.events import Event, read_event
from lima_dialogue_eval.people.grading import Grading
from lima_dialogue_eval.people.overview import calibration
from lima_dialogue_eval.people.studies import Plan, begin, find_study, rater_names
from lima_dialogue_eval.record.log import DialogueLog

TWO = EvalConversation(
    "tea", "Tea", (EvalTurn("How?", (), "opening"), EvalTurn("Why?", ({"text": "says why"},), "why"))
)


@pytest.fixture
def plugins(lima_plugins):
    class Known:
        @hookimpl
        def register_evaluations(self, register):
            known = [
                KnownReply("tea", 2, f"Because {n}", grade, "echo" if grade == "fail" else "", after=("So.",))
                for n, grade in enumerate(("fail", "excellent", "pass", "fail"))
            ]
            found = {"description": "two", "licence": "CC0-1.0", "grader": "requirements"}
            register("known", SimpleNamespace(**found, conversations=lambda: [TWO], known_replies=lambda: known))

    return lima_plugins(lima_dialogue_eval=lima_dialogue_eval, known=Known())


def rows(store, sql, *parameters):
    return [tuple(row.values()) for row in store.rows(sql, parameters)]


@pytest.mark.parametrize(
    ("items", "raters", "reviews", "common"), [(12, 4, 2, 0), (7, 3, 3, 2), (50, 4, 4, 5), (1, 1, 1, 0)]
)
def test_items_are_shared_out_evenly_and_sides_are_balanced(items, raters, reviews, common):
    names = [f"r{n}" for n in range(raters)]
    for seed in range(5):
        found = assign(items, common, names, reviews, seed)
        assert found == assign(items, common, names, reviews, seed)
        counts = Counter(one.item for mine in found.values() for one in mine)
        assert counts == {n: reviews if n < items else raters for n in range(items + common)}
        sizes = [len(mine) for mine in found.values()]
        assert max(sizes) - min(sizes) <= 1
        for mine in found.values():
            left = sum(one.swapped for one in mine)
            assert abs(2 * left - len(mine)) <= 2
        if reviews == raters:
            for n in range(items):
                left = sum(one.swapped for mine in found.values() for one in mine if one.item == n)
                assert left in (raters // 2, (raters + 1) // 2)
    orders = {tuple(one.item for one in assign(items, common, names, reviews, s)[names[0]]) for s in range(20)}
    assert len(orders) > 1 or items == 1


def test_the_same_plan_is_the_same_study_and_another_seed_another(store, by_hand):
    a, b = (by_hand({"tea": {0: "EP"}, "bus": {0: "PF", 1: "E-"}}) for _ in range(2))
    plan = Plan(((a,), (b,)), ("ana", "ben"), 2)
    study, there = begin(store, plan)
    assert (there, study.asks_preference) == (False, True)
    assert begin(store, plan) == (study, True)
    assert find_study(store, study.id[:-2]) == study
    other, there = begin(store, Plan(((a,), (b,)), ("ana", "ben"), 2, seed=1))
    assert (other.id != study.id, there) == (True, False)
    mine = Grading(store, study, "ana").items()
    assert [item["place"] for item in mine] == [1, 2, 3]
    assert {(item["conversation"], item["seed"]) for item in mine} == {("tea", 0), ("bus", 0), ("bus", 1)}
    assert all({item["left_run"], item["right_run"]} == {a, b} for item in mine)
    assert mine[0]["cells"] == [(1, "left"), (1, "right"), (2, "left"), (2, "right")]
    seen = rows(
        store, "select rater, conversations, replies, graded, last from grading_progress where study = ?", study.id
    )
    assert seen == [("ana", 3, 12, 0, None), ("ben", 3, 12, 0, None)]


def test_a_reply_that_is_missing_on_one_side_is_not_graded_there(store, by_hand):
    a, b = by_hand({"tea": {0: "EP"}}), by_hand({"tea": {0: "E."}, "bus": {0: "E"}})
    study, _ = begin(store, Plan(((a,), (b,)), ("ana",), 1))
    (item,) = Grading(store, study, "ana").items()
    side = "left" if item["left_run"] == a else "right"
    assert item["cells"] == [(1, "left"), (1, "right"), (2, side)]


def test_only_what_no_program_decided_or_people_dispute(store, by_hand):
    run = by_hand({"tea": {0: "E--"}, "bus": {0: "-F"}})
    log = DialogueLog(store, run)
    verdict = {"seed": 0, "grader": "judge", "grader_hash": "j", "reason": "", "status": "graded"}
    log.grades([{**verdict, "conversation": "tea", "turn": 2, "grade": "pass"}])
    person = {**verdict, "grader": "people", "grader_hash": None}
    for name, conversation, turn, grade in (
        ("ana", "tea", 1, "fail"), ("ben", "tea", 1, "pass"), ("ana", "bus", 2, "fail"), ("ben", "bus", 2, "fail"),
        ("ana", "bus", 1, "fail"), ("ben", "bus", 1, "pass"), ("adjudicated", "bus", 1, "pass"),
    ):  # fmt: skip
        log.grades([{**person, "rater": name, "conversation": conversation, "turn": turn, "grade": grade}])

    def queued(*only):
        study, _ = begin(store, Plan(((run,),), ("cleo",), 1, only=only))
        items = Grading(store, study, "cleo").items()
        return {(item["conversation"], turn) for item in items for turn, _ in item["cells"]}

    assert queued("undecided") == {("tea", 3), ("bus", 1)}
    assert queued("disagreed") == {("tea", 1)}
    assert queued("undecided", "disagreed") == {("tea", 1), ("tea", 3), ("bus", 1)}


def test_before_a_queued_reply_the_conversation_is_shown_and_not_graded(store, by_hand):
    run = by_hand({"tea": {0: "EE-P"}})
    study, _ = begin(store, Plan(((run,),), ("ana",), 1, only=("undecided",)))
    grading = Grading(store, study, "ana")
    (item,) = grading.items()
    assert (item["cells"], [turn.number for turn in grading.talk(item).turns]) == ([(3, "left")], [1, 2, 3])
    refused = grading.take([Event("event-001", item["item"], 1, "left", "grade", "pass")])
    assert refused == {"event-001": "Turn 1, left, is not to be graded in this conversation."}
    assert grading.take([Event("event-002", item["item"], 3, "left", "grade", "pass")]) == {}
    assert grading.first_open() is None


@pytest.mark.parametrize("sides", [1, 2])
def test_known_replies_are_mixed_in_and_graded_apart(store, by_hand, sides):
    runs = [by_hand({c: {0: "EP"} for c in "abcdefgh"}, evaluation="known") for _ in range(sides)]
    study, _ = begin(store, Plan(tuple((run,) for run in runs), ("ana", "ben"), 2, calibration=20))
    grading = Grading(store, study, "ana")
    known = [item for item in grading.items() if item["known"]]
    assert len(known) == 2  # 20 % of 8, rounded up
    assert {item["item"] for item in known} == {
        item["item"] for item in Grading(store, study, "ben").items() if item["known"]
    }
    for item in known:
        turns = grading.talk(item).turns
        assert [turn.sides["left"].reply for turn in turns] == ["So."]
        for number, (turn, side) in enumerate(item["cells"]):
            assert not grading.take(
                [Event(f"event-{item['item']}-{number}", item["item"], turn, side, "grade", "pass")]
            )
    assert store.rows("select * from dialogue_grades where grader = 'people'") == []
    found = store.rows("select * from grading_calibration")
    assert len(found) == 2 * sides
    assert {(row["rater"], row["turn"], row["kind"], row["given"]) for row in found} == {("ana", 2, "why", "pass")}
    drawn = [of["known"] for item in known for of in item["known"].values()]
    assert sorted(row["known"] for row in found) == sorted(drawn)


REFUSED = [
    ({"sides": (("nowhere",),)}, "No dialogue run 'nowhere'"),
    ({"sides": (("run-1",), ("run-2",), ("run-3",))}, "3 sides cannot be graded side by side"),
    ({"sides": (("run-1",), ("run-1",))}, "named twice"),
    ({"sides": (("run-1",), ("run-3",))}, "of different evaluations"),
    ({"sides": (("run-1", "run-2"), ("run-4",))}, "Runs of one side share a seed"),
    ({"sides": (("run-1",), ("run-4",))}, "no conversation with the same seed in common"),
    ({"only": ("odd",)}, "--only takes undecided and disagreed"),
    ({"only": ("disagreed",)}, "No reply of these runs is undecided or disputed as asked"),
    ({"sides": (("run-5",),)}, "'interrupted', not done. Finish it with: lima dialogues run --resume run-5"),
    ({"only": ("",)}, "--only takes undecided and disagreed, with a comma between; not ''"),
    (
        {"reviews": 1},
        "2 raters, but 1 conversation, each graded by 1 of them: some would have nothing to grade. Name fewer",
    ),
    ({"raters": ("ana", "ＺＯＥ")}, "'ＺＯＥ' is written 'Zoe' in this database"),
    ({"reviews": 3}, "3 reviews of each conversation need as many raters; there are 2"),
    ({"calibration": 10}, "has no known replies. Leave out --calibration"),
]


def test_a_plan_that_cannot_be_is_a_sentence(store, by_hand, lima_plugins, Evaluations):
    lima_plugins(lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations())
    for values in ({}, {}, {"evaluation_hash": "other"}):
        by_hand({"tea": {0: "EP"}}, **values)
    by_hand({"tea": {1: "EP"}})
    DialogueLog(store, by_hand({"tea": {0: "EP"}})).mark("interrupted")
    said = {"conversation": "tea", "seed": 0, "turn": 1, "grade": "pass", "status": "graded", "reason": ""}
    DialogueLog(store, "run-4").grades([{**said, "grader": "people", "rater": "Zoe"}])
    for change, says in REFUSED:
        plan = {"sides": (("run-1",),), "raters": ("ana", "ben"), "reviews": 2} | change
        with pytest.raises(LimaError, match=says):
            begin(store, Plan(**plan))
    assert store.rows("select * from grading_studies") == []


def test_numbers_on_the_page_do_not_tell_what_is_known(store, by_hand):
    run = by_hand({f"c{n}": {0: "E"} for n in range(10)}, evaluation="known")
    highest = 0
    for seed in range(10):
        study, _ = begin(store, Plan(((run,),), ("ana",), 1, seed, calibration=20))
        items = sorted(Grading(store, study, "ana").items(), key=lambda item: item["item"])
        assert [item["item"] for item in items] == list(range(1, 13))
        highest += sum(item["known"] is not None for item in items[-2:])
    assert highest < 10  # 3.3 where numbers tell nothing; 20 where known ones come last


def test_two_known_replies_side_by_side_with_one_flaw_count_as_two(store, by_hand, monkeypatch):
    alike = {"topic": "Tea", "system": "", "known": "fail", "flaw": "echo", "kind": "why"}
    alike["turns"] = [
        {"user": "How?", "kind": "why", "requirements": [], "reply": "So.", "stop": "eot", "status": "answered"}
    ]
    monkeypatch.setattr("lima_dialogue_eval.people.studies.known_items", lambda *_: [("tea", [alike, alike])])
    runs = [by_hand({"bus": {0: "E"}}, evaluation="known") for _ in range(2)]
    study, _ = begin(store, Plan(tuple((run,) for run in runs), ("ana",), 1, calibration=10))
    grading = Grading(store, study, "ana")
    (number,) = (item["item"] for item in grading.items() if item["known"])
    sent = [
        Event(f"event-{side}", number, 1, side, "grade", grade) for side, grade in (("left", "fail"), ("right", "pass"))
    ]
    assert grading.take(sent) == {}
    assert calibration(store, study) == [{"rater": "ana", "replies": 2, "equal": 1}]
    assert rows(store, "select side, given from grading_calibration order by id") == [
        ("left", "fail"),
        ("right", "pass"),
    ]
    grading.take([Event("event-undo", number, 1, "left", "undo", "event-left")])
    assert calibration(store, study) == [{"rater": "ana", "replies": 1, "equal": 0}]


def test_what_a_study_leaves_out_is_counted(store, by_hand):
    first, second = by_hand({"tea": {0: "EPF", 1: "EP"}}), by_hand({"tea": {0: "E"}, "bus": {2: "P"}})
    study, _ = begin(store, Plan(((first,), (second,)), ("ana",), 1))
    assert outside(store, study.id, study.plan.sides) == 3  # seeds 1 and 2 have no other side
    (later,) = store.rows("select * from dialogue_turns where dialogue_run = ? and conversation = 'tea'", [second])
    DialogueLog(store, second).turns([{**later, "turn": 2}], [])
    assert outside(store, study.id, study.plan.sides) == 4
    whole, _ = begin(store, Plan(((first, second),), ("ana",), 1))
    assert outside(store, whole.id, whole.plan.sides) == 0


def test_what_no_page_can_have_sent_is_a_sentence(store, by_hand):
    study, _ = begin(store, Plan(((by_hand({"tea": {0: "E"}}),),), ("ana",), 1))
    grading = Grading(store, study, "ana")
    for number in (10**30, -1):
        for asked in (grading.at, grading.item):
            with pytest.raises(LimaError, match="onversation"):
                asked(number)
    assert "no such requirement" in grading.take([Event("event-001", 1, 1, "left", "tick", "0:yes")])["event-001"]
    with pytest.raises(LimaError, match="No such tick"):
        read_event({"id": "event-002", "item": 1, "turn": 1, "side": "left", "kind": "tick", "value": "٣:yes"})


def test_names_of_raters(store, by_hand):
    assert rater_names(" ana, Ben ,Zoë") == ("ana", "Ben", "Zoë")
    for text, says in (
        ("ana,,ben", "'' is not"),
        ("ana,ａna", "same name"),
        ("a\u200bna,ana", "same name"),
        ("Adjudicated", "No rater"),
        ("x" * 81, "not"),
    ):
        with pytest.raises(LimaError, match=says):
            rater_names(text)
    study, _ = begin(store, Plan(((by_hand({"tea": {0: "E"}}),),), ("ana",), 1))
    with pytest.raises(LimaError, match=f"'ben' is not a rater of study {study.id}. Its raters: ana."):
        Grading(store, study, "ben")


def test_what_people_did_can_be_neither_changed_nor_deleted(store, by_hand):
    study, _ = begin(store, Plan(((by_hand({"tea": {0: "E"}}),),), ("ana",), 1))
    grading = Grading(store, study, "ana")
    grading.take([Event("event-001", 1, 1, "left", "grade", "fail")])
    for table in ("grading_studies", "grading_raters", "grading_items", "grading_events"):
        for statement in (
            f"delete from {table}",
            f"update {table} set study = 'x'" if table != "grading_studies" else "",
        ):
            if statement:
                with pytest.raises(Exception, match="append-only"), store.write() as db:
                    db.execute(statement)
    assert json.loads(store.rows("select runs from grading_studies")[0]["runs"]) == [["run-1"]]
