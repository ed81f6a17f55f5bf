"""The source: a data set's rows, given to the source that recognises them, with licence and origin of the data set.

Knows nothing of the Hub, of files, or of formats.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

from lima import (
    Credit,
    LimaError,
    NotJson,
    Record,
    Refused,
    find_source,
    kind_of,
    load_plugins,
    options_of,
    parse_json,
    visible,
)
from lima_chat import EvalConversation
from lima_hub.card import NOT_STATED, card_of, licence_of
from lima_hub.local import local_rows
from lima_hub.options import PLUGIN, Asked, Options, asked_for
from lima_hub.remote import PAGE, Facts, facts_of, remote_rows
from lima_hub.spool import Spool


class Hub:
    """Data sets of the Hugging Face Hub"""

    name = "hub"
    description = "a data set of the Hugging Face Hub, or its local copy: hub:OWNER/NAME?split=train, hub:FOLDER"
    licence = "that of the data set's card"
    options = tuple(Options.__dataclass_fields__)

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()
        self._fetched = dict[Asked, tuple[Spool, Facts]]()
        "What came from the Hub, so that it is fetched once by a process"

    def with_options(self, values: dict[str, Any]) -> Self:
        """The same with what the recipe says; keys to ignore may be one text with commas"""
        given = values.get("ignore")
        keys = {"ignore": [key for key in given.split(",") if key]} if isinstance(given, str) else {}
        return type(self)(options_of(Options, PLUGIN, {**values, **keys}))

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """What the source that recognises the rows makes of them"""
        asked = asked_for(argument, self.settings)
        with self._rows(asked) as (spool, facts), spool.told_as_data_set():
            if len(spool):
                for one in self._reader(spool, asked).examples(str(spool.path)):
                    yield self._told(one, spool) if isinstance(one, Refused) else self._record(one, spool, asked, facts)
            yield from spool.tally.refused()

    def scripts(self, argument: str | None) -> Iterator[EvalConversation | Refused]:
        """What is asked in the rows, for an evaluation"""
        asked = asked_for(argument, self.settings)
        with self._rows(asked) as (spool, _), spool.told_as_data_set():
            source = self._reader(spool, asked) if len(spool) else None
            read = getattr(source, "scripts", None)
            if source is not None and read is None:
                raise LimaError(f"{spool.named}: its rows cannot be asked of a model, only learnt from.")
            for one in read(str(spool.path)) if read else ():
                own = isinstance(one, EvalConversation) and one.id.startswith(f"{spool.path.name}:")
                yield (
                    self._told(one, spool)
                    if isinstance(one, Refused)
                    else replace(one, id=_id(one.id, asked))
                    if own
                    else one
                )
            yield from spool.tally.refused()

    @contextmanager
    def _rows(self, asked: Asked) -> Iterator[tuple[Spool, Facts]]:
        """The rows on the disk; what came from the Hub stays there while this source does"""
        if asked in self._fetched:
            yield self._fetched[asked]
            return
        options, spool = asked.options, Spool(f"hub:{visible(asked.argument)}")
        try:
            facts = facts_of(asked) if asked.name else Facts(licence_of(card_of(asked.folder)), "")
            rows = remote_rows(asked, facts.revision) if asked.name else local_rows(asked)
            spool.fill(rows, options.limit, options.columns())
            if asked.name:
                self._fetched[asked] = spool, facts
            yield spool, facts
        finally:
            if asked not in self._fetched:
                spool.remove()

    def _reader(self, spool: Spool, asked: Asked) -> Any:
        """The source that recognises the rows; LimaError with the columns where none does"""
        try:
            source = find_source(str(spool.path), load_plugins()).source
        except LimaError as e:
            shape = _shape(spool)
            if shape is None:
                raise LimaError(spool.told(str(e))) from None
            if not shape:
                raise LimaError(f"{spool.named}: no source recognises its rows, which have no columns.") from None
            raise LimaError(
                f"{spool.named}: no source recognises its rows, which have {shape}. Say which columns to read: "
                "…?prompt=COLUMN&response=COLUMN, or …?messages=COLUMN"
            ) from None
        wanted = {"ignore": list(asked.options.ignore), "merge_turns": asked.options.merge_turns}
        known = getattr(source, "options", ())
        given = {key: value for key, value in wanted.items() if value and key in known}
        return source.with_options(given) if given else source

    def _record(self, record: Record, spool: Spool, asked: Asked, facts: Facts) -> Record:
        provenance = spool.told(record.provenance)
        own = record.id.startswith(f"{spool.path.name}:")
        page = f"{PAGE}{asked.name}/tree/{facts.revision}" if asked.name else ""
        licence = record.licence or facts.licence
        owner = Credit(author=asked.name.partition("/")[0], url=page, licence=licence, part="data set")
        return replace(
            record,
            id=_id(record.id, asked) if own else record.id,
            source=f"hub:{visible(asked.name or asked.folder.name)}",
            licence=licence or NOT_STATED,
            provenance="; ".join(filter(None, (page, provenance))),
            credits=record.credits or ((owner,) if asked.name else ()),
        )

    @staticmethod
    def _told(one: Refused, spool: Spool) -> Refused:
        reason = spool.told(one.reason)
        for plugin in ("lima-chat", "lima-tune"):
            reason = reason.replace(f"--set {plugin}.ignore=", f"--set {PLUGIN}.ignore=")
        return replace(one, where=spool.told(one.where), reason=reason)


def _id(id: str, asked: Asked) -> str:
    """The id of a row that has none of its own: data set, split and number"""
    return f"{visible(asked.name or asked.folder.name)}/{visible(asked.options.split)}:{id.rpartition(':')[2]}"


def _shape(spool: Spool) -> str | None:
    """The columns of the first row, with the kinds of their values; None where it is not an object"""
    with open(spool.path, encoding="ascii") as file:
        try:
            value = parse_json(file.readline())
        except NotJson:
            return None
    return (
        visible(", ".join(f"{key!r} ({kind_of(one)})" for key, one in value.items()))[:1000]
        if isinstance(value, dict)
        else None
    )
