"""Hostile texts in every field of the pages, and whether everybody can use them: no script runs, axe finds nothing.

The escaping is tested with the content security policy switched off, so that neither hides a hole in the other.
"""

import json

import pytest
from curated_pages import MS, Curating, on, saved
from graded_pages import asked, opened_browser, served

from lima_curate.dataset import MARK

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
PEOPLE = SCRIPTS[1], SCRIPTS[2]


@pytest.fixture
def hostile(tmp_path):
    """A server with hostile texts wherever a file or a person gave one; two people disagree"""
    file = tmp_path / "odd.jsonl"
    credits = [{"author": HOSTILE, "url": HOSTILE, "licence": HOSTILE, "part": HOSTILE, "author_url": HOSTILE}]
    turns = [{"role": role, "content": HOSTILE} for role in ("system", "user", "assistant")]
    about = {"id": HOSTILE, "licence": HOSTILE, "provenance": HOSTILE, "source": HOSTILE, "credits": credits}
    file.write_text(json.dumps({MARK: 1, **about, "dialogue": {"turns": turns}}) + "\n")
    people = ("--people", ",".join(PEOPLE), "--reviews", "2", "--name", "odd")
    with served(tmp_path / "l.db", str(file), *people, kind=Curating) as server:
        for link, last in zip(server.links.values(), (("accept", {}), ("reject", {"reason": HOSTILE})), strict=False):
            events = [("text", {"turn": 1, "text": f"{HOSTILE} {HOSTILE}"}), last]
            sent = [
                {"id": f"made-{n}-{link[-9:-1]}", "candidate": 1, "kind": kind, "value": value, "seen": n}
                for n, (kind, value) in enumerate(events)
            ]
            status, text = asked(link, "events", {"candidate": 1, "show": "all", "search": "", "events": sent})
            assert (status, json.loads(text)["refused"]) == (200, {})
        yield server


def visited(page, server):
    """Opens one page after another; its name, and what must be on it"""
    first, second, coordinator = server.links.values()
    page.goto(f"{first}candidates/1")
    on(page, 1)
    page.click("summary")
    yield "candidate", "#turn-3 .text"
    page.keyboard.press("ArrowDown")
    page.focus(".turn.now")
    page.keyboard.press("e")
    page.keyboard.type("x")
    page.keyboard.press("Escape")
    page.wait_for_selector("#notes b:text-is('Undecided')", timeout=MS)
    saved(page)
    yield "edited", "#turn-1 .hidden-character"
    page.keyboard.press("u")
    page.wait_for_selector("#notes b:text-is('Accepted'), #notes b:text-is('Edited')", timeout=MS)
    page.keyboard.press("?")
    yield "keys", "dialog[open] kbd"
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    yield "why", "#why[open] #reason"
    page.keyboard.press("Escape")
    page.goto(f"{second}list?show=rejected&q=%3Cscript%3E")
    yield "list", ".candidates .mark.rejected"
    page.goto(coordinator)
    yield "coordinator", ".mark.disputed"
    page.click("a[href^=settle]")
    yield "dispute", ".versions .text"


@pytest.mark.slow
def test_no_text_runs_or_leads_out_of_the_page_and_everybody_can_use_them(hostile, tmp_path):
    from axe_playwright_python.sync_playwright import Axe

    with opened_browser() as browser:
        for scheme, width in (("light", 1280), ("dark", 390)):
            context = browser.new_context(
                bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900}
            )
            page = context.new_page()
            asked_for, dialogs, findings = [], [], {}
            page.on("request", lambda request, seen=asked_for: seen.append(request.url))
            page.on("dialog", lambda dialog, seen=dialogs: (seen.append(dialog.message), dialog.dismiss()))
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
            assert dialogs == []
            places = {url.split("/")[2] for url in asked_for if not url.startswith("data:")}
            assert places == {f"127.0.0.1:{hostile.port}"}
            # The browser would have run them: what stays harmless above is not harmless by itself.
            page.evaluate("text => { document.querySelector('main').innerHTML = text }", SCRIPTS[1])
            page.wait_for_function("typeof owned === 'number'")
            context.close()
