"""The source `stackexchange`: questions with their top answers, by the filters of LIMA §2.

What is read is the questions: each is an example, or refused with the reason; so are rows of other kinds, broken ones, and good
answers without a question. Knows nothing of how dumps are stored.
"""

import re
from hashlib import blake2b
from typing import ClassVar

from lima import Example, Tally, Wrong
from lima_stackexchange.columns import MOST_ID, Kind, Text, number, post_of
from lima_stackexchange.dump import DumpRow
from lima_stackexchange.exchanges import Exchange
from lima_stackexchange.index import ALL, TEXT, Index, restored, stored
from lima_stackexchange.licences import licence_of, provenance_of
from lima_stackexchange.markdown import Cleaned, cleaned
from lima_stackexchange.options import Options
from lima_stackexchange.source import NO_AUTHOR, DumpSource, keys, name_of, posts, to_name
from lima_stackexchange.wording import first_person, points_to_what_is_gone, prose, refers, stands_alone

_TITLE = "its title does not stand alone."
_ORPHAN = "it is a good answer, and its question is not in the dump."
_LONGER = re.compile("<pre|<blockquote|<t[dh]")
"What may be longer as Markdown than as HTML; a post without it can be seen to be too short"
LEAST_BODY = 40
"Characters of a description that can be asked without its title"

_BETTER = (
    "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET reason = excluded.reason, "
    "id = excluded.id, score = excluded.score, written = excluded.written, person = excluded.person, name = excluded.name, "
    "licence = excluded.licence, text = excluded.text "
    "WHERE excluded.score > score OR (excluded.score = score AND excluded.id < id)"
)
_JOIN = "FROM question LEFT JOIN answer USING (key) WHERE key BETWEEN ? AND ?"


class Questions(DumpSource):
    """Questions with their top answers"""

    name = "stackexchange"
    description = (
        "questions and top answers of Stack Exchange, by LIMA's filters: a folder with Posts.xml, or an archive"
    )
    options = Options.QUESTIONS
    tables: ClassVar = (
        f"CREATE TABLE question (key INTEGER PRIMARY KEY, title TEXT, {TEXT})",
        f"CREATE TABLE answer (key INTEGER PRIMARY KEY, reason TEXT, {TEXT})",
    )

    def read(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Questions that may be asked, and the top answer of each"""
        for row, id, kind, score in posts(indexed, exchange, tally):
            try:
                if kind == Kind.QUESTION:
                    self._question(indexed, place, exchange, row, post_of(row, id, score), tally)
                elif score >= self.settings.least_score:
                    self._answer(indexed, place, row, post_of(row, id, score))
            except Wrong as e:
                tally.add_wrong(e, row.where)

    def _question(self, indexed: Index, place: int, exchange: Exchange, row: DumpRow, text: Text, tally: Tally) -> None:
        title = row.columns.get("Title", "").strip()
        if not title:
            raise Wrong("it has no Title, as a question has.")
        if not text.author.known or (self.settings.wording and not stands_alone(title)):
            reason = _TITLE if text.author.known else NO_AUTHOR
            tally.add(reason, row.where)
            return
        text = text if self._asks_body(exchange, text.id) else text._replace(text="")
        to_name(indexed, place, text)
        indexed.add(
            "INSERT INTO question VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", place * ALL + text.id, title, *stored(text)
        )

    def _asks_body(self, exchange: Exchange, id: int) -> bool:
        """Whether the description is the prompt: said, or drawn for each question by itself, so that others change nothing"""
        if self.settings.prompt != "random":
            return self.settings.prompt == "body"
        return bool(blake2b(f"{self.settings.seed} {exchange.site} {id}".encode(), digest_size=1).digest()[0] & 1)

    def _answer(self, indexed: Index, place: int, row: DumpRow, answer: Text) -> None:
        """Note an answer if it is the best of its question so far; of two with one score the first"""
        parent = number(row, "ParentId", 1, MOST_ID)
        short = len(answer.text) < self.settings.shortest and not _LONGER.search(answer.text)
        made = Cleaned("") if short else cleaned(answer.text)
        reason = NO_AUTHOR if not answer.author.known else self._why_not(made.text, made.dangling)
        if not reason:
            to_name(indexed, place, answer)
        indexed.add(_BETTER, place * ALL + parent, reason, *stored(answer._replace(text="" if reason else made.text)))

    def _why_not(self, text: str, dangling: bool) -> str:
        """Why an answer is not learnt from; '' if it is"""
        shortest, longest = self.settings.shortest, self.settings.longest
        if len(text) < shortest:
            return f"its top answer is shorter than {shortest:,} characters."
        if len(text) > longest:
            return f"its top answer is longer than {longest:,} characters."
        if not self.settings.wording:
            return ""
        own = prose(text)
        if first_person(own):
            return "its top answer is in the first person."
        if refers(own):
            return "its top answer refers to other answers, comments, votes or edits."
        if dangling or points_to_what_is_gone(own):
            return "its top answer points to a link or picture, which is taken out."
        return ""

    def join(self, indexed: Index, place: int, exchange: Exchange, tally: Tally) -> None:
        """Which questions have an answer that passes, and why others have none"""
        low = f"no answer to it has a score of {self.settings.least_score:,} or more."
        for reason, count in indexed.execute(
            f"SELECT COALESCE(reason, ?), COUNT(*) {_JOIN} GROUP BY 1", low, *keys(place)
        ):
            if reason:
                first = f"SELECT key {_JOIN} AND COALESCE(reason, ?) = ? ORDER BY key LIMIT ?"
                found = indexed.execute(first, *keys(place), low, reason, Tally.PLACES)
                tally.add_many(reason, count, [(f"{exchange.site}/q/{key % ALL}", "") for (key,) in found])
        asked = "EXISTS (SELECT 1 FROM question WHERE key = answer.key)"
        lost = f"SELECT key, id FROM answer WHERE key BETWEEN ? AND ? AND NOT {asked}"
        for key, id in indexed.execute(lost, *keys(place)):
            if indexed.is_new(key % ALL):  # else the question was refused itself
                tally.add(_ORPHAN, f"{exchange.site}/a/{id}")
        indexed.execute(f"INSERT INTO candidate SELECT key, question.score {_JOIN} AND reason = ''", *keys(place))

    def record(self, indexed: Index, exchange: Exchange, key: int) -> Example:
        """The example of a question"""
        _, title, *values = indexed.execute("SELECT * FROM question WHERE key = ?", key).fetchone()
        _, _, *more = indexed.execute("SELECT * FROM answer WHERE key = ?", key).fetchone()
        question, answer = restored(*values), restored(*more)
        body = cleaned(question.text) if question.text else None
        poor = not body or len(body.text) < LEAST_BODY or (self.settings.wording and self._points(body))
        credits = (
            answer.credit("answer", exchange.site, f"a/{answer.id}", name_of(indexed, key, answer)),
            question.credit("question", exchange.site, f"q/{question.id}", name_of(indexed, key, question)),
        )
        return Example(
            id=f"{exchange.site}/a/{answer.id}",
            source=self.name,
            licence=licence_of(credits),
            provenance=provenance_of(credits),
            credits=credits,
            prompt=title if poor or body is None else body.text,
            response=answer.text,
        )

    @staticmethod
    def _points(body: Cleaned) -> bool:
        """Whether a description needs what is not in it"""
        own = prose(body.text)
        return body.dangling or bool(body.pictures or refers(own) or points_to_what_is_gone(own))
