"""Files that are not what they should be: a sentence with file and line; and files of any size in the same memory."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima import LimaError, Refused
from lima_wikihow import source
from lima_wikihow.schema import MOST_CATEGORIES
from lima_wikihow.source import Articles

from .conftest import ALL, LENIENT, LONG, SEP, table

GOOD = table(ALL, [("", "Feed a Cat", LONG), ("", "Feed a Dog", LONG)])


MANY = [(f"a {n}x", "b", n) for n in range(MOST_CATEGORIES + 1)]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (table(("title", "text", "headline", "Text"), [("a", "b", "c", "d")]), "both 'text' and 'Text' are its text"),
        (table(("question", "answer"), [("a", "b")]), r"line 1: there is no column 'title'; its columns are 'question',"),
        (table(("title", "headline"), [("a", "b")]), "line 1: there is no column 'text'; its columns are .*as in wikihowSep.csv"),
        (GOOD[:-20], "w.csv, line 3: a quote that is opened there is not closed before the end of the file."),
        (GOOD.encode("utf-16"), "w.csv is UTF-16 or UTF-32 text, expected UTF-8"),
        (GOOD.replace("Dog", "Dög").encode("latin-1"), r"w.csv, line 3 is not UTF-8 text \(invalid .* at byte 9\)"),
        (b"PK\x03\x04", "w.csv is a ZIP archive"),
        (table(("title", "text", "category"), MANY), "more than 10,000 values, such as '0'"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(tmp_path, data, error):
    data = data.replace(LONG, f'"{LONG}"') if isinstance(data, str) else data
    (tmp_path / "w.csv").write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(LimaError, match=error):
        list(Articles().with_options(LENIENT | {"limit": 1}).examples(str(tmp_path / "w.csv")))


def test_rows_that_are_wrong_are_refused_with_their_line(read, tmp_path):
    rows = [
        ("\nA.", "Feed a Cat", "a"),
        ("x",),
        ("\nB.", "Feed a Cat", "b"),
        ("", " ", "c"),
        ("\nC.", "Feed a Dog", "c"),
        ("", "E", ""),
    ]
    found, refused = read(ALL, rows)
    assert [one.prompt for one in found] == ["How to Feed a Dog"]
    assert refused == [
        ("4", "the row has 1 cells, and the header 3. Correct the row."),
        ("7", "it has no title, so its article is not known."),
        ("10", "it has neither text nor headline."),
        ("2", "a row of it cannot be read, so a step is missing."),
    ]
    (tmp_path / "x.jsonl").write_text(
        '{"title": "Feed", "text": "x"}\n{"title": 1, "text": "x"}\n[]\n{"title": null, "text": "x"}\n'
    )
    one, *others = Articles().with_options(LENIENT).examples(str(tmp_path / "x.jsonl"))
    assert one.response == "x"
    assert [other.reason for other in others] == [
        "its title is a number; expected text.",
        "the row is not an object by columns.",
        "it has no title, so its article is not known.",
    ]


def test_what_is_not_an_article_is_refused(read, monkeypatch):
    monkeypatch.setattr(source, "MOST_ROWS", 5)
    rows = [("", f"\n{n}.", "x", "", "Feed a Cat") for n in range(6)] + [
        ("", "\nA,\nB,\nC", "one\n, two", "", "Feed a Dog")
    ]
    found, refused = read(SEP, rows)
    assert found == []
    assert [reason.partition(",")[0] for _, reason in refused] == [
        "it has more than 5 rows",
        "its headlines and paragraphs are not of one number",
    ]
    found, refused = read(ALL, [("", "Feed a Cat", "x" * 300), ("", "Feed a Dog", "x")], shortest=10, longest=200)
    assert (found, [reason for _, reason in refused]) == (
        [],
        ["its answer is longer than 200 characters.", "its answer is shorter than 10 characters."],
    )


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=12), st.integers(0, 3))
def test_what_was_read_is_kept_or_refused(tmp_path_factory, rows, limit):
    file = tmp_path_factory.mktemp("made") / "w.csv"
    file.write_text(table(ALL, [row for row in rows if any(row)]), encoding="utf-8", newline="")
    found = list(Articles().with_options(LENIENT | {"limit": limit}).examples(str(file)))
    kept = [one for one in found if not isinstance(one, Refused)]
    titles = {one.prompt for one in kept}
    assert len(titles) == len(kept)
    assert len(kept) + sum(one.rows for one in found if isinstance(one, Refused)) <= len(rows)
    assert bool(found) == any(map(any, rows))


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"prompt": "both"}, r"lima-wikihow.prompt is 'both'; expected 'title' or 'question'"),
        (
            {"shortest": 9, "longest": 8},
            "lima-wikihow.shortest is 9, more than lima-wikihow.longest, 8: no answer fits both",
        ),
        ({"seeds": 1}, "'seeds' is not an option of 'lima-wikihow'. Did you mean 'seed'"),
    ],
)
def test_options(values, error):
    with pytest.raises(LimaError, match=error):
        Articles().with_options(values)


READ = """
import json, sys
from lima import Refused
from lima_wikihow.source import Articles
found = list(Articles().with_options({"limit": 3, "seed": 1}).examples(sys.argv[1]))
kept = [one.id for one in found if not isinstance(one, Refused)]
refused = sum(one.rows for one in found if isinstance(one, Refused))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(json.dumps([len(kept), refused, int(peak) / 1024]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is asked of Linux")
def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(articles):
        with open(tmp_path / "w.csv", "w", encoding="utf-8", newline="") as out:
            out.write(table(ALL, []))
            for n in range(articles):
                out.write(table(ALL, [("\nA.", f"Feed Cat {n}", LONG * 20)]).partition("\n")[2])
        command = [sys.executable, "-c", READ, str(tmp_path / "w.csv")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        kept, refused, found = json.loads(done.stdout)
        assert (kept, refused) == (3, articles - 3)
        return found

    few, many = peak(300), peak(15_000)  # 2 MB and 100 MB
    assert many < few + 70  # SQLite's cache of 32 MB is full by then
    assert many < 300
