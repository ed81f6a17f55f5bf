"""The source `reddit`: a prompt of r/WritingPrompts with the best story that was written to it (LIMA §2).

What is read is the submissions: each is an example, or refused with the reason; so are broken rows, and the comments to a prompt
that are gone or by a program. Knows nothing of how files are stored.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from lima import Example, Refused, Scratch, Tally, Wrong, blank
from lima_reddit.files import rows
from lima_reddit.markdown import cleaned, continues, plain
from lima_reddit.options import STORIES
from lima_reddit.submissions import POST, Post, Submissions, permalink
from lima_reddit.things import LICENCE, Text, comment_of, flagged
from lima_reddit.wording import speaks_of_the_site, stands_alone, untagged

_TAGGED = "it has a tag of another kind than those that are taken."
_LINK = "it is a link, a picture or a video, which is not there."
_POINTS = "its title points to what is not there, or speaks of Reddit."
_NO_TITLE = "nothing is left of its title."
_BETTER = (
    "INSERT INTO story SELECT ?, ?, ?, ?, ?, ?, ? WHERE true ON CONFLICT (key) DO UPDATE SET "
    "id = excluded.id, number = excluded.number, score = excluded.score, author = excluded.author, "
    "written = excluded.written, text = excluded.text "
    "WHERE excluded.score > score OR (excluded.score = score AND excluded.number < number)"
)
"Of two comments with one score the older"
_BEST = "SELECT COALESCE(story.score, -2000000000) FROM post LEFT JOIN story USING (key) WHERE post.key = ?"
"A row for a submission that passed, with the score of its best story so far"


class Stories(Submissions):
    """Prompts with the best story to each"""

    name = "reddit"
    description = (
        "prompts of r/WritingPrompts with the best story to each, from Pushshift's files of submissions and comments"
    )
    options = STORIES
    tables: ClassVar = (
        POST,
        "CREATE TABLE story (key INTEGER PRIMARY KEY, id TEXT, number INTEGER, score INTEGER, author TEXT, written TEXT, "
        "text TEXT)",
    )
    needs_comments = True

    def examples(self, argument: str | None) -> Iterator[Example | Refused]:
        """The best first, or by the seed any; behind them the reasons why others are not among them"""
        dump, tally, count = self.dump(argument), Tally(), 0
        with Scratch.opened(*self.tables) as scratch:
            self.read(scratch, dump.submissions, tally)
            self._read_comments(scratch, dump.comments, tally)
            for post in self.taken(scratch, "WHERE key IN (SELECT key FROM story)"):
                if self.settings.limit and count == self.settings.limit:
                    tally.add_many(tally.NOT_DRAWN, scratch.one("SELECT COUNT(*) FROM story") - count, [])
                    break
                count += 1
                yield self._example(scratch, post)
            self._without(scratch, tally)
        yield from tally.refused()

    def why_not(self, post: Text, row: Any) -> str:
        """Tags, links, and titles that need more than is there"""
        tag, title = untagged(post.title)
        if tag and tag not in self.settings.tags:
            return _TAGGED
        if flagged(row, "is_video", "is_gallery") or (
            isinstance(row.value, dict) and row.value.get("is_self") is False
        ):
            return _LINK
        if self.settings.wording and (not stands_alone(title) or speaks_of_the_site(title)):
            return _POINTS
        return _NO_TITLE if blank(plain(title)) else ""

    def _read_comments(self, scratch: Scratch, files: tuple[Path, ...], tally: Tally) -> None:
        """The best comment to each submission that can be its story"""
        for row in rows(files):
            try:
                comment, post = comment_of(row)
            except Wrong as e:
                tally.add_wrong(e, row.where)
                continue
            best = scratch.execute(_BEST, int(post, 36)).fetchone() if post else None
            if not best:
                continue
            if comment.deleted:
                tally.add("a comment to a prompt was removed or deleted, or its author is gone.", row.where)
            elif comment.by_program or flagged(row, "distinguished", "stickied"):
                tally.add("a bot or a moderator wrote a comment to a prompt.", row.where)
            elif comment.score >= max(best[0], self.settings.least_score) and (text := self._story(comment.text)):
                values = comment.id, comment.key, comment.score, comment.author, comment.written, text
                scratch.execute(_BETTER, int(post, 36), *values)

    def _story(self, source: str) -> str:
        """The story of a comment; '' where it is none"""
        if len(source) < self.settings.shortest:
            return ""
        text = cleaned(source)
        if blank(text) or not self.settings.shortest <= len(text) <= self.settings.longest:
            return ""
        return "" if self.settings.wording and continues(source) else text

    def _without(self, scratch: Scratch, tally: Tally) -> None:
        """Submissions to which there is no story"""
        settings = self.settings
        reason = (
            f"no comment to it with a score of {settings.least_score:,} or more is a whole story of {settings.shortest:,} to "
            f"{settings.longest:,} character{'s' * (settings.longest != 1)}."
        )
        which = "FROM post WHERE key NOT IN (SELECT key FROM story)"
        places = scratch.execute(f"SELECT place, '' {which} ORDER BY key LIMIT ?", Tally.PLACES).fetchall()
        tally.add_many(reason, scratch.one(f"SELECT COUNT(*) {which}"), places)

    def _example(self, scratch: Scratch, found: Post) -> Example:
        post = found.text
        id, author, written, text = scratch.execute(
            "SELECT id, author, written, text FROM story WHERE key = ?", post.key
        ).fetchone()
        story = post._replace(author=author, written=written)
        below = cleaned(post.text) if self.settings.body else ""
        credits = (story.credit("story", permalink(post, id)), post.credit("prompt", permalink(post)))
        return Example(
            id=f"reddit.com/{post.id}/{id}",
            source=self.name,
            licence=LICENCE,
            provenance=f"{permalink(post, id)} ({found.place})",
            credits=credits,
            prompt="\n\n".join(part for part in (plain(untagged(post.title)[1]), below) if part),
            response=text,
        )
