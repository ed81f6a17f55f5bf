"""The report in a real Chromium: laid out on demand, hostile text that stays text, filters, search, keys, print, small screens.

A machine without Chromium fails here.
"""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from graded_pages import opened_browser
from playwright.sync_api import expect
from reports import HOSTILE, Study

from lima import Store
from lima.testing import only_plugins, tiny_tokenizer
from lima.text import storable, visible
from lima_dialogue_eval import compare, compare_each, describe, write_report
from lima_dialogue_eval.comparison.family import Family

LONG = "a" * 1_048_576


@pytest.fixture(scope="module")
def chromium():
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def view(chromium):
    """Opens a page; no error of its script and no breach of its policy may occur, unless that is looked for"""
    contexts, problems = [], []

    def show(address, **settings):
        context = chromium.new_context(**settings)
        contexts.append(context)
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: problems.append(r.url) if not r.url.startswith("file:") else None)
        page.goto(address)
        if settings.get("java_script_enabled", True):
            page.wait_for_selector("html.ready", state="attached")
        return page

    yield show
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture
def study(tmp_path, model):
    import lima_dialogue_eval

    with only_plugins(lima_dialogue_eval=lima_dialogue_eval), Store(tmp_path / "lima.db") as store:
        yield Study(store, model)


@pytest.fixture
def report(study, tmp_path):
    """The address of a report on the runs of these names"""

    def write(*names):
        found = compare_each(study.store, list(names)) if len(names) > 1 else []
        subject = Family.of(found) if len(found) > 1 else found[0] if found else describe(study.store, names[0])
        return write_report(study.store, subject, tmp_path / "report.html").as_uri()

    return write


@pytest.fixture
def usual(study, report):
    """Three conversations: one the same, one worse and cut, and one undecided, on which two people disagree with all"""
    grades = {"same": {0: "EE", 1: "EE"}, "worse": {0: "EE", 1: "EP"}, "open": {0: "EU", 1: "EE"}}
    study.run("before", grades)
    log = study.run(
        "after", grades | {"worse": {0: "EE", 1: "EF"}}, lambda c, n: f"{'before' if n == 1 else 'after'} says {c} {n}"
    )
    cut = {**study.turn("it goes on and", "worse", 1, 2), "stop": "length"}
    log.turns([cut], [])
    first = study.turn("before says open 1", "open", 0, 1)
    log.grades(
        study.grade(first, g, grader="people", grader_hash=None, rater=n, ticks=None)
        for n, g in (("Ann", "pass"), ("Ben", "fail"))
    )
    return report("before", "after")


def expect_shown(page, names):
    expect(page.locator(".talk:visible h3 small")).to_have_text(names)


OPEN_ALL = """async () => {
    for (;;) {
        const closed = document.querySelectorAll("#list details:not([open])")
        if (!closed.length) return
        await Promise.all([...closed].map(one => new Promise(laid => {
            one.addEventListener("toggle", laid, { once: true })
            one.open = true
        })))
    }
}"""
"""Opens all, also what an opened part brings; a part is laid out by an event that comes after it was opened"""


@pytest.mark.slow
def test_filters_search_and_seeds_select_conversations_and_the_address_keeps_them(view, usual):
    page = view(usual)
    everything = ["same", "worse", "open"]
    expect_shown(page, everything)
    by_filter = {
        "": everything, "different": [], "regressions": [], "undecided": ["open"], "raters disagree": ["open"],
        "judge ≠ people": ["open"], "cut": [], "errors": [],
    }  # fmt: skip
    assert [one.get_attribute("value") for one in page.locator("input[name=f]").all()] == list(by_filter)
    for name, names in by_filter.items():
        page.evaluate('value => document.querySelector(`input[name=f][value="${value}"]`).click()', name)
        expect_shown(page, names)
    page.locator("label[for=f2]").click()
    page.locator("label", has_text=re.compile("^all$")).click()
    expect_shown(page, ["worse"])
    expect(page.locator("#status")).to_contain_text("1 of 3 conversations")
    expect(page).to_have_url(re.compile("f=regressions&s=all"))
    again = view(page.url)
    expect_shown(again, ["worse"])
    expect(again.locator("input[name=s]:checked")).to_have_value("all")
    again.locator("label[for=f0]").click()
    again.locator("#search").fill("GOES ON")
    expect_shown(again, ["worse"])
    expect(again).to_have_url(re.compile(r"q=GOES\+ON"))
    expect_shown(view(again.url), ["worse"])
    again.locator("#search").fill("nowhere")
    expect(again.locator("#status")).to_have_text("No conversation shows that.")


