"""The source `reddit-titles`: titles of r/AskReddit to ask a model, as LIMA's test set has 70 of them (LIMA §2).

A title has no answer to learn, so none of them is an example: `lima dialogues run reddit-titles:FILE` asks them. What is read is
the submissions: each is asked, or refused with the reason. Knows nothing of how files are stored.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from lima import Refused, Scratch, Tally, blank
from lima_reddit.markdown import cleaned, plain
from lima_reddit.options import Options
from lima_reddit.submissions import POST, Submissions, permalink
from lima_reddit.things import GONE, Text
from lima_reddit.wording import asked, speaks_of_the_site, stands_alone

if TYPE_CHECKING:
    from lima_chat import EvalConversation

_POINTS = "its title does not stand alone."
_SITE = "its title speaks of Reddit, or to those who read there."
_SAME = "a title before it says the same."
_NO_ANSWER = "a title has no answer to learn from: ask it with `lima dialogues run reddit-titles:PATH --model MODEL`."


class Titles(Submissions):
    """Titles to ask"""

    name = "reddit-titles"
    description = (
        "titles of r/AskReddit to ask with `lima dialogues run`, not to train on, from Pushshift's submissions"
    )
    options = Options.TITLES
    tables: ClassVar = (POST, "CREATE TABLE asked (title TEXT PRIMARY KEY) WITHOUT ROWID")
    needs_comments = False

    def examples(self, argument: str | None) -> Iterator[Refused]:
        """Nothing to learn from: each title that could be asked with what to do with it, and the others with their reasons"""
        for one in self.scripts(argument):
            yield one if isinstance(one, Refused) else Refused(one.turns[0].facts["note"], _NO_ANSWER, fault=False)

    def scripts(self, argument: str | None) -> "Iterator[EvalConversation | Refused]":
        """The titles, the best first, or by the seed any; each is a conversation of one turn"""
        from lima_chat import EvalConversation, EvalTurn

        dump, tally, count, looked_at = self.dump(argument), Tally(), 0, 0
        with Scratch.opened(*self.tables) as scratch:
            self.read(scratch, dump.submissions, tally)
            for place, post in self.taken(scratch):
                if self.settings.limit and count == self.settings.limit:
                    break
                looked_at += 1
                title = asked(post.title)
                if scratch.one("INSERT OR IGNORE INTO asked VALUES (?) RETURNING 1", _same(title)) is None:
                    tally.add(_SAME, place)
                    continue
                count += 1
                note = f"{permalink(post)}, u/{post.author}, {post.written}"  # no path: it is hashed with what is asked
                turn = EvalTurn(plain(title), (), "opening", {"note": note})
                yield EvalConversation(f"reddit.com/{post.id}", f"r/{post.subreddit}", (turn,))
            tally.add_many(tally.NOT_DRAWN, scratch.one("SELECT COUNT(*) FROM post") - looked_at, [])
        yield from tally.refused()

    def why_not(self, post: Text, row: Any) -> str:
        """Titles that do not stand alone"""
        title = asked(post.title)
        if blank(plain(title)) or (self.settings.wording and not stands_alone(title)):
            return _POINTS
        if self.settings.wording and _explains(post.text):
            return "what is asked is explained below its title."
        return _SITE if self.settings.wording and speaks_of_the_site(title) else ""

    @staticmethod
    def kept(post: Text) -> tuple[Any, ...]:
        """Without what is below the title"""
        return Submissions.kept(post._replace(text=""))


def _explains(text: str) -> bool:
    """Whether something is written below a title, but for edits and thanks"""
    return bool(text.strip()) and text.strip().lower() not in GONE and bool(cleaned(text))


def _same(title: str) -> str:
    """What two titles have in common that say the same"""
    return " ".join(re.findall(r"\w+", re.sub(r"['’]s\b", " is", title.lower())))
