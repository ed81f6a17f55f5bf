"""What lima-curate keeps in the store: each mix with its sources and with what was left out of it and why, and the runs on it.

Knows nothing of how a mix is made. Other modules of this plugin add their own migrations to `migrations`.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from sqlite_utils import Database, Migrations

from lima import Store, append_only, visible

if TYPE_CHECKING:
    from lima import Run

migrations = Migrations("lima-curate")


@migrations()
def m001_mixes(db: Database) -> None:
    db.table("mixes").create(
        {
            "id": str,
            "created": str,
            "name": str,
            "toml": str,  # as it was read
            "paths": str,  # JSON: name to path, as the command line gave them
            "missing": str,  # JSON: the sources that were not there, with what would have brought them
            "remarks": str,  # JSON: sentences on what to know before training on it
            "method": str,
            "seed": int,
            "counted": str,  # how tokens were counted
            "file": str,
            "sha256": str,  # of the file's bytes
            "hash": str,  # of its contents, as in a run's sources
            "examples": int,
            "tokens_in": int,
            "tokens_out": int,
        },
        pk="id",
    )
    of_mix = [("mix", "mixes", "id")]
    figures = ("position", "rows", "refused", "left_out", "taken", "tokens_in", "tokens_out")
    db.table("mix_sources").create(
        {
            "mix": str,
            **dict.fromkeys(("name", "spec", "owner", "licence", "hash"), str),
            **dict.fromkeys(figures, int),
        },
        pk=("mix", "position"),
        foreign_keys=of_mix,
    )
    db.table("mix_excluded").create(
        {
            "id": int,
            "mix": str,
            "source": str,  # the name in the mix
            "example": str,  # its id; of refused rows file and line
            "hash": str,  # of its content
            "filter": str,  # 'refused' for rows that the source does not use, 'not drawn' for examples that could have been taken
            "reason": str,
            "rows": int,  # how many it stands for
        },
        pk="id",
        foreign_keys=of_mix,
    )
    db.table("mix_excluded").create_index(("mix", "filter"))
    db.table("mix_runs").create({"mix": str, "run": str}, pk=("mix", "run"), foreign_keys=of_mix)
    for table in ("mixes", "mix_sources", "mix_excluded", "mix_runs"):
        append_only(db, table)
    db.create_view(
        "mix_summary",
        """
        select mixes.id, mixes.created, mixes.name, mixes.examples, mixes.tokens_in, mixes.tokens_out,
          (select count(*) from mix_sources where mix = mixes.id) as sources,
          (select count(*) from mix_runs where mix = mixes.id) as runs, mixes.file, mixes.sha256
        from mixes
        """,
    )


def note_mixes(run: "Run") -> None:
    """That a run trains on data sets that were mixed into the same database; say in the log of lima which were changed since"""
    mine = [source for source in run.sources if source["owner"] == "lima-curate"]
    if not mine:
        return
    hashes = [source["hash"] for source in mine]
    marks = ", ".join("?" * len(hashes))
    with Store(run.database) as store:
        with store.write() as db:
            # A resumed run begins again.
            db.execute(
                f"insert or ignore into mix_runs (mix, run) select id, ? from mixes where hash in ({marks})",
                [run.id, *hashes],
            )
        for source in mine:
            _say_changed(store, source["source"].removeprefix("dataset:"), source["hash"])


def _say_changed(store: Store, file: str, hash: str) -> None:
    """Warn of a file that no longer has the examples that the last mix wrote to it"""
    asked = "select id, hash from mixes where file = ? order by created desc, id desc limit 1"
    for mix in store.rows(asked, [str(Path(file).absolute())]):
        if mix["hash"] != hash:
            logging.getLogger("lima").warning(
                "%s does not have the examples that `lima mix` wrote to it (mix %s): it was changed since, or rows are left out. "
                "The run is not noted as one on that mix.",
                visible(file),
                mix["id"],
            )
