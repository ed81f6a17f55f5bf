"""`lima curate` in a process of its own, and what tests do on its pages in a real browser."""

import json

from graded_pages import SECONDS, Served

MS = 1000 * SECONDS


class Curating(Served):
    """`lima curate` with these arguments on a database"""

    command, plugins = ("curate",), "lima-chat,lima-dialogue-eval,lima-curate"


def rows_file(folder, *dialogues, name="chains.jsonl"):
    """A file of dialogues, each a list of texts"""
    file = folder / name
    rows = [
        {"id": f"c-{n}", "messages": [{"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(said)]}
        for n, said in enumerate(dialogues, 1)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def on(page, number):
    """Waits until this candidate is in view and its keys work"""
    page.wait_for_selector(f"#page[data-candidate='{number}'] .turn.now", timeout=MS)
    saved(page)


def saved(page):
    page.wait_for_selector("#saved:text-is('All saved')", timeout=MS)


def turns(page, count):
    """Waits until the candidate has this many turns"""
    from playwright.sync_api import expect

    expect(page.locator(".turn")).to_have_count(count, timeout=MS)
    saved(page)


def now(page, turn):
    """Waits until this turn is the current one"""
    page.wait_for_selector(f"#turn-{turn}.now", timeout=MS)
