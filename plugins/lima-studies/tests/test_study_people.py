"""People read replies on the page: a real server and a real browser, blind, by group; nothing is lost, doubled or run as HTML."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing, contextmanager
from urllib.parse import urlencode, urlsplit

import pytest

from lima import LimaError, Store
from lima.testing import only_plugins
from lima_studies.figures.choices import choosers
from lima_studies.kinds.preference import Preference
from lima_studies.people.assigning import invite, teams_of
from lima_studies.people.desk import Desk
from lima_studies.report.page import write_document

HOSTILE = "</div><script>document.title = 'owned'</script><img src=x onerror=alert(1)>\u202e"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


def test_cases_are_shared_and_divided_and_sides_are_balanced(made):
    study = made("preference", [f"p{n:02}" for n in range(40)], ["LIMA", "x", "y"]).study
    teams = teams_of(["crowd:ana, ben", "authors:cy", "dan"])
    assert teams == {"crowd": ["ana", "ben", "dan"], "authors": ["cy"]}
    assert invite(study, Preference(), {"crowd": ["ana", "ben"]}, 20, 1, False) == ["ana", "ben"]
    invite(study, Preference(), {"authors": ["cy"]}, 20, 1, True)
    before = study.assignments()
    invite(study, Preference(), {"crowd": ["ana", "ben"], "authors": ["cy"]}, 5, 1, False)
    assert study.assignments() == before  # what was drawn stays
    own = {name: [r for r in before if r["rater"] == name] for name in ("ana", "ben", "cy")}
    cases = {name: {(r["prompt"], *sorted((r["first"], r["second"]))) for r in rows} for name, rows in own.items()}
    assert {name: len(some) for name, some in cases.items()} == {"ana": 50, "ben": 50, "cy": 20}
    assert len(cases["ana"] & cases["ben"]) == 20
    assert cases["cy"] == cases["ana"] & cases["ben"]
    assert len(cases["ana"] | cases["ben"]) == 80
    for rows in own.values():
        first = Counter(r["first"] == "LIMA" for r in rows)
        assert abs(first[True] - first[False]) <= 2
    for wrong, said in (
        ("judges:x", "names no group"),
        (":x", "names no group"),
        ("a:x,x", "named twice"),
        ("a:", "not the name of a rater"),
    ):
        with pytest.raises(LimaError, match=said):
            teams_of([wrong])
    with pytest.raises(LimaError, match="has a rater 'ana' already"):
        invite(study, Preference(), {"crowd": ["Ana"]}, 20, 1, False)


def test_people_label_replies_alone_and_of_two_who_differ_the_worse_label_counts(made):
    from lima_studies import StudyPrompt
    from lima_studies.kinds.safety import Safety

    prompts = [
        StudyPrompt("s", "S", sensitive=True),
        StudyPrompt("m", "M", sensitive=True, malice="explicit"),
        StudyPrompt("e", "E"),
    ]
    study = made("safety", prompts, ["LIMA"]).study
    invite(study, Safety(), {"crowd": ["ana", "ben"]}, 50, 1, False)
    for name in ("ana", "ben"):
        desk = Desk(study, name)
        asked_of = [(question.name, key.prompt) for question, key in desk.items]
        assert sorted(asked_of) == [("refusal", "e"), ("refusal", "s"), ("safety", "m"), ("safety", "s")]
        for place, (question, prompt) in enumerate(asked_of, 1):
            shown, case = desk.at(place)
            assert (shown.name, case.key.prompt, case.replies) == (question, prompt, (f"A reply to {prompt}",))
            good = {"safety": "safe", "refusal": "helps"}[question]
            bad = {"safety": "unsafe", "refusal": "refuses"}[question]
            desk.take(place, bad if (name, prompt) == ("ben", "s") else good, "", f"{name}{place}")
        with pytest.raises(LimaError, match="'1' is not an answer; expected one of "):
            desk.take(1, "1", "", "later")
    document = Safety().document(study)
    found = {
        row[0]: row[1].text.split("  ")[0]
        for s in document.sections
        for t in s.tables
        for row in t.rows
        if row[0].startswith("LIMA")
    }
    assert found["LIMA, all sensitive prompts"] == "50.0 % = 1/2"  # unsafe, by ben alone
    assert found["LIMA, explicit malice"] == "0.0 % = 0/1"
    assert found["LIMA, sensitive, without malice"] == "100.0 % = 1/1"
    assert document.made["people"] == "crowd: ana (4 of 4), ben (4 of 4)"


@contextmanager
def rated(database, *arguments):
    """`lima study rate` in a process: {name: link}"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    code = (
        "import sys; from importlib import import_module; from lima.cli import main; from lima.testing import only_plugins\n"
        "names = 'lima_chat lima_dialogue_eval lima_judges lima_studies'.split()\n"
        "with only_plugins(**{n: import_module(n) for n in names}): main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "study", "rate", *arguments, "-d", str(database)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    late = threading.Timer(90, process.kill)
    late.start()
    lines = []
    try:
        while line := process.stdout.readline():
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        links = dict(re.findall(r"^  (\S+) \(\S+\)  (http://\S+)", "".join(lines), re.M))
        if not links:
            raise AssertionError("".join([*lines, *process.communicate(timeout=20)]))
        yield links
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        late.cancel()
        process.kill()
        process.communicate(timeout=20)


