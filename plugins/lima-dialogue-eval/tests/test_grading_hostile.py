"""Hostile texts in every field of the grading pages, and whether everybody can use them: no script runs, axe finds nothing.

The escaping is tested with the content security policy switched off, so that neither hides a hole in the other.
"""

import json

import pytest
from graded_pages import SECONDS, asked, opened_browser, served

from lima_dialogue_eval.record.log import DialogueLog

SCRIPTS = (
    "<script>owned=1</script>",
    "<img src=x onerror=owned=1>",
    "\"'><svg onload=owned=1>",
    "</textarea></template></title><script>owned=1</script>",
    "{{ 7*7 }}{% raw %}<iframe srcdoc='<script>parent.owned=1</script>'>",
    "javascript:owned=1",
    "\u202e\u2066\x1b[31m\x00</div></main>",
)
HOSTILE = " ".join(SCRIPTS)


@pytest.fixture
def hostile(store, by_hand):
    """A server with hostile texts wherever a model, a file or a person gave one; two raters disagree on everything"""
    runs = []
    for n in range(2):
        run = by_hand({"tea": {0: "EP"}}, arm=f"{HOSTILE}{n}", model=HOSTILE)
        log = DialogueLog(store, run)
        row = {
            "conversation": "tea",
            "seed": 0,
            "user": HOSTILE,
            "reply": HOSTILE,
            "status": "answered",
            "kind": HOSTILE,
        }
        row |= {"requirements": json.dumps([{"text": HOSTILE}]), "stop": HOSTILE, "seconds": 1, "message": HOSTILE}
        log.turns([{**row, "turn": turn} for turn in (1, 2)], [])
        runs.append(run)
    with store.write() as db:
        db.execute("update dialogue_conversations set topic = :text, system = :text", {"text": HOSTILE})
    store.close()
    raters = SCRIPTS[1], SCRIPTS[2], f"Zoë {SCRIPTS[6].replace(chr(0), '')}"
    with served(store.path, *runs, "--raters", ",".join(raters)) as server:
        for link, value in zip(server.links.values(), ("pass", "fail", "fail"), strict=False):
            events = [
                {"id": f"made-{kind}-{turn}-{side}", "item": 1, "turn": turn, "side": side, "kind": kind, "value": what}
                for turn in (1, 2)
                for side in ("left", "right")
                for kind, what in (("comment", HOSTILE), ("tick", "0:yes"), ("grade", value))
            ]
            events = [{**event, "id": f"{event['id']}-{link[-9:-1]}"} for event in events]
            status, text = asked(link, "events", {"item": 1, "have": 0, "events": events})
            assert (status, json.loads(text)["refused"]) == (200, {})
        yield server


@pytest.mark.slow
def test_no_text_runs_or_leads_out_of_the_page_and_everybody_can_use_them(hostile):
    from axe_playwright_python.sync_playwright import Axe

    with opened_browser() as browser:
        for scheme, width in (("light", 1280), ("dark", 390)):
            context = browser.new_context(
                bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900}
            )
            page = context.new_page()
            asked_for, dialogs = [], []
            page.on("request", lambda request, seen=asked_for: seen.append(request.url))
            page.on("dialog", lambda dialog, seen=dialogs: (seen.append(dialog.message), dialog.dismiss()))
            findings = {}
            for name, elements in visited(page, hostile):
                assert page.evaluate("typeof owned") == "undefined", name
                assert page.locator("main img, main svg, main iframe, main script").count() == 0, name
                assert page.locator(elements).count() > 0, name
                found = Axe().run(page).response["violations"]
                findings |= {
                    (name, one["id"]): one["nodes"] for one in found if one["impact"] in ("serious", "critical")
                }
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                    f"{name} is wider than {width}"
                )
            assert findings == {}
            ticks = "select value from grading_events where kind = 'tick' and turn = 1 and side = 'left' and rater = ?"
            assert hostile.rows(f"{ticks} order by id", SCRIPTS[1])[-1] == ("0:no" if scheme == "light" else "0:yes",)
            assert dialogs == []
            assert {url.split("/")[2] for url in asked_for if not url.startswith("data:")} == {
                f"127.0.0.1:{hostile.port}"
            }
            # The browser would have run them: what stays harmless above is not harmless by itself.
            page.evaluate("text => { document.querySelector('main').innerHTML = text }", SCRIPTS[1])
            page.wait_for_function("typeof owned === 'number'")
            assert "image-alt" in {one["id"] for one in Axe().run(page).response["violations"]}
            context.close()


def visited(page, server):
    """Opens one page after another; its name, and what must be on it"""
    first, *_, coordinator = server.links.values()
    page.goto(f"{first}conversations/1")
    page.wait_for_selector("#better:not([hidden])", timeout=1000 * SECONDS)
    assert page.input_value("#cell-1-left textarea").startswith(SCRIPTS[0])
    assert page.is_checked("#cell-2-right [data-tick]")
    page.focus("#cell-1-left [data-tick]")
    page.keyboard.press("Space")
    page.wait_for_selector("#saved:text-is('All saved')")
    yield "conversation", ".cell [data-grade][aria-pressed=true]"
    page.keyboard.press("?")
    yield "keys", "dialog[open] kbd"
    page.keyboard.press("Escape")
    page.goto(coordinator)
    yield "coordinator", "table .mark.fail"
    page.click("a[href^=settle] >> nth=0")
    yield "dispute", "form [name=grade]"
    for link in list(server.links.values())[:-1]:
        page.goto(link)
        page.wait_for_selector("#better:not([hidden]), h1:has-text('Everything')", timeout=1000 * SECONDS)
        if page.locator("#better").count():
            page.keyboard.press("a")
            page.wait_for_selector("#saved:text-is('All saved')")
            page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('Everything is graded')", timeout=1000 * SECONDS)
    if page.locator("button:text('Name the models')").count():
        page.click("button:text('Name the models')")
        page.wait_for_selector("h2:text('What you graded')", timeout=1000 * SECONDS)
    yield "finished", "h2:text('What you graded')"
    page.goto(coordinator)
    yield "coordinator at the end", "h2:text('Models')"
