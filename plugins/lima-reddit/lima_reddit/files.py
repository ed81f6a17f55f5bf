"""Which files of submissions and comments a path names, and their rows.

Pushshift's monthly files are called RS_2015-06.zst and RC_2015-06.zst; those of a subreddit WritingPrompts_submissions.zst and
WritingPrompts_comments.zst, or r_WritingPrompts_posts.jsonl. Knows nothing of what a row says.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lima import LimaError, Row, is_folder, is_there, read_rows, visible
from lima.cli.progress import Bar

SUBMISSIONS = re.compile(r"(?<![a-z])(submissions?|posts?|RS)(?![a-z])", re.I)
COMMENTS = re.compile(r"(?<![a-z])(comments?|RC)(?![a-z])", re.I)
ENDINGS = (
    "",
    ".zst",
    ".jsonl",
    ".ndjson",
    ".json",
    ".jsonl.zst",
    ".ndjson.zst",
    ".jsonl.gz",
    ".ndjson.gz",
    ".json.gz",
    ".gz",
)
_NAMES = "RS_2015-06.zst and RC_2015-06.zst, or WritingPrompts_submissions.jsonl and WritingPrompts_comments.jsonl"
EXPECTED = f"Expected a file of submissions, or a folder with such files, named like {_NAMES}."


class Dump(NamedTuple):
    """The files of a path"""

    submissions: tuple[Path, ...]
    comments: tuple[Path, ...]


def dump_of(path: str, with_comments: bool) -> Dump:
    """The files that a path names; LimaError where submissions, or comments that are needed, are not there"""
    if not is_there(path):
        raise LimaError(f"{visible(path)} does not exist. {EXPECTED}")
    if is_folder(path):
        files = [file for file in sorted(Path(path).rglob("*")) if file.is_file() and _ending(file) in ENDINGS]
        comments = tuple(file for file in files if COMMENTS.search(file.name))
        submissions = tuple(file for file in files if SUBMISSIONS.search(file.name) and file not in comments)
        if not submissions:
            raise LimaError(f"The folder {visible(path)} has no file of submissions. {EXPECTED}")
        if with_comments and not comments:
            raise LimaError(f"The folder {visible(path)} has no file of comments, in which the stories are. {EXPECTED}")
        return Dump(submissions, comments)
    file = Path(path)
    if not with_comments:
        return Dump((file,), ())
    if COMMENTS.search(file.name) and not SUBMISSIONS.search(file.name):
        raise LimaError(f"{visible(path)} is called as a file of comments. Name the one of submissions beside it.")
    beside = _beside(file)
    found = next((one for one in beside if is_there(one)), None)
    if not found:
        names = f"{beside[0].name} beside it" if beside else "a name that says so, such as RS_2015-06.zst, and"
        more = "with any of these endings: " + ", ".join(ENDINGS[1:]) if beside else "RC_2015-06.zst beside it"
        raise LimaError(f"The stories to the submissions of {visible(path)} are comments: expected {names} {more}.")
    return Dump((file,), (found,))


def _ending(file: Path) -> str:
    """All of a name behind the first dot of its last few"""
    return "".join(file.suffixes[-2:]).lower() if file.suffix.lower() in (".zst", ".gz") else file.suffix.lower()


def _beside(file: Path) -> Sequence[Path]:
    """The names that a file of comments to these submissions may have"""
    found = SUBMISSIONS.search(file.name)
    if not found:
        return ()
    name = "RC" if found[0] == "RS" else "rc" if found[0] == "rs" else _cased("comments", found[0])
    stem = file.name[: found.start()] + name + file.name[found.end() :]
    bare = stem[: len(stem) - len(_ending(Path(stem)))] if _ending(Path(stem)) in ENDINGS else stem
    return [file.with_name(one) for one in dict.fromkeys((stem, *(bare + ending for ending in ENDINGS)))]


def _cased(word: str, like: str) -> str:
    word = word if like.lower().endswith("s") else word.removesuffix("s")
    return word.upper() if like.isupper() else word.capitalize() if like[0].isupper() else word


def rows(files: Sequence[Path]) -> Iterator[Row]:
    """The rows of all files, with a bar"""
    with Bar("") as bar:
        for file in files:
            bar.describe(f"reading {visible(file.name)} (rows)")
            for number, row in enumerate(read_rows(file), 1):
                if not number & 0xFFFF:
                    bar.move(number, None)
                yield row