def test_a_turn_shows_every_grade_thoughts_and_the_prompt_as_sent(view, usual, model):
    page = view(f"{usual}#o=3")
    talk = page.locator("#c3")
    second, first = talk.locator(".turn").nth(1), talk.locator(".turn").nth(0)
    expect(second.locator(".flag.split")).to_have_text("diverged here")
    expect(first.locator(".flag")).to_have_count(0)  # both arms say the same at first
    expect(first.locator(".said", has_text="turn 1")).to_have_count(1)  # a shared user's turn stands once
    after = first.locator(".reply").nth(1)
    after.locator("summary", has_text="Graded besides by 2 people").click()
    lines = ["Ann people Pass before says open 1", "Ben people Fail before says open 1"]
    expect(after.locator(".others li")).to_have_text(lines, use_inner_text=True)
    after.locator("> .ticks > summary").click()
    expect(after.locator("> .ticks q")).to_have_text("before says open 1")
    second.locator(".reply").nth(0).locator("summary", has_text="Thoughts").click()
    expect(second.locator(".thoughts .said")).to_have_text("before says open 2")
    sent = second.locator(".reply").nth(0)
    sent.locator("summary", has_text="Prompt as sent (12 tokens)").click()
    tokenizer = tiny_tokenizer()
    assert sent.locator(".sent").text_content() == visible(tokenizer.decode(list(range(20, 32))))
    sent.locator("summary", has_text=re.compile("^Tokens$")).click()
    expect(sent.locator(".token small")).to_have_text([str(id) for id in range(20, 32)])


@pytest.mark.slow
def test_without_the_models_folder_the_ids_stand_alone_and_the_page_says_why(view, study, report):
    study.model = "/nowhere/at all"
    study.run("one", {"a": {0: "E", 1: "E"}})
    page = view(report("one"))
    page.locator("summary", has_text="Prompt as sent").click()
    why = "/nowhere/at all is not a folder on this machine, so the ids have no text."
    expect(page.locator(".prompt .note")).to_have_text(why)
    page.locator("summary", has_text="Token ids").click()
    expect(page.locator(".token")).to_have_text([str(id) for id in range(20, 28)])


@pytest.mark.slow
def test_keys_move_open_search_and_help_and_none_fires_while_typing(view, usual):
    page = view(usual)
    page.locator("#close-all").click()
    expect(page).to_have_url(f"{usual}#o=")
    expect(view(page.url).locator(".talk[open]")).to_have_count(0)
    focused = "document.activeElement.closest('.talk')?.id ?? document.activeElement.id"
    found = []
    for key in ("j", "j", "ArrowLeft", "ArrowRight", "j", "j", "k"):
        page.keyboard.press(key)
        found.append(page.evaluate(focused))
    assert found == ["c1", "c2", "c1", "c2", "c3", "c3", "c2"]
    page.keyboard.press("o")
    talk, tools = page.locator("#c2").bounding_box(), page.locator("#tools").bounding_box()
    assert talk["y"] >= tools["y"] + tools["height"], "the tools cover nothing of it"
    expect(page.locator("#c2 .turn")).to_have_count(2)
    expect(page).to_have_url(f"{usual}#o=2&c=2")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("jk?o/ says")
    assert page.locator("#search").input_value() == "jk?o/ says"
    assert not page.locator("#keys").is_visible()
    assert page.evaluate(focused) == "search"
    page.keyboard.press("Control+j")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement === document.body")


