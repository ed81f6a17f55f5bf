"""Plain English: phrases that are hard to read stay out of docstrings, messages and help texts, and out of the pages."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = [*(ROOT / "lima").rglob("*.py"), *ROOT.glob("plugins/*/lima_*/**/*.py")]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")]
PHRASES = {
    r"\bis no (?:folder|hook|key|check|plugin|epoch|model|text|report|regular)\b": "X is not a Y",
    r"\bLimaError when there is none\b": "LimaError if …",
    r"\bit goes on\b|\bgoes on with\b|\bgo on with\b|\bwent on with\b": "continues, resumes",
    r"\bso many (?:tokens|weights|positions|columns|renders|examples)\b": "this number of tokens",
    r"\bheld an? (?:evaluation|conversation)\b": "ran an evaluation",
    r"\bis not heard\b": "ignored, because …",
    r"\bhears? \(": "called with (…)",
    r"`on_\w+` hears\b": "`on_…` is called with …",
    r"\bdid not end by itself\b": "reply cut off at …, the model did not end …",
    r"\bthe (?:rest|others) go on\b": "the others stay, continue",
    r"\b(?:is|are) there twice\b": "occurs twice",
    r"\bmakes? anew\b|\bstart anew\b|\blaid out anew\b": "again, a new one",
    r"\bof the result only\b": "results differ only by …",
    r"\bmemory (?:does|did) not suffice\b": "out of memory",
    r"\bwhat (?:does|did) not fit\b": "out of memory",
    r"\bwhole or not at all\b": "completely or not at all",
    r"\bif you like\b": "optional",
    r"\bseen (?:and|,) not looked up\b": "tested, not looked up",
    r"\bare no numbers\b|\bis no number\b": "not finite",
    r"\bare seen not to be\b": "to check that … are not",
    r"\bmend (?:it|them)\b": "fix it",
}
"Each with what to write instead; none has an exception"


def texts(path: Path) -> list[tuple[int, str]]:
    """(line, text) of every string constant, docstrings and the parts of f-strings among them"""
    tree = ast.parse(path.read_text())
    return [(n.lineno, n.value) for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


@cache
def everything():
    """(path, line, text, text on one line) of all strings and pages: read once for all phrases"""
    found = [(path, line, text) for path in CODE for line, text in texts(path)]
    found += [(path, 1, path.read_text()) for path in PAGES]
    return [(*one, re.sub(r"\s", " ", one[2])) for one in found]


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrases_that_are_hard_to_read_do_not_come_back(phrase):
    places = [
        f"{path.relative_to(ROOT)}:{line + text.count(chr(10), 0, hit.start())}: {hit[0]!r}"
        for path, line, text, flat in everything()
        if (hit := re.search(phrase, flat, re.I))
    ]
    assert places == [], f"write: {PHRASES[phrase]}"


def test_the_paths_on_the_page_about_the_architecture_exist():
    page = (ROOT / "docs" / "architecture.md").read_text()
    known = {
        "lima_chat": "plugins/lima-chat/lima_chat",
        "lima_dialogue_eval": "plugins/lima-dialogue-eval/lima_dialogue_eval",
    }
    named = re.findall(r"(?<![\w/.-])(?:[\w-]+/)+[\w.-]*\w(?:/|\b)", page)
    assert len(named) > 40
    for path in named:
        first, _, rest = path.partition("/")
        assert (ROOT / known.get(first, first) / rest).exists(), path


def test_the_glossary_is_short():
    """Thirty words, each in at most two lines"""
    entries = [e for e in (ROOT / "docs" / "glossary.md").read_text().split("\n\n") if e.startswith("**")]
    assert len(entries) == 30
    assert [e for e in entries if e.strip().count("\n") > 1] == []
    assert entries == sorted(entries, key=lambda e: e.partition(":")[0].lower())
