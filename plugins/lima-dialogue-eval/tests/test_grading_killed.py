"""Four people grade at once by the keyboard while the server is killed again and again: no grade is lost, and none is doubled."""

import asyncio
import time
from collections import Counter

import pytest
from graded_pages import FLAGS, Served, chromium

RATERS = ("ana", "ben", "cleo", "dan")
CONVERSATIONS, TURNS, KILLS = 50, 5, 10
KEYS = {"1": "fail", "2": "pass", "3": "excellent"}
LONGEST = 60_000
"Milliseconds that a rater waits for the page to move on; a server that was killed is back well before"


async def grade_all(browser, link, number, pressed):
    """Grade whatever is current by one key, as a person does who looks at nothing else; notes what was pressed in which cell"""
    page = await (await browser.new_context()).new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(link)
    for conversation in range(CONVERSATIONS):
        item = await page.get_attribute("#page", "data-item")
        for turn in range(1, TURNS + 1):
            await page.wait_for_selector(f"#page[data-item='{item}'] .cell.now[data-turn='{turn}']", timeout=LONGEST)
            key = "123"[(7 * conversation + 3 * turn + number) % 3]
            pressed[int(item), turn] = KEYS[key]
            await page.keyboard.press(key)
        await page.wait_for_selector(f"#page[data-item='{item}'] #end:not([hidden])", timeout=LONGEST)
        if conversation < CONVERSATIONS - 1:
            await page.keyboard.press("Enter")
            await page.wait_for_selector(f"#page:not([data-item='{item}'])", timeout=LONGEST)
    await page.wait_for_selector("#saved:text-is('All saved')", timeout=LONGEST)
    assert faults == []


async def kill_often(server, done):
    """kill -9 after every so many grades, and start again on the same port; how often"""
    step, killed = len(RATERS) * CONVERSATIONS * TURNS // (KILLS + 1), 0
    while not done.is_set():
        await asyncio.sleep(0.02)
        if killed < KILLS and server.rows("select count(*) from grading_events")[0][0] >= (killed + 1) * step:
            port = server.port
            server.kill()
            killed += 1
            await asyncio.to_thread(server.start, "--port", str(port))
    return killed


async def studied(server):
    from playwright.async_api import async_playwright

    pressed = {rater: {} for rater in RATERS}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        done = asyncio.Event()
        killer = asyncio.create_task(kill_often(server, done))
        try:
            async with asyncio.timeout(400):
                await asyncio.gather(
                    *(grade_all(browser, server.links[r], n, pressed[r]) for n, r in enumerate(RATERS))
                )
        finally:
            done.set()
            killed = await killer
            await browser.close()
    return pressed, killed


@pytest.mark.slow
def test_a_thousand_grades_by_four_people_survive_ten_kills(store, by_hand):
    run = by_hand({f"c{n:02}": {0: "E" * TURNS} for n in range(CONVERSATIONS)})
    store.close()
    server = Served(store.path, run, "--raters", ",".join(RATERS))
    try:
        started = time.monotonic()
        pressed, killed = asyncio.run(studied(server))
        print(f"{time.monotonic() - started:.0f} s for {len(RATERS) * CONVERSATIONS * TURNS} grades and {killed} kills")
    finally:
        server.kill()
    assert killed == KILLS
    events = server.rows("select rater, item, turn, kind, value, event from grading_events")
    assert Counter(row[:3] for row in events) == {(r, *cell): 1 for r in RATERS for cell in pressed[r]}
    assert {row[:3]: row[4] for row in events} == {(r, *cell): v for r in RATERS for cell, v in pressed[r].items()}
    items = dict(server.rows("select item, conversation from grading_items where rater = 'ana'"))
    grades = server.rows("select rater, conversation, turn, grade from dialogue_grades where grader = 'people'")
    assert len(grades) == len(RATERS) * CONVERSATIONS * TURNS == 1000
    wanted = {(r, items[item], turn, value) for r in RATERS for (item, turn), value in pressed[r].items()}
    assert set(grades) == wanted
    assert server.rows("pragma integrity_check") == [("ok",)]
