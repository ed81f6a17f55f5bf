"""The source `stackexchange-threads`: comment chains as candidate dialogues, for a person to edit (LIMA §6 took 20 of them).

What is read is the answers: each is a dialogue with who asked, or refused with the reason; so are rows of other kinds and broken
ones. Knows nothing of how dumps are stored, nor of who says what to whom.
"""

from typing import ClassVar

from lima import Credit, LimaError, Tally, Wrong, visible
from lima_chat import Conversation
from lima_stackexchange.chains import USER, Post, Said, chain, exchanges, is_marked, turns
from lima_stackexchange.columns import MOST_ID, Kind, Text, comment_of, number, post_of, when
from lima_stackexchange.dump import DumpRow
from lima_stackexchange.exchanges import Exchange
from lima_stackexchange.index import ALL, TEXT, Index, restored, stored
from lima_stackexchange.licences import licence_of, provenance_of
from lima_stackexchange.options import Options
from lima_stackexchange.source import NO_AUTHOR, DumpSource, keys, posts, to_name

_ALONE = "who asked it is who answered it."
_ORPHAN = "its question is not in the dump."
_LINK = "a comment or post of its chain points to a link or picture, which is taken out."
_POST = "SELECT post.*, person.name FROM post LEFT JOIN person ON person.key = ? + post.person WHERE post.key = ?"
_COMMENTS = (
    "SELECT comment.*, person.name FROM comment LEFT JOIN person ON person.key = ? + comment.person "
    "WHERE post IN (?, ?) ORDER BY written, id LIMIT 2000"
)
"With the names of their authors; those of an exchange are behind its first key"
_EMPTY = "its question or it is empty."

_OTHER = "EXISTS (SELECT 1 FROM comment WHERE comment.post IN (post.key, post.question) AND comment.person {})"
_WHY = """SELECT post.key, CASE
    WHEN asked.key IS NULL THEN 'orphan'
    WHEN (post.person <= 0 AND post.name = '') OR (asked.person <= 0 AND asked.name = '') THEN 'nobody'
    WHEN post.person = asked.person AND (post.person > 0 OR post.name = asked.name) THEN 'alone'
    WHEN NOT ({more}) THEN 'few' ELSE '' END
    FROM post LEFT JOIN post AS asked ON asked.key = post.question WHERE post.key BETWEEN ? AND ? AND post.question > 0"""
_MORE = """asked.edited > '' OR post.edited > '' OR EXISTS (
    SELECT 1 FROM comment AS said JOIN comment AS back ON back.post IN (post.key, post.question)
    WHERE said.post IN (post.key, post.question) AND said.person = asked.person AND back.person = post.person AND
    CASE WHEN said.written >= post.written THEN back.written >= said.written ELSE back.written <= said.written END)"""
_MORE_OF_ALL = f"{_OTHER.format('!= post.person')} AND (post.edited > '' OR {_OTHER.format('= post.person')})"
"What a second exchange needs, so that most answers are decided by the index: whether it is one is looked at then"


