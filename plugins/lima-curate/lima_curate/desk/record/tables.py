"""What `lima curate` keeps in the store: each curation, what it was filled from, its candidates, whose they are, and every event.

Nothing is changed or deleted: what stands follows from the events. Knows nothing of what they mean.
"""

from sqlite_utils import Database

from lima import append_only
from lima_curate.tables import migrations

__all__ = ["migrations"]


@migrations()
def m010_curations(db: Database) -> None:
    of_curation = [("curation", "curations", "id")]
    db.table("curations").create(
        {
            "id": str,  # its name
            "created": str,
            "people": str,  # JSON
            "reviews": int,  # how many of them have each candidate
            "licence": str,  # of what is written here
        },
        pk="id",
    )
    db.table("curation_sources").create(
        {
            "id": int,
            "curation": str,
            "source": str,
            "settings": str,  # JSON: tables of plugins and the number of examples, as the command gave them
            "hash": str,
            "examples": int,
            "created": str,
        },
        pk="id",
        foreign_keys=of_curation,
    )
    _candidates(db, of_curation)
    _events(db, of_curation)
    names = ("curations", *(f"curation_{part}" for part in ("sources", "candidates", "assigned", "events")))
    for table in names:
        append_only(db, table)


def _candidates(db: Database, of_curation: list[tuple[str, str, str]]) -> None:
    db.table("curation_candidates").create(
        {
            "curation": str,
            "number": int,  # from 1
            "source": str,
            "example": str,  # its id
            "record": str,  # as a row of a data set; empty for what is written here
            "writer": str,  # who began to write it; else empty
            "event": str,  # by which that was asked for; else null
            "created": str,
        },
        pk=("curation", "number"),
        foreign_keys=of_curation,
    )
    db.table("curation_candidates").create_index(("curation", "event"), unique=True)
    db.table("curation_candidates").create_index(("curation", "source", "example"))


def _events(db: Database, of_curation: list[tuple[str, str, str]]) -> None:
    db.table("curation_assigned").create(
        {"curation": str, "candidate": int, "person": str},
        pk=("curation", "candidate", "person"),
        foreign_keys=of_curation,
    )
    db.table("curation_events").create(
        {
            "id": int,
            "curation": str,
            "candidate": int,
            "person": str,  # empty: the coordinator
            "event": str,  # made where the key was pressed: one that comes again adds nothing
            "kind": str,
            "value": str,  # JSON
            "created": str,
        },
        pk="id",
        foreign_keys=of_curation,
    )
    db.table("curation_events").create_index(("curation", "event"), unique=True)
    db.table("curation_events").create_index(("curation", "person", "candidate"))
