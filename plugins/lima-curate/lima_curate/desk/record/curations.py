"""Curations: who works on which candidates, begun once and found again by name; sources may be added later.

Knows nothing of what people do.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lima import LimaError, Record, Store, command_on, now
from lima_chat import Conversation, Turn
from lima_curate.dataset import record_of, row_of
from lima_curate.desk.examples.editing import BLANK

MOST = 20_000
"Candidates of a curation"
_NAME = re.compile(r"\w[\w.+-]{0,79}")


@dataclass(frozen=True)
class Curation:
    """A curation that has begun"""

    name: str
    people: tuple[str, ...]
    reviews: int
    "How many of the people have each candidate"
    licence: str
    "Of what is written here"


@dataclass(frozen=True)
class Candidate:
    """One example that somebody may accept, edit or reject"""

    number: int
    "In its curation, from 1"
    source: str
    "As the command named it"
    record: Record | None
    "As its source gave it; None of what is written here"
    writer: str = ""
    "Who began to write it here"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """As it was before anybody edited it"""
        return Conversation.of(self.record).turns if self.record else BLANK


def find(store: Store, name: str) -> Curation:
    """A curation by its name, or the start of it; LimaError where there is none"""
    row = store.find("curations", name, "curation", "`lima curate list` names all.")
    people = store.decoded(row, f"curation {row['id']}", people=list)["people"]
    return Curation(row["id"], tuple(people), row["reviews"], row["licence"])


def known(store: Store, name: str) -> bool:
    """Whether a curation has exactly this name"""
    return bool(store.rows("select 1 from curations where id = ?", [name]))


def begin(store: Store, curation: Curation) -> None:
    """Write a curation, unless it is there; LimaError for one that cannot be, or where another one has its name"""
    check(curation)
    with store.write() as db:
        if known(store, curation.name):  # perhaps begun by another process a moment ago
            if find(store, curation.name) != curation:
                raise LimaError(
                    f"Another command has just begun a curation {curation.name} with other people, reviews or licence. To "
                    "resume that one: --name alone; for another one, give another --name."
                )
            return
        row = {"id": curation.name, "created": now(), "people": json.dumps(curation.people, ensure_ascii=False)}
        db.table("curations").insert(row | {"reviews": curation.reviews, "licence": curation.licence})


def check(curation: Curation) -> None:
    """LimaError for a curation that cannot be"""
    if not _NAME.fullmatch(curation.name):
        raise LimaError(
            f"{curation.name[:80]!r} is not a name for a curation: it has up to 80 letters, digits, and . _ + - between "
            "them. For example: --name my-thousand"
        )
    if not 1 <= curation.reviews <= len(curation.people):
        n = len(curation.people)
        raise LimaError(
            f"Each candidate is to go to {curation.reviews} people, and there {'is one' if n == 1 else f'are {n}'}. Give "
            f"--reviews 1{f' to {n}' * (n > 1)}, or name more --people."
        )


def sources(store: Store, name: str) -> list[str]:
    """What a curation was filled from, as the commands named it, in order"""
    rows = store.rows("select source from curation_sources where curation = ? order by id", [name])
    return list(dict.fromkeys(row["source"] for row in rows))


def add(
    store: Store, curation: Curation, source: str, records: Iterable[Record], settings: dict[str, Any], hash: str = ""
) -> int:
    """Make candidates of the records that are not there yet, and say whose they are; how many they were

    One is there where the same source gave an example of its id. LimaError where they become too many."""
    with store.write() as db:
        there = {
            row["example"]
            for row in store.rows(
                "select example from curation_candidates where curation = ? and source = ?", [curation.name, source]
            )
        }
        first = _count(store, curation.name) + 1
        new, assigned, created = list[dict[str, Any]](), list[dict[str, Any]](), now()
        for record in records:
            if record.id in there:
                continue
            there.add(record.id)
            number = first + len(new)
            if number > MOST:
                raise LimaError(
                    f"The curation {curation.name} would have more than {MOST:,} candidates. Take fewer of {source} with "
                    "--limit, or choose with `lima mix` first."
                )
            row = {"curation": curation.name, "number": number, "source": source, "example": record.id}
            new.append(row | {"record": _written(record), "writer": "", "event": None, "created": created})
            assigned += _assigned(curation, number)
        db.table("curation_candidates").insert_all(new)
        db.table("curation_assigned").insert_all(assigned)
        row = {"curation": curation.name, "source": source, "settings": json.dumps(settings), "hash": hash}
        if new or source not in sources(store, curation.name):
            db.table("curation_sources").insert(row | {"examples": len(new), "created": created})
    return len(new)


def add_blank(store: Store, curation: Curation, writer: str, event: str) -> int:
    """A candidate that somebody writes, who alone has it; its number. The same event again is the same candidate"""
    with store.write() as db:
        rows = store.rows(
            "select number, writer from curation_candidates where curation = ? and event = ?", [curation.name, event]
        )
        if rows:
            if rows[0]["writer"] != writer:
                raise LimaError("Another person's example has this id. Reload the page.")
            return int(rows[0]["number"])
        number = _count(store, curation.name) + 1
        if number > MOST:
            raise LimaError(f"The curation {curation.name} has {MOST:,} candidates. Begin another one with --name.")
        row = {"curation": curation.name, "number": number, "source": "", "example": f"{curation.name}-{number}"}
        db.table("curation_candidates").insert(row | {"record": "", "writer": writer, "event": event, "created": now()})
        db.table("curation_assigned").insert({"curation": curation.name, "candidate": number, "person": writer})
    return number


def read_candidate(store: Store, row: dict[str, Any]) -> Candidate:
    """A candidate of its row; LimaError for a damaged one"""
    record = None
    if row["record"]:
        what = f"candidate {row['number']} of {row['curation']}"
        record = record_of(store.decoded(row, what, record=dict)["record"])
    return Candidate(row["number"], row["source"], record, row["writer"])


def command(store: Store, *words: str) -> str:
    """A command of `lima curate` on this database, as it is typed"""
    return command_on(store.path, "curate", *words)


def _count(store: Store, name: str) -> int:
    found = store.rows("select coalesce(max(number), 0) as n from curation_candidates where curation = ?", [name])
    return int(found[0]["n"])


def _assigned(curation: Curation, number: int) -> Sequence[dict[str, Any]]:
    """The people take turns, so that nobody has more than one candidate more than another"""
    of = [curation.people[(number - 1 + n) % len(curation.people)] for n in range(curation.reviews)]
    return [{"curation": curation.name, "candidate": number, "person": person} for person in of]


def _written(record: Record) -> str:
    """A record as it is kept; LimaError for one that cannot be"""
    text = json.dumps(row_of(record), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LimaError(
            f"Example {record.id!r} has half a character, which is not text. Correct its encoding."
        ) from None
    return text
