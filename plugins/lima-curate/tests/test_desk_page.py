"""The page of `lima curate` in a real browser: everything by the keyboard, killed in the middle, and two pages of one person."""

import json

import pytest
from curated_pages import MS, Curating, now, on, rows_file, saved, turns
from graded_pages import asked, opened_browser, served

CHAIN = ("Why is the sky blue?", "Air scatters blue light.", "Also at night? And at dusk?", "Less light reaches us.")
PAIR = ("What is tea?", "A drink.")


def counted(server):
    return server.rows("select candidate, kind from curation_events order by id")


def test_a_person_edits_splits_and_accepts_by_keys_alone(tmp_path):
    file = rows_file(tmp_path, CHAIN, PAIR)
    with served(tmp_path / "l.db", str(file), "--people", "ana", kind=Curating) as server, opened_browser() as browser:
        page = browser.new_context().new_page()
        faults = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.goto(server.links["ana"])
        on(page, 1)
        for key in ("Control+a", "Alt+r", "Shift+D", "z"):
            page.keyboard.press(key)
        for _ in range(2):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("e")
        page.keyboard.press("Home")
        for _ in range(len("Also at night?")):
            page.keyboard.press("ArrowRight")
        page.keyboard.type(" a r u d?")  # no key does anything while somebody types
        page.keyboard.press("Control+Enter")
        turns(page, 5)
        now(page, 4)
        page.keyboard.press("a")
        page.wait_for_selector("#said:has-text('turn 4 is the user')", timeout=MS)
        page.keyboard.press("d")
        turns(page, 4)
        page.keyboard.press("a")
        on(page, 2)
        page.keyboard.press("w")
        page.keyboard.type("Too short")
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Everything is decided')", timeout=MS)
        assert faults == []
        events = server.rows("select candidate, kind, value from curation_events order by id")
    assert [(number, kind, json.loads(value)) for number, kind, value in events] == [
        (1, "text", {"turn": 3, "text": "Also at night? a r u d? And at dusk?"}),
        (1, "split", {"turn": 3, "at": len("Also at night? a r u d?")}),
        (1, "delete", {"turn": 4}),
        (1, "accept", {}),
        (2, "reject", {"reason": "Too short"}),
    ]


@pytest.mark.slow
def test_every_key_does_what_the_page_says(tmp_path):
    file = rows_file(tmp_path, CHAIN, PAIR, ("One?", "Two."))
    with served(tmp_path / "l.db", str(file), "--people", "ana", kind=Curating) as server, opened_browser() as browser:
        page = browser.new_context().new_page()
        page.goto(server.links["ana"])
        on(page, 1)
        page.keyboard.press("m")
        turns(page, 3)
        page.keyboard.press("u")
        turns(page, 4)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("o")
        page.wait_for_selector("#turn-2.user", timeout=MS)
        saved(page)
        page.keyboard.press("u")
        page.wait_for_selector("#turn-2.assistant", timeout=MS)
        saved(page)
        page.keyboard.press("i")
        page.wait_for_selector("#turn-3 textarea:focus", timeout=MS)
        page.keyboard.type("And\n  why?")
        page.keyboard.press("Escape")
        page.wait_for_selector("#turn-3 .text:has-text('And')", timeout=MS)
        saved(page)
        page.keyboard.press("ArrowRight")
        on(page, 2)
        page.keyboard.press("s")
        on(page, 3)
        page.keyboard.press("r")
        on(page, 1)  # the next undecided one, from the first again
        page.keyboard.press("ArrowRight")
        on(page, 2)
        page.keyboard.press("u")  # nothing was done here: to what was done last
        on(page, 3)
        page.keyboard.press("u")
        page.wait_for_selector("#notes b:text-is('Undecided')", timeout=MS)
        page.keyboard.press("b")
        on(page, 2)
        page.keyboard.press("?")
        page.keyboard.press("a")
        page.keyboard.press("Escape")
    assert [kind for _, kind in counted(server)].count("undo") == 3
    assert server.rows("select value from curation_events where kind = 'text' order by id")[0] == (
        json.dumps({"turn": 3, "text": "And\n  why?"}),
    )


@pytest.mark.slow
def test_an_answer_that_comes_while_the_page_is_left_leads_nowhere_else(tmp_path):
    """What a page asks for as it opens may be answered when a key has already led away from it"""
    file = rows_file(tmp_path, CHAIN, PAIR, ("One?", "Two."))
    with served(tmp_path / "l.db", str(file), "--people", "ana", kind=Curating) as server, opened_browser() as browser:
        page = browser.new_context().new_page()
        page.goto(server.links["ana"])
        on(page, 1)
        held = []
        page.route("**/events", lambda route: route.continue_() if held else held.append(route))
        page.keyboard.press("ArrowRight")
        page.wait_for_selector("#page[data-candidate='2'] .turn.now", timeout=MS)
        page.route("**/candidates/1", lambda route: held.append(route))
        page.keyboard.press("ArrowLeft")
        while len(held) < 2:
            page.wait_for_timeout(20)
        answer, document = held
        assert (answer.request.url[-7:], document.request.url[-1:]) == ("/events", "1")
        with page.expect_event("requestfinished", lambda request: request == answer.request, timeout=MS):
            answer.continue_()
        # For the page to take it: while a page's successor is held back a browser may run no script that tells.
        page.wait_for_timeout(300)
        document.continue_()
        on(page, 1)