@pytest.fixture
def hostile(study, tmp_path):
    """A report, of which every text that a model, a file or a person can give is hostile"""
    names = {f"{i}{text}": text for i, text in enumerate(map(storable, HOSTILE))}
    study.topic = lambda conversation: names[conversation]
    given = {
        "model": HOSTILE[1],
        "seeds": "[0]",
        "grader": HOSTILE[1],
        "evaluation": HOSTILE[2],
        "environment": json.dumps({HOSTILE[0]: HOSTILE[1]}),
    }
    for i, id in enumerate(("one", "two")):
        log = study.run(id, {c: {0: "EU"} for c in names}, lambda c, n: names[c], arm=f"{HOSTILE[i]}{i}", **given)
        rows = [
            study.grade(study.turn(text, c, 0, n), "pass", grader=HOSTILE[1])
            for c, text in names.items()
            for n in (1, 2)
        ]
        log.grades(
            [
                *rows,
                *(
                    {**row, "grader": "people", "grader_hash": None, "rater": HOSTILE[0], "grade": "fail"}
                    for row in rows
                ),
            ]
        )
        failed = {"reply": None, "status": "error", "message": HOSTILE[1], "user": HOSTILE[0]}
        log.turns([{**study.turn("", next(iter(names)), 0, 2), **failed}], [])
    return write_report(study.store, compare(study.store, "one", "two"), tmp_path / "r.html", "honest"), names


def test_no_text_of_any_field_becomes_anything_but_text(view, hostile, tmp_path, chromium):
    """Without the page's policy too: the laying out alone must hold"""
    path, names = hostile
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r"<meta http-equiv[^>]*>", "", path.read_text()))
    for file in (path, bare):
        page = view(f"{file.as_uri()}#o={','.join(str(i + 1) for i in range(len(names)))}")
        page.evaluate(OPEN_ALL)
        assert page.title() == "honest"
        assert page.locator("#list").locator("script, img, template, iframe, a, style, textarea, object").count() == 0
        every = page.locator("#list").evaluate("list => list.textContent")
        for text in names.values():
            assert every.count(visible(text)) > 10
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2066-\u2069\ufeff]", every)
        assert page.locator(".talk .reply > .said").count() == 2 * 2 * len(names) - 2
    probe = tmp_path / "probe.html"
    probe.write_text(f"<title>honest</title>{HOSTILE[0]}")
    tab = chromium.new_page()
    tab.goto(probe.as_uri())
    assert tab.title() == "owned", "the browser runs scripts, so that the test can tell"
    tab.close()


@pytest.mark.slow
def test_a_reply_of_a_megabyte_is_folded_and_shown_whole_when_asked(view, study, report):
    study.run("one", {"a": {0: "E", 1: "E"}}, lambda c, n: LONG)
    page = view(report("one"))
    said = page.locator(".reply > .said")
    expect(page.get_by_role("button", name="show all 1,048,576 characters")).to_be_visible()
    assert len(said.inner_text()) < 3_000
    page.get_by_role("button", name="show all 1,048,576 characters").click()
    page.wait_for_function(f"document.querySelector('.reply > .said').textContent.length === {len(LONG)}")


def test_without_script_the_conversations_are_readable_and_the_page_says_how(view, usual):
    page = view(usual, java_script_enabled=False)
    words = page.locator("body").inner_text()
    assert "The page's script did not run, so the conversations stand below as the data" in words
    assert '"text":"before says same 1"' in words
    assert not page.locator("#tools").is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}])
def test_a_page_has_no_serious_fault_of_accessibility_and_fits_the_screen(view, study, usual, report, settings):
    study.run("third", {c: {0: "EF", 1: "PF"} for c in ("same", "worse", "open")})
    for names in (["before", "after"], ["before", "after", "third"], ["third"]):
        page = view(report(*names), **settings)
        page.locator("#open-all").click()
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        page.evaluate(OPEN_ALL)
        # What is off the screen is not laid out, and so not looked at.
        page.evaluate("document.querySelectorAll('.talk').forEach(one => { one.style.contentVisibility = 'visible' })")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert {v["id"]: [node["html"][:120] for node in v["nodes"]][:3] for v in serious} == {}


@pytest.mark.slow
def test_print_has_what_is_open_and_no_controls(view, usual):
    page = view(f"{usual}#o=2&s=all")
    expect(page.locator(".talk[open] .turn").first).to_be_attached()
    page.emulate_media(media="print")
    expect(page.locator("#tools")).to_be_hidden()
    assert [one.is_visible() for one in page.locator(".talk").all()] == [False, True, False]
    assert page.locator("button:visible").count() == 0
    assert len(page.pdf()) > 10_000
