"""The grading page in a real browser: keys, typing, undo, two pages of one rater, and nothing that says who spoke."""

import json
import re

import pytest
from graded_pages import SECONDS, asked, opened_browser, served


@pytest.fixture
def grading(store, by_hand):
    """grading(*arguments, **grades): a server for a study of as many runs as there are, of these conversations"""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(*arguments, runs=2, conversations=None):
            ids = [by_hand(conversations or {"tea": {0: "EP"}, "bus": {0: "PF"}}, arm=f"arm-{n}") for n in range(runs)]
            store.close()
            return stack.enter_context(served(store.path, *ids, *arguments))

        yield start


def now(page, turn, side):
    """Waits until this reply is the current one"""
    page.wait_for_selector(f".cell.now[data-turn='{turn}'][data-side={side}]", timeout=1000 * SECONDS)


def saved(page):
    page.wait_for_selector("#saved:text-is('All saved')", timeout=1000 * SECONDS)


@pytest.mark.slow
def test_a_rater_grades_two_dialogues_by_keys_alone(grading):
    server = grading("--raters", "ana,ben")
    with opened_browser() as browser:
        page = browser.new_context().new_page()
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.goto(server.links["ana"])
        now(page, 1, "left")
        for key in ("Control+1", "Alt+2", "Meta+3", "Shift+F", "a", "z"):
            page.keyboard.press(key)
        page.keyboard.press("c")
        page.keyboard.type("f 1 2 3 x u? but fine")
        page.keyboard.press("Escape")
        assert page.locator(".turn").count() == 1
        page.keyboard.press("e")
        now(page, 1, "right")
        page.keyboard.press("1")
        now(page, 2, "left")
        page.keyboard.press("u")
        now(page, 1, "right")
        page.keyboard.press("x")
        now(page, 2, "left")
        other = page.context.new_page()  # a second page of the same rater
        other.goto(page.url)
        now(other, 2, "left")
        page.keyboard.press("2")
        now(page, 2, "right")
        other.wait_for_selector("#cell-2-left [data-grade=pass][aria-pressed=true]", timeout=1000 * SECONDS)
        other.keyboard.press("ArrowDown")
        other.keyboard.press("3")
        page.wait_for_selector("#better:not([hidden])", timeout=1000 * SECONDS)
        page.keyboard.press("b")
        page.wait_for_selector("#end:not([hidden])")
        saved(page)
        page.keyboard.press("Enter")
        page.wait_for_selector("#page[data-place='2']", timeout=1000 * SECONDS)
        assert faults == []
    events = server.rows("select turn, side, kind, value from grading_events order by id")
    undone = server.rows("select event from grading_events where turn = 1 and side = 'right' and value = 'fail'")[0][0]
    assert events == [
        (1, "left", "comment", "f 1 2 3 x u? but fine"),
        (1, "left", "grade", "excellent"),
        (1, "right", "grade", "fail"),
        (1, "right", "undo", undone),
        (1, "right", "grade", "cannot judge"),
        (2, "left", "grade", "pass"),
        (2, "right", "grade", "excellent"),
        (0, "left", "prefer", "right"),
    ]
    newest = server.rows(
        "select grade, status, reason from dialogue_latest_grades where grader = 'people' order by turn, id"
    )
    assert newest == [
        ("excellent", "graded", "f 1 2 3 x u? but fine"),
        (None, "cannot judge", ""),
        ("pass", "graded", ""),
        ("excellent", "graded", ""),
    ]
    assert server.stop() == (0, "", "")


def test_the_pages_of_a_rater_name_no_run_and_open_no_one_else_s(grading):
    server = grading("--raters", "ana,ben", "--reviews", "1", conversations={"tea": {0: "E"}, "bus": {0: "P"}})
    # The replies that `by_hand` writes say which run spoke; they are not what is looked for.
    status, text = asked(server.links["ana"], "conversations/1")
    shown = re.sub(r'<div class="text">.*?</div>', "", text, flags=re.S)
    assert status == 200
    assert not re.search(r"run-\d|arm-\d|by hand|requirements\b(?!\.)", shown.replace('class="requirements"', ""))
    assert asked(server.links["ana"], "conversations/2")[0] == 400
    assert asked(server.links["ana"], "settle/1/1/left")[0] == 403
    assert asked(server.links["coordinator"], "conversations/1")[0] == 403
    assert asked(server.links["coordinator"], "events", {"item": 1, "have": 1, "events": []})[0] == 403
    mine = int(re.search(r'data-item="(\d+)"', text)[1])
    event = {"id": "made-0001", "item": 3 - mine, "turn": 1, "side": "left", "kind": "grade", "value": "pass"}
    status, text = asked(
        server.links["ana"], "events", {"item": mine, "have": 1, "events": [event, {**event, "id": 7}, "odd"]}
    )
    assert (status, "is not one of ana" in text, "Not an event of grading" in text) == (200, True, True)
    for body in ({}, {"item": "1", "have": 1, "events": []}, {"item": mine, "have": 1, "events": [event] * 51}, [1]):
        assert asked(server.links["ana"], "events", body)[0] == 400
    assert asked(server.links["ana"], "events", "x" * 1_000_001)[0] == 413
    assert (
        asked(server.links["ana"], "events", {"item": mine, "have": 1, "events": []}, Origin="http://evil.example")[0]
        == 403
    )
    assert server.rows("select * from grading_events") == []