@pytest.mark.slow
def test_a_new_example_is_written_and_found_by_keys_alone(tmp_path):
    file = rows_file(tmp_path, CHAIN, PAIR, ("One?", "Two."))
    with served(tmp_path / "l.db", str(file), "--people", "ana", kind=Curating) as server, opened_browser() as browser:
        page = browser.new_context().new_page()
        page.goto(server.links["ana"])
        on(page, 1)
        page.keyboard.press("n")
        page.wait_for_selector("h1:text-is('A new example')", timeout=MS)
        page.wait_for_selector("#turn-1 textarea:focus", timeout=MS)
        page.keyboard.type("Hello?")
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowDown")
        page.wait_for_selector("#turn-2.now", timeout=MS)
        saved(page)
        page.keyboard.press("Enter")
        page.keyboard.type("Hi.")
        page.keyboard.press("Escape")
        saved(page)
        page.keyboard.press("a")
        on(page, 1)
        page.keyboard.press("l")
        page.wait_for_selector("table.candidates", timeout=MS)
        page.keyboard.press("/")
        page.keyboard.type("tea")
        page.keyboard.press("Enter")
        page.wait_for_selector("#said:has-text('1 of 4')", timeout=MS)
        page.keyboard.press("s")
        on(page, 2)
        assert page.inner_text("#list") == "1 of 1 shown"
    assert [kind for _, kind in counted(server)] == ["text", "text", "accept"]


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_kill_and_what_was_not_is_sent_again(tmp_path):
    file = rows_file(tmp_path, CHAIN, PAIR)
    with served(tmp_path / "l.db", str(file), "--people", "ana", kind=Curating) as server, opened_browser() as browser:
        page = browser.new_context().new_page()
        page.goto(server.links["ana"])
        on(page, 1)
        page.keyboard.press("m")
        turns(page, 3)
        server.kill()
        assert counted(server) == [(1, "merge")]
        page.keyboard.press("e")
        page.keyboard.type("My ")
        page.keyboard.press("Escape")
        page.wait_for_selector("#saved:has-text('Not saved yet')", timeout=MS)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("d")
        page.keyboard.press("d")  # what stands then is not in view yet: this key is for nothing
        page.close()
        server.start()  # at the same address
        page = browser.contexts[0].new_page()
        page.goto(server.links["ana"])
        turns(page, 2)
        assert counted(server) == [(1, "merge"), (1, "text"), (1, "delete")]
        for count in (3, 3, 4):
            page.keyboard.press("u")
            turns(page, count)
        page.keyboard.press("a")
        on(page, 2)
        server.kill()
        server.start()
    assert server.rows("select kind from curation_events order by id desc limit 1") == [("accept",)]
    assert server.rows("pragma integrity_check") == [("ok",)]


@pytest.mark.slow
def test_two_pages_of_one_person_show_what_stands_and_lose_no_text(tmp_path):
    file = rows_file(tmp_path, CHAIN)
    with served(tmp_path / "l.db", str(file), "--people", "ana", kind=Curating) as server, opened_browser() as browser:
        context = browser.new_context()
        one, other = context.new_page(), context.new_page()
        one.goto(server.links["ana"])
        other.goto(server.links["ana"])
        on(one, 1)
        on(other, 1)
        other.keyboard.press("e")
        other.keyboard.type("Lost ")
        one.keyboard.press("ArrowDown")
        one.keyboard.press("d")
        turns(one, 3)
        other.keyboard.press("Escape")
        other.wait_for_selector("#said:has-text('changed elsewhere')", timeout=MS)
        turns(other, 3)
        assert "Lost" in other.input_value("#lost-text")
    assert [kind for _, kind in counted(server)] == ["delete"]


@pytest.mark.slow
def test_the_coordinator_takes_a_version_and_each_link_opens_its_own(tmp_path):
    file = rows_file(tmp_path, CHAIN, PAIR)
    people = ("--people", "ana,ben", "--reviews", "2")
    with served(tmp_path / "l.db", str(file), *people, kind=Curating) as server, opened_browser() as browser:
        done = {"ana": [("text", {"turn": 1, "text": "Why blue?"}), ("accept", {})], "ben": [("accept", {})]}
        for person, events in done.items():
            sent = [
                {"id": f"made-{person}-{n}", "candidate": 1, "kind": kind, "value": value, "seen": n}
                for n, (kind, value) in enumerate(events)
            ]
            body = {"candidate": 1, "show": "all", "search": "", "events": sent}
            status, text = asked(server.links[person], "events", body)
            assert (status, json.loads(text)["refused"]) == (200, {})
        assert asked(server.links["ana"], "settle/1")[0] == 403
        assert asked(server.links["coordinator"], "candidates/1")[0] == 403
        assert asked(server.links["coordinator"], "events", body)[0] == 403
        assert asked(server.links["ana"], "events", {**body, "events": "x"})[0] == 400
        assert asked(server.links["ana"], "candidates/99")[0] == 400
        page = browser.new_context().new_page()
        page.goto(server.links["coordinator"])
        page.click("a:has-text('Why is the sky')")
        page.click("button:has-text('Take the version of ana')")
        page.wait_for_selector("td:has-text('edited as by ana')", timeout=MS)
    assert server.rows("select person, kind, value from curation_events order by id desc limit 1") == [
        ("", "settle", '{"by": "ana"}')
    ]
