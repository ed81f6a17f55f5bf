"""What a row of a dump says: a submission or a comment, or a sentence on what is wrong with it.

Knows nothing of which are used, but for what its author or a moderator took away, and what a program wrote.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from lima import Credit, Row, Wrong, kind_of, shown

LICENCE = "no licence: the rights are with the authors (user content of Reddit)"
GONE = frozenset(
    ("[removed]", "[deleted]", "[deleted by user]", "[ removed by reddit ]", "[removed by reddit]", "[unavailable]")
)
_NAME = re.compile(r"[\w-]{1,64}", re.A)
_BOTS = re.compile(
    r"automoderator|.*[a-z0-9_-](?:bot|Bot)|.*(?:_|-)bot(?:_|-).*|.*Bot\d*|writingpromptsrobot|.*-modteam", re.A
)
_PEOPLE = re.compile(r".*(?:abbot|talbot|cabot|robot)", re.I)
"Names that end as those of bots do"
_SIGNED = re.compile(r"\bi(?:'|’| a)m a bot\b|\bthis action was performed automatically\b|\bbeep boop\b", re.I)
_ID = re.compile(r"[0-9a-z]{1,12}")


class Text(NamedTuple):
    """A submission or a comment"""

    id: str
    subreddit: str
    score: int
    author: str
    written: str
    "Date, ISO 8601; '' where it is not said"
    title: str
    "'' of a comment"
    text: str
    "Of a submission what stands below its title"

    @property
    def key(self) -> int:
        """The id as a number"""
        return int(self.id, 36)

    @property
    def deleted(self) -> bool:
        """Whether its author is gone, or what was written was taken away by the author or a moderator"""
        return any(one.strip().lower() in GONE for one in (self.author, self.title, self.text)) or not self.author

    @property
    def by_program(self) -> bool:
        """Whether a bot wrote it, by its name or by what it says of itself"""
        return is_bot(self.author) or bool(_SIGNED.search(self.text[-600:]))

    def credit(self, part: str, url: str) -> Credit:
        """Whom it is owed to"""
        return Credit(
            author=f"u/{self.author}", url=url, licence=LICENCE, author_url=f"https://www.reddit.com/user/{self.author}/",
            written=self.written, part=part,
        )  # fmt: skip


def is_bot(author: str) -> bool:
    """Whether a name is that of a program"""
    return bool(_BOTS.fullmatch(author) or _BOTS.fullmatch(author.lower())) and not (
        _PEOPLE.fullmatch(author) and author.lower() != "writingpromptsrobot"
    )


def submission_of(row: Row) -> Text:
    """The submission of a row; Wrong where it is not one"""
    values = _object(row)
    if "title" not in values:
        keys = ", ".join(repr(str(key))[:30] for key in list(values)[:8])
        what = "it is a comment" if "body" in values else "it has no title"
        raise Wrong(f"{what}, not a submission.", f"{what}, not a submission; its keys are {keys}.")
    return _text(values, _string(values, "title"), "selftext")


def comment_of(row: Row) -> tuple[Text, str]:
    """The comment of a row, and the id of the submission that it answers at first hand; '' for one below another comment"""
    values = _object(row)
    if "body" not in values:
        what = "it is a submission" if "title" in values else "it has no body"
        raise Wrong(f"{what}, not a comment.")
    parent = values.get("parent_id")
    if not isinstance(parent, str) or not parent.startswith("t3_"):
        if parent is None or not isinstance(parent, str | int) or isinstance(parent, bool):
            raise Wrong(
                "its parent_id is not one.", f"its parent_id is {shown(parent)}; expected one such as 't3_39zje0'."
            )
        return Text("0", "", 0, "", "", "", ""), ""
    return _text(values, "", "body"), _id(parent[3:], "parent_id")


def flagged(row: Row, *names: str) -> bool:
    """Whether one of these keys says something: true, or a text that is not empty"""
    return isinstance(row.value, dict) and any(row.value.get(name) not in (None, False, "") for name in names)


def _object(row: Row) -> Mapping[str, Any]:
    if row.problem:
        raise Wrong(row.problem)
    if not isinstance(row.value, dict):
        raise Wrong("it is not an object.", f"it is {kind_of(row.value)}; expected an object with id, author, score …")
    return row.value


def _text(values: Mapping[str, Any], title: str, body: str) -> Text:
    author = values.get("author")
    if author is not None and not (isinstance(author, str) and (_NAME.fullmatch(author) or author.lower() in GONE)):
        raise Wrong(
            "its author is not a name.", f"its author is {shown(author)}; expected a name of letters, digits, _ and -."
        )
    subreddit = _string(values, "subreddit")
    if not _NAME.fullmatch(subreddit.removeprefix("u_")):
        raise Wrong(
            "its subreddit is not a name.",
            f"its subreddit is {shown(subreddit)}; expected a name such as 'WritingPrompts'.",
        )
    score = values.get("score")
    if isinstance(score, bool) or not isinstance(score, int) or abs(score) > 10**9:
        raise Wrong("its score is not a number.", f"its score is {shown(score)}; expected a whole number.")
    text = values.get(body)
    if text is not None and not isinstance(text, str):
        raise Wrong(f"its {body} is not text.", f"its {body} is {kind_of(text)}; expected text.")
    return Text(
        _id(values.get("id"), "id"), subreddit, score, author or "", _date(values.get("created_utc")), title.strip(), text or ""
    )  # fmt: skip


def _string(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        raise Wrong(f"its {key} is not text.", f"its {key} is {kind_of(value)}; expected text.")
    return value


def _id(value: Any, key: str) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Wrong(
            f"its {key} is not one.", f"its {key} is {shown(value)}; expected letters and digits such as '39zje0'."
        )
    return value


def _date(value: Any) -> str:
    """The day of a number of seconds since 1970, which some months have as text"""
    try:
        return "" if value is None else datetime.fromtimestamp(float(value), UTC).date().isoformat()
    except (ValueError, OverflowError, OSError, TypeError):
        raise Wrong(
            "its created_utc is not a time.", f"its created_utc is {shown(value)}; expected seconds since 1970."
        ) from None