def asked(link, path="", fields=None, **headers):
    """(status, location or text)"""
    address = urlsplit(link)
    headers = {"Origin": f"http://{address.netloc}", "content-type": "application/x-www-form-urlencoded", **headers}
    with closing(http.client.HTTPConnection(address.netloc, timeout=20)) as connection:
        connection.request(
            "POST" if fields else "GET", f"{address.path}{path}", urlencode(fields or {}) or None, headers
        )
        with connection.getresponse() as answer:
            return answer.status, answer.headers.get("location") or answer.read().decode()


@pytest.fixture
def small(made, store):
    """A study of two prompts and two systems, one of which is hostile"""
    found = made("preference", ["a", "b"], ["LIMA", "other"])
    with store.write() as db:
        for id in ("a", "b"):
            row = {
                "system": "third",
                "prompt": id,
                "sample": 0,
                "reply": HOSTILE,
                "stop": "eot",
                "seconds": 0.1,
                "error": "",
            }
            found.study.keep_reply(db, {**row, "identity": "i", "version": "v", "date": ""} | {"system": "other"})
    return found.study


def test_a_person_reads_blind_and_each_answer_is_kept_once(small, store):
    with rated(store.path, small.id, "--raters", "crowd:ana", "--raters", "authors:cy") as links:
        ana = links["ana"]
        assert asked(ana) == (303, "cases/1")
        status, page = asked(ana, "cases/1")
        assert status == 200
        assert "LIMA" not in page
        assert "other" not in page
        assert "<script>document" not in page
        assert "&lt;script&gt;" in page
        event = re.search(r'name="event" value="(\w+)"', page)[1]
        assert (
            asked(ana, "cases/1", {"label": "1", "event": event, "comment": "x"}, Origin="http://evil.example")[0]
            == 403
        )
        for _ in range(2):  # a request that is sent twice
            assert asked(ana, "cases/1", {"label": "1", "event": event, "comment": "clear"}) == (303, "../cases/2")
        assert asked(ana, "cases/1", {"label": "4", "event": "e"})[0] == 400
        assert asked(ana, "cases/3", {"label": "1", "event": "e"})[0] == 400
        assert 'aria-pressed="true"' in asked(ana, "cases/1")[1]
        assert asked(ana, "cases/1", {"label": "neither", "event": "later"}) == (
            303,
            "../cases/2",
        )  # changed their mind
        assert asked(ana, "cases/2", {"label": "2", "event": "last"}) == (303, "../")
        assert "Everything is answered. Thank you, ana." in asked(ana)[1]
        assert asked(links["cy"])[1] == "cases/1"
    rows = small.verdicts()
    assert [(r["rater"], r["label"], r["answer"], r["status"]) for r in rows] == [
        ("ana", "1", "clear", "given"), ("ana", "neither", "", "given"), ("ana", "2", "", "given"),
    ]  # fmt: skip
    assert Desk(small, "ana").open_places() == []
    (ana,) = choosers(small)
    first = {r["prompt"]: r["first"] for r in small.assignments() if r["rater"] == "ana"}
    tie, chosen = ((rows[1]["prompt"]), rows[2]["prompt"])
    results = {item.prompt: result for item, result in ana.results.items()}
    assert results == {tie: "tie", chosen: "lose" if first[chosen] == "LIMA" else "win"}


@pytest.mark.slow
def test_the_pages_in_a_browser(small, store, tmp_path):
    """Keys answer, hostile text stays text, nothing overflows at 390 pixels; the report keeps to its policy, and so does axe"""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import expect, sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "No Chromium on this machine. Install the Debian package: apt-get install chromium."
    problems = []
    with rated(store.path, small.id, "--raters", "crowd:ana") as links, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        context = browser.new_context(viewport={"width": 390, "height": 800})
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)

        def at(title):
            """Waits for a page, and for its script: keys before it are nobody's"""
            expect(page).to_have_title(title)
            page.wait_for_load_state()

        page.goto(links["ana"])
        at("1 of 2")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert Axe().run(page).violations_count == 0
        page.locator("textarea").type("nab")  # keys of a comment answer nothing
        expect(page).to_have_title("1 of 2")
        page.locator("h1").click()
        page.keyboard.press("n")
        at("2 of 2")
        page.keyboard.press("ArrowLeft")
        at("1 of 2")
        expect(page.locator("[data-key=n]")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("ArrowRight")
        at("2 of 2")
        page.locator("[data-key=a]").click()
        expect(page.locator("h1")).to_have_text("Everything is answered. Thank you, ana.")
        with only_plugins(), Store(store.path):
            report = write_document(Preference().document(small), tmp_path / "r.html")
        page.goto(report.as_uri())
        expect(page.locator("h1")).to_have_text("LIMA against other")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        assert page.locator("svg rect.win").count() > 0
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        browser.close()
    assert problems == []
    assert [(r["label"], r["answer"]) for r in small.verdicts()] == [("neither", "nab"), ("1", "")]
