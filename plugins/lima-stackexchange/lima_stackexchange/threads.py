"""The source `stackexchange-threads`: comment chains as candidate dialogues, for a person to edit (LIMA §6 took 20 of them).

What is read is the answers: each is a dialogue with who asked, or refused with the reason; so are rows of other kinds and broken
ones. Knows nothing of how dumps are stored, nor of who says what to whom.
"""

from typing import ClassVar

from lima import LimaError, visible
from lima_chat import Conversation
from lima_stackexchange.chains import USER, Post, Said, chain, turns
from lima_stackexchange.columns import MOST_ID, Kind, Text, Wrong, comment_of, number, post_of
from lima_stackexchange.dump import DumpRow
from lima_stackexchange.exchanges import Exchange
from lima_stackexchange.index import ALL, Index, packed, unpacked
from lima_stackexchange.licences import Part, licence_of, provenance_of
from lima_stackexchange.options import Options
from lima_stackexchange.source import NO_AUTHOR, DumpSource, keys, name_of, posts, to_name
from lima_stackexchange.tally import PLACES, Tally

_ALONE = "who asked it is who answered it."
_ORPHAN = "its question is not in the dump."
_LINK = "a comment or post of its chain points to a link or picture, which is taken out."
_PAIR = "FROM post JOIN post AS asked ON asked.key = post.question WHERE post.key BETWEEN ? AND ?"
_ASKED = "EXISTS (SELECT 1 FROM post AS asked WHERE asked.key = post.question)"
_COMMENTED = "EXISTS (SELECT 1 FROM comment WHERE comment.post IN (post.key, post.question))"


class Threads(DumpSource):
    """Comment chains as dialogues"""

    name = "stackexchange-threads"
    description = "comment chains of Stack Exchange dumps as dialogues to edit; stackexchange-threads:FOLDER with Posts.xml and Comments.xml"
    options = Options.THREADS
    tables: ClassVar = (
        "CREATE TABLE post (key INTEGER PRIMARY KEY, question INTEGER, data BLOB)",
        "CREATE TABLE comment (post INTEGER, written TEXT, id INTEGER, data BLOB)",
        "CREATE INDEX comments ON comment (post)",
    )

    def read(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Posts and the comments on them"""
        file = exchange.part("Comments")
        if not file:
            raise LimaError(
                f"There are no comments beside {visible(str(exchange.posts))}, and dialogues are made of them. Put the dump's "
                "Comments.xml into its folder, or use the source 'stackexchange', which needs none."
            )
        for row, id, kind, _ in posts(indexed, exchange, tally):
            try:
                self._post(indexed, place, id, kind, row)
            except Wrong as e:
                tally.add(e.reason, row.where, str(e), fault=True)
        with exchange.rows("Comments", file) as found:
            for row in found:
                try:
                    post, text = comment_of(row)
                except Wrong as e:
                    tally.add(e.reason, row.where, str(e), fault=True)
                    continue
                add = "INSERT INTO comment SELECT ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM post WHERE key = ?)"
                key = place * ALL + post
                indexed.execute(add, key, text.written, text.id, packed(text), key)
                to_name(indexed, place, text)

    def _post(self, indexed: Index, place: int, id: int, kind: int, row: DumpRow) -> None:
        post, question = post_of(row), 0
        title = row.columns.get("Title", "").strip()
        if kind == Kind.ANSWER:
            question, title = place * ALL + number(row, "ParentId", 1, MOST_ID), ""
        elif not title:
            raise Wrong("it has no Title, as a question has.")
        own = row.columns.get("LastEditorUserId", "") == str(post.author.id)
        edited = row.columns.get("LastEditDate", "")[:23] if own else ""
        to_name(indexed, place, post)
        indexed.execute("INSERT INTO post VALUES (?, ?, ?)", place * ALL + id, question, packed(post, title, edited))

    def join(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Which answers have a chain, and why others have none"""
        for reason, rest in ((_ORPHAN, f"NOT {_ASKED}"), (self._few, f"{_ASKED} AND NOT {_COMMENTED}")):
            where = f"FROM post WHERE key BETWEEN ? AND ? AND question > 0 AND {rest}"
            count = indexed.one(f"SELECT COUNT(*) {where}", *keys(place))
            found = indexed.execute(f"SELECT key {where} ORDER BY key LIMIT ?", *keys(place), PLACES)
            tally.add_many(reason, count, [(f"{exchange.site}/a/{key % ALL}", "") for (key,) in found])
        for (key,) in indexed.execute(f"SELECT post.key {_PAIR} AND {_COMMENTED}", *keys(place)):
            said = self._chain(indexed, key)
            if why := self._why_not(said):
                tally.add(why, f"{exchange.site}/a/{key % ALL}")
                continue
            answer = unpacked(indexed.one("SELECT data FROM post WHERE key = ?", key))[0]
            indexed.execute("INSERT INTO candidate VALUES (?, ?)", key, answer.score)

    @property
    def _few(self) -> str:
        least = self.settings.least_exchanges
        return f"its chain has fewer than {least} exchange{'s' * (least > 1)} between who asked and who answered."

    def _why_not(self, said: list[Said]) -> str:
        """Why a chain is no candidate; '' if it is one"""
        question, answer = said[0].of, next(one.of for one in said if one.kind == "answer")
        if not question.author.known or not answer.author.known:
            return NO_AUTHOR
        if question.author.is_same(answer.author):
            return _ALONE
        made, used = turns(said)
        if sum(turn.role == USER for turn in made) < self.settings.least_exchanges:
            return self._few
        return _LINK if self.settings.wording and any(one.dangling for one in used) else ""

    def _chain(self, indexed: Index, key: int) -> list[Said]:
        answer = self._stored(indexed, key)
        asked = indexed.one("SELECT question FROM post WHERE key = ?", key)
        comments = [self._comments(indexed, post) for post in (asked, key)]
        return chain(self._stored(indexed, asked), answer, *comments, self.settings.others == USER)

    @staticmethod
    def _stored(indexed: Index, key: int) -> Post:
        text, (title, edited) = unpacked(indexed.one("SELECT data FROM post WHERE key = ?", key))
        return Post(text, name_of(indexed, key, text) or text.author.name, title, edited)

    @staticmethod
    def _comments(indexed: Index, post: int) -> list[tuple[Text, str]]:
        """The comments on a post in order of time; those of nobody are left out"""
        found = indexed.execute("SELECT data FROM comment WHERE post = ? ORDER BY written, id LIMIT 1000", post)
        texts = [unpacked(data)[0] for (data,) in found]
        return [(text, name_of(indexed, post, text) or text.author.name) for text in texts if text.author.known]

    def record(self, indexed: Index, exchange: Exchange, key: int) -> Conversation:
        """The dialogue of an answer"""
        made, used = turns(self._chain(indexed, key))
        parts = [_part(one, exchange.site, used[0].on) for one in used]
        return Conversation(
            id=f"{exchange.site}/a/{key % ALL}",
            source=self.name,
            licence=licence_of(parts),
            provenance=provenance_of(parts),
            turns=tuple(made),
            tags=("comment chain",),
        )


def _part(one: Said, site: str, question: int) -> Part:
    place = {"question": f"q/{one.on}", "answer": f"a/{one.on}"}.get(one.kind.removeprefix("edit of the "))
    path = place or f"questions/{question}#comment{one.of.id}_{one.on}"
    return one.of.part(f"{one.kind} ({one.role})", site, path, one.name)