class Threads(DumpSource):
    """Comment chains as dialogues"""

    name = "stackexchange-threads"
    description = "comment chains of Stack Exchange as dialogues to edit: a folder with Posts.xml and Comments.xml"
    options = Options.THREADS
    tables: ClassVar = (
        f"CREATE TABLE post (key INTEGER PRIMARY KEY, question INTEGER, title TEXT, edited TEXT, {TEXT})",
        f"CREATE TABLE comment (post INTEGER, {TEXT})",
    )

    def read(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Posts and the comments on them"""
        file = exchange.part("Comments")
        if not file:
            raise LimaError(
                f"There are no comments beside {visible(str(exchange.posts))}, and dialogues are made of them. Put the dump's "
                "Comments.xml into its folder, or use the source 'stackexchange', which needs none."
            )
        for row, id, kind, score in posts(indexed, exchange, tally):
            try:
                self._post(indexed, place, kind, row, post_of(row, id, score))
            except Wrong as e:
                tally.add_wrong(e, row.where)
        with exchange.rows("Comments", file) as found:
            for row in found:
                try:
                    self._comment(indexed, place, row)
                except Wrong as e:
                    tally.add_wrong(e, row.where)

    def _comment(self, indexed: Index, place: int, row: DumpRow) -> None:
        """Keep a comment on a post that is there, by somebody who can be named"""
        post, text = comment_of(row)
        if indexed.has(post) and text.author.known:
            indexed.add("INSERT INTO comment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", place * ALL + post, *stored(text))
            to_name(indexed, place, text)

    def _post(self, indexed: Index, place: int, kind: int, row: DumpRow, post: Text) -> None:
        question = 0
        title = row.columns.get("Title", "").strip()
        if kind == Kind.ANSWER:
            question, title = place * ALL + number(row, "ParentId", 1, MOST_ID), ""
        elif not title:
            raise Wrong("it has no Title, as a question has.")
        own = row.columns.get("LastEditorUserId", "") == str(post.author.id)
        edited = when(row, "LastEditDate") if own and is_marked(post.text) else ""
        to_name(indexed, place, post)
        indexed.add(
            f"INSERT INTO post VALUES ({'?, ' * 10}?)", place * ALL + post.id, question, title, edited, *stored(post)
        )

    def join(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Which answers have a chain, and why others have none"""
        indexed.execute("CREATE INDEX IF NOT EXISTS comments ON comment (post)")
        least, others = self.settings.least_exchanges, self.settings.others == USER
        more = "1" if least == 1 else _MORE_OF_ALL if others else _MORE
        whys = {"orphan": _ORPHAN, "nobody": NO_AUTHOR, "alone": _ALONE, "few": self._few}
        for key, found in indexed.execute(_WHY.format(more=more), *keys(place)):
            why = whys.get(found, "")
            if not why and exchanges(self._chain(indexed, key)) < least:
                why = self._few
            if why:
                tally.add(why, f"{exchange.site}/a/{key % ALL}")
            else:
                indexed.add("INSERT INTO candidate SELECT key, score FROM post WHERE key = ?", key)

    @property
    def _few(self) -> str:
        least = self.settings.least_exchanges
        return f"its chain has fewer than {least} exchange{'s' * (least > 1)} between who asked and who answered."

    def _chain(self, indexed: Index, key: int) -> list[Said]:
        asked, answer = self._stored(indexed, key)
        _, question = self._stored(indexed, asked)
        under = self._comments(indexed, asked, key)
        return chain(question, answer, under[asked], under[key], self.settings.others == USER)

    @staticmethod
    def _stored(indexed: Index, key: int) -> tuple[int, Post]:
        """A post, behind the key of its question"""
        _, question, title, edited, *values, called = indexed.execute(_POST, key // ALL * ALL, key).fetchone()
        text = restored(*values)
        return question, Post(text, called or text.author.name, title, edited)

    @staticmethod
    def _comments(indexed: Index, *posts: int) -> dict[int, list[tuple[Text, str]]]:
        """The comments on two posts in order of time, with their authors' names"""
        found: dict[int, list[tuple[Text, str]]] = {post: [] for post in posts}
        for post, *values, called in indexed.execute(_COMMENTS, posts[0] // ALL * ALL, *posts):
            text = restored(*values)
            found[post].append((text, called or text.author.name))
        return found

    def record(self, indexed: Index, exchange: Exchange, key: int) -> Conversation | str:
        """The dialogue of an answer"""
        said = self._chain(indexed, key)
        if any(not one.text for one in said if one.kind != "comment"):
            return _EMPTY
        made, used = turns(said)
        if sum(turn.role == USER for turn in made) < self.settings.least_exchanges:
            return self._few
        if self.settings.wording and any(one.made.dangling for one in used):
            return _LINK
        credits = tuple(_credit(one, exchange.site, used[0].on) for one in used)
        return Conversation(
            id=f"{exchange.site}/a/{key % ALL}",
            source=self.name,
            licence=licence_of(credits),
            provenance=provenance_of(credits),
            credits=credits,
            turns=tuple(made),
            tags=("comment chain",),
        )


def _credit(one: Said, site: str, question: int) -> Credit:
    place = {"question": f"q/{one.on}", "answer": f"a/{one.on}"}.get(one.kind.removeprefix("edit of the "))
    path = place or f"questions/{question}#comment{one.of.id}_{one.on}"
    return one.of.credit(f"{one.kind} ({one.role})", site, path, one.name)
