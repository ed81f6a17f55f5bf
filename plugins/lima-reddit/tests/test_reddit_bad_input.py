"""Dumps that are not what they should be: a sentence with file and line, and every row accounted for."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima import LimaError, Refused
from lima_reddit.stories import Stories
from lima_reddit.titles import Titles

from .conftest import STORY, comment, lines, submission


def zst(text, window=20):
    library = pytest.importorskip("zstandard")
    made = library.ZstdCompressionParameters.from_level(3, window_log=window, hash_log=12, chain_log=12)
    return library.ZstdCompressor(compression_params=made).compress(text.encode())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"id": 7}, "its id is 7; expected letters and digits such as '39zje0'."),
        ({"id": "Ümlaut"}, "its id is 'Ümlaut'; expected"),
        ({"score": "12"}, "its score is '12'; expected a whole number."),
        ({"score": True}, "its score is True; expected a whole number."),
        ({"score": 10**30}, "its score is 1000000000000000000000000000000; expected"),
        ({"title": None}, "its title is null; expected text."),
        ({"selftext": 1}, "its selftext is a number; expected text."),
        ({"author": "a b\n"}, "its author is 'a b\\n'; expected a name"),
        ({"subreddit": "a/b"}, "its subreddit is 'a/b'; expected a name such as 'WritingPrompts'."),
        ({"created_utc": "yesterday"}, "its created_utc is 'yesterday'; expected seconds since 1970."),
        ({"created_utc": 1e40}, "its created_utc is 1e+40; expected seconds"),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_place(read, bad, reason):
    found, refused = read([submission(), submission(**{"id": "2"} | bad)], [comment()])
    assert len(found) == 1
    assert refused[0][0] == "RS_2015-06.jsonl, line 2"
    assert refused[0][1].startswith(reason)


@pytest.mark.parametrize("bad", [{"score": "x"}, {"id": 5}, {"author": ["ann"]}, {"created_utc": "soon"}])
def test_a_broken_first_row_is_refused_as_any_other(read, bad):
    found, refused = read([submission(id="2") | bad, submission()], [comment()])
    assert [one.id for one in found] == ["reddit.com/39z0/cs1"]
    assert [where for where, _ in refused] == ["RS_2015-06.jsonl, line 1"]


def test_broken_lines_and_comments(dump):
    folder = dump([submission(), submission(), submission("2")], [comment()])
    with open(folder / "RC_2015-06.jsonl", "a") as out:
        out.write(
            '{"id": "c2", \n[]\n' + lines([comment("c3", parent_id=None), comment("c4", "2", score=None), submission()])
        )
    one, *refused = Stories().examples(str(folder))
    assert one.id == "reddit.com/39z0/cs1"
    assert [(other.where.rpartition("/")[2], other.reason, other.fault) for other in refused] == [
        ("1 further places", "a submission before it has the same id.", False),
        ("RC_2015-06.jsonl, line 2", "not JSON (Expecting property name enclosed in double quotes at column 13). One "
         "object a line is expected.", True),
        ("RC_2015-06.jsonl, line 3", "it is a list; expected an object with id, author, score …", True),
        ("RC_2015-06.jsonl, line 4", "its parent_id is null; expected one such as 't3_39zje0'.", True),
        ("RC_2015-06.jsonl, line 5", "its score is null; expected a whole number.", True),
        ("RC_2015-06.jsonl, line 6", "it is a submission, not a comment.", True),
        ("RS_2015-06.jsonl, line 3", "no comment to it with a score of 10 or more is a whole story of 500 to 12,000 "
         "characters.", False),
    ]  # fmt: skip


def test_files_that_cannot_be_read(dump, tmp_path):
    folder = dump([submission()], [comment()])
    packed = zst(lines([comment(f"c{n}", body=os.urandom(400).hex()) for n in range(50)]))
    (folder / "RC_2015-06.jsonl").unlink()
    (folder / "RC_2015-06.zst").write_bytes(packed[:-100])
    with pytest.raises(LimaError, match=r"RC_2015-06.zst is damaged or cut off \(.*\). Copy or download it again."):
        list(Stories().examples(str(folder)))
    (folder / "RC_2015-06.zst").write_bytes(lines([comment()]).encode("utf-16"))
    with pytest.raises(LimaError, match=r"RC_2015-06.zst.*is UTF-16 or UTF-32 text"):
        list(Stories().examples(str(folder)))
    (folder / "RS_2015-06.jsonl").write_text(lines([comment()]))
    with pytest.raises(
        LimaError,
        match=r"RS_2015-06.jsonl, line 1: it is a comment, not a submission; its keys are 'id', 'link_id', .*first",
    ):
        list(Stories().examples(str(folder)))


@pytest.mark.parametrize(
    ("names", "path", "error"),
    [
        (
            (),
            "gone.zst",
            r"gone.zst does not exist. Expected a file of submissions, or a folder with such files, named like RS_2015",
        ),
        ((), ".", "has no file of submissions"),
        (("RS_2015-06.zst",), ".", "has no file of comments, in which the stories are"),
        (
            ("RS_2015-06.zst",),
            "RS_2015-06.zst",
            "expected RC_2015-06.zst beside it with any of these endings: .zst, .jsonl",
        ),
        (
            ("RC_2015-06.zst",),
            "RC_2015-06.zst",
            "is called as a file of comments. Name the one of submissions beside it.",
        ),
        (("x.jsonl",), "x.jsonl", "expected a name that says so, such as RS_2015-06.zst, and RC_2015-06.zst beside it"),
    ],
)
def test_paths_without_a_dump(tmp_path, names, path, error):
    for name in names:
        (tmp_path / name).write_text("")
    with pytest.raises(LimaError, match=error):
        list(Stories().examples(str(tmp_path / path)))


@pytest.mark.parametrize(
    ("submissions", "comments"),
    [
        ("RS_2015-06.zst", "RC_2015-06.zst"),
        ("WritingPrompts_submissions.zst", "WritingPrompts_comments.jsonl"),
        ("r_writingprompts_posts.jsonl", "r_writingprompts_comments.jsonl"),
        ("RS_2015-06", "RC_2015-06"),
        ("submissions/RS_2015-06.jsonl.gz", "comments/RC_2015-06.ndjson"),
    ],
)
def test_dumps_by_their_names(tmp_path, submissions, comments):
    import gzip

    for name, rows in ((submissions, [submission()] * 2), (comments, [comment()] * 2)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        data = lines(rows)
        packed = (
            zst(data)
            if name.endswith(".zst")
            else gzip.compress(data.encode())
            if name.endswith(".gz")
            else data.encode()
        )
        (tmp_path / name).write_bytes(packed)
    for path in (tmp_path, tmp_path / submissions)[: 1 if "/" in submissions else 2]:
        found = [one for one in Stories().examples(str(path)) if not isinstance(one, Refused)]
        assert [one.response for one in found] == [STORY]


VALUES = (
    st.none() | st.booleans() | st.integers(-3, 10**19) | st.text(max_size=12) | st.lists(st.integers(), max_size=2)
)
KEYS = (
    "id",
    "title",
    "author",
    "score",
    "selftext",
    "body",
    "subreddit",
    "created_utc",
    "over_18",
    "parent_id",
    "is_self",
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES, st.booleans()), max_size=6), st.booleans())
def test_what_was_read_is_kept_or_refused(tmp_path_factory, damages, best):
    folder = tmp_path_factory.mktemp("made")
    posts, comments = [submission("z0")], [comment("d0", "z0")]
    for number, (key, value, of_post) in enumerate(damages, 1):
        rows, good = (posts, submission(f"z{number}")) if of_post else (comments, comment(f"d{number}", f"z{number}"))
        rows.append(good | {key: value})
    (folder / "x_submissions.jsonl").write_text(lines([*posts, {}]))
    (folder / "x_comments.jsonl").write_text(lines([*comments, {}]))
    for source in (Stories(), Titles()):
        source = source.with_options({"draw": "best" if best else "random"})
        found = list((source.scripts if isinstance(source, Titles) else source.examples)(str(folder)))
        kept = [one for one in found if not isinstance(one, Refused)]
        of_posts = sum(one.rows for one in found if isinstance(one, Refused) and "comments.jsonl" not in one.where)
        assert len(kept) + of_posts == len(posts) + 1


READ = """
import json, sys
from lima import Refused
from lima_reddit.stories import Stories
found = list(Stories().with_options({"limit": 3}).examples(sys.argv[1]))
kept = [one.id for one in found if not isinstance(one, Refused)]
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(json.dumps([len(kept), int(peak) / 1024]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is asked of Linux")
def test_memory_does_not_grow_with_the_dump(tmp_path):
    def peak(posts):
        with open(tmp_path / "x_submissions.jsonl", "w") as out:
            out.writelines(lines([submission(f"p{n}")]) for n in range(posts))
        with open(tmp_path / "x_comments.jsonl", "w") as out:
            out.writelines(lines([comment(f"c{n}", f"p{n}", body=STORY * 3, score=n % 500)]) for n in range(posts))
        command = [sys.executable, "-c", READ, str(tmp_path / "x_submissions.jsonl")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
        kept, found = json.loads(done.stdout)
        assert kept == 3
        return found

    few, many = peak(500), peak(12_000)  # 2 MB and 36 MB
    assert many < few + 70  # SQLite's cache of 32 MB is full by then
    assert many < 300