@pytest.mark.slow
def test_who_has_seen_the_models_changes_no_grade(grading):
    server = grading("--raters", "ana,ben", conversations={"tea": {0: "E"}})

    def sends(rater, *events):
        events = [
            {"id": f"{rater}-{n}-{value}", "item": 1, "turn": turn, "side": side, "kind": kind, "value": value}
            for n, (turn, side, kind, value) in enumerate(events)
        ]
        status, text = asked(server.links[rater], "events", {"item": 1, "have": 1, "events": events})
        return status, list(json.loads(text)["refused"].values())

    def sees():
        return "arm-0" in asked(server.links["ana"])[1]

    whole = ((1, "left", "grade", "pass"), (1, "right", "grade", "fail"), (0, "left", "prefer", "left"))
    assert sends("ana", *whole) == (200, [])
    assert asked(server.links["ana"], "named", "")[0] == 303  # too early: ben grades still
    assert sends("ben", *whole[:2]) == (200, [])
    assert not sees()
    assert sends("ana", (1, "left", "grade", "fail")) == (200, [])
    assert sends("ben", *whole) == (200, [])
    assert not sees()
    assert asked(server.links["ana"], "named", "")[0] == 303
    assert sees()
    assert sends("ana", (1, "left", "grade", "excellent"), (0, "left", "prefer", "right")) == (
        200,
        ["You have seen which model spoke, so what you graded before stays as it is."] * 2,
    )
    assert sends("ben", (1, "left", "grade", "excellent")) == (200, [])  # has not looked


@pytest.mark.slow
def test_a_grade_that_a_dead_server_did_not_get_is_kept_when_the_page_is_closed(grading):
    server = grading("--raters", "ana", runs=1, conversations={"tea": {0: "EP"}})
    with opened_browser() as browser:
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.links["ana"])
        now(page, 1, "left")
        server.kill()
        page.keyboard.press("2")
        page.wait_for_selector("#saved:has-text('Not saved yet')", timeout=1000 * SECONDS)
        assert page.get_attribute("[data-grade=pass]", "aria-pressed") == "true"
        page.keyboard.press("1")  # the next reply is not in view yet: this key is for nothing
        page.close()
        assert server.rows("select * from grading_events") == []
        server.start()  # the usual port of the study, and the same link
        page = context.new_page()
        page.goto(server.links["ana"])
        now(page, 2, "left")
        page.click("#cell-2-left [data-grade=excellent]")  # by the mouse
        page.wait_for_selector("#end:not([hidden])", timeout=1000 * SECONDS)
        saved(page)
    assert server.rows("select turn, value from grading_events") == [(1, "pass"), (2, "excellent")]
    grades = server.rows("select grade, status from dialogue_grades where grader = 'people' order by id")
    assert grades == [("pass", "graded"), ("excellent", "graded")]


@pytest.mark.slow
def test_what_another_page_saves_while_this_one_is_on_its_way_is_not_graded_twice(grading):
    server = grading("--raters", "ana", conversations={"tea": {0: "EP"}})
    event = {"id": "made-0001", "item": 1, "turn": 1, "side": "left", "kind": "grade", "value": "pass"}

    def late(route):
        """The page as it was before the other one's grade came"""
        before = route.fetch()
        assert asked(server.links["ana"], "events", {"item": 1, "have": 1, "events": [event]})[0] == 200
        route.fulfill(response=before)

    with opened_browser() as browser:
        page = browser.new_context().new_page()
        page.route("**/conversations/1", late)
        page.goto(f"{server.links['ana']}conversations/1")
        now(page, 1, "right")
        page.keyboard.press("1")
        now(page, 2, "left")
    assert server.rows("select side, value from grading_events order by id") == [("left", "pass"), ("right", "fail")]


@pytest.mark.slow
def test_what_lima_never_takes_holds_up_no_grade(grading):
    """A request that is refused as a whole, here for half of a character, is not sent again for ever"""
    server = grading("--raters", "ana", runs=1, conversations={"tea": {0: "EP"}})
    half = "{item: 1, turn: 1, side: 'left', kind: 'comment', value: '\\ud83d', id: 'half-0001', made: 0, count: 0}"
    with opened_browser() as browser:
        page = browser.new_context().new_page()
        page.goto(server.links["ana"])
        now(page, 1, "left")
        page.evaluate(f"outbox.events.push({half})")
        page.keyboard.press("2")
        now(page, 2, "left")
        page.wait_for_selector("#saved:has-text('not JSON')", timeout=1000 * SECONDS)
        page.evaluate("send('comment', 'cut \\ud83d', {turn: 2, side: 'left'})")
        page.keyboard.press("3")
        page.wait_for_selector("#end:not([hidden])", timeout=1000 * SECONDS)
        saved(page)
    found = server.rows("select turn, kind, value from grading_events order by id")
    assert found == [(1, "grade", "pass"), (2, "comment", "cut \ufffd"), (2, "grade", "excellent")]


@pytest.mark.slow
def test_the_coordinator_settles_a_disagreement_from_a_form(grading):
    server = grading("--raters", "ana,ben", runs=1, conversations={"tea": {0: "E"}})
    for rater, value in (("ana", "pass"), ("ben", "fail")):
        event = {"id": f"made-{rater}", "item": 1, "turn": 1, "side": "left", "kind": "grade", "value": value}
        assert asked(server.links[rater], "events", {"item": 1, "have": 0, "events": [event]})[0] == 200
    with opened_browser() as browser:
        page = browser.new_context().new_page()
        page.goto(server.links["coordinator"])
        assert "0 of 1" in page.inner_text("main")
        page.click("a:text('About tea, turn 1')")
        page.fill("textarea", "It says all.")
        page.click("button:text('Excellent')")
        page.wait_for_selector("h2:text('Models')", timeout=1000 * SECONDS)  # all have finished
        assert page.locator("td:text-is('excellent')").count() == 1
    found = server.rows("select rater, grade, reason from dialogue_grades where grader = 'people' order by id")
    assert found == [("ana", "pass", ""), ("ben", "fail", ""), ("adjudicated", "excellent", "It says all.")]
