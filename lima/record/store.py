"""The SQLite file that everything is written to: runs, what they were trained on and with, steps, checkpoints and replies.

One connection, WAL, migrations in named sets (one of the core, one of each plugin: see `lima.record.migrate`). Many processes may
open a new file at once. Knows nothing of what plugins keep in their tables.
"""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database, Migrations

from lima.errors import LimaError, did_you_mean
from lima.paths import may, resolved
from lima.record.damage import damage
from lima.record.migrate import WAIT, migrate
from lima.record.opening import READONLY, RESTORE, AnyText, check_file, connect_to_read, explained, identity
from lima.record.places import default_path

migrations = Migrations("lima")


def _columns(text: str, whole: str = "", real: str = "") -> dict[str, type]:
    """Column names to types, from names separated by spaces"""
    return dict.fromkeys(text.split(), str) | dict.fromkeys(whole.split(), int) | dict.fromkeys(real.split(), float)


def append_only(db: Database, table: str) -> None:
    """Let rows be added to a table, and neither changed nor deleted; for a migration"""
    for verb in ("update", "delete"):
        db.execute(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, '{table} is append-only: add a row instead'); end"
        )


@migrations()
def m001_runs(db: Database) -> None:
    of_run = [("run", "runs", "id")]
    db.table("runs").create(
        _columns(
            "id created finished status message base base_hash renderer eot recipe environment folder",
            "seed examples tokens trained_tokens steps",
            "seconds",
        ),
        pk="id",
    )
    db.table("run_plugins").create(_columns("run plugin version hash"), pk=("run", "plugin"), foreign_keys=of_run)
    db.table("run_sources").create(
        _columns("run source owner licence hash", "examples tokens trained_tokens"),
        pk=("run", "source"),
        foreign_keys=of_run,
    )
    db.table("run_examples").create(
        _columns("run source example hash status reason", "position tokens trained_tokens"),
        pk=("run", "position"),
        foreign_keys=of_run,
    )
    db.table("steps").create(
        _columns("run", "step epoch tokens trained_tokens", "loss accuracy learning_rate gradient_norm seconds"),
        pk=("run", "step"),
        foreign_keys=of_run,
    )
    db.table("checkpoints").create(
        _columns("run folder created", "epoch step"), pk=("run", "folder"), foreign_keys=of_run
    )
    db.create_view(
        "run_summary",
        """
        select runs.id, runs.status, runs.created, runs.base, runs.renderer, runs.seed, runs.examples, runs.steps,
          (select round(loss, 4) from steps where run = runs.id order by step desc limit 1) as last_loss,
          (select group_concat(source, ', ') from run_sources where run = runs.id) as sources,
          runs.folder
        from runs
        """,
    )


@migrations()
def m002_replies(db: Database) -> None:
    of_run = [("run", "runs", "id")]
    db.table("checkpoints").add_column("perplexity", float)
    db.table("dev_prompts").create(
        _columns("run source example hash prompt reference", "position"),
        pk=("run", "position"),
        foreign_keys=of_run,
    )
    db.table("generations").create(
        _columns("run reply stop", "epoch position tokens", "seconds"),
        pk=("run", "epoch", "position"),
        foreign_keys=of_run,
    )
    db.table("generation_grades").create(
        _columns("run grader grade reason created", "id epoch position"), pk="id", foreign_keys=of_run
    )
    db.table("generation_grades").create_index(("run", "epoch", "position"))
    db.table("choices").create(_columns("run grader reason created", "id epoch"), pk="id", foreign_keys=of_run)
    for table in ("generation_grades", "choices"):
        append_only(db, table)
    db.create_view(
        "generation_latest_grades",
        """
        select grades.* from generation_grades grades where id = (
          select max(id) from generation_grades same where same.run = grades.run and same.epoch = grades.epoch
            and same.position = grades.position and same.grader = grades.grader)
        """,
    )
    db.create_view(
        "checkpoint_quality",
        """
        select epochs.run, epochs.epoch, epochs.step, epochs.perplexity, grades.grader,
          avg(case grade when 'fail' then 0 when 'pass' then 1 when 'excellent' then 2 end) as mean_grade,
          sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
          count(grade) as n
        from (select run, epoch, max(step) as step, max(perplexity) as perplexity from checkpoints group by run, epoch) epochs
        left join generation_latest_grades grades on grades.run = epochs.run and grades.epoch = epochs.epoch
        group by epochs.run, epochs.epoch, grades.grader
        """,
    )


@migrations()
def m003_rows(db: Database) -> None:
    for column in ("date", "rows_hash"):
        db.table("runs").add_column(column, str)
    db.table("generations").add_column("thoughts", str)
    for column in ("answers", "answers_kept"):
        db.table("run_examples").add_column(column, int)
    for column in ("cut", "dropped", "answers", "answers_kept"):
        db.table("run_sources").add_column(column, int)


@migrations()
def m004_measures(db: Database) -> None:
    """What plugins measure of each epoch's model, beside its perplexity and grades"""
    db.table("epoch_measures").create(
        _columns("run name", "epoch", "value"), pk=("run", "epoch", "name"), foreign_keys=[("run", "runs", "id")]
    )
    db.table("choices").add_column("measure", str)
    db.execute("drop view checkpoint_quality")
    db.create_view(
        "checkpoint_quality",
        """
        select epochs.run, epochs.epoch, epochs.step, epochs.perplexity,
          (select json_group_object(name, value) from epoch_measures measures
            where measures.run = epochs.run and measures.epoch = epochs.epoch) as measures,
          grades.grader,
          avg(case grade when 'fail' then 0 when 'pass' then 1 when 'excellent' then 2 end) as mean_grade,
          sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
          count(grade) as n
        from (select run, epoch, max(step) as step, max(perplexity) as perplexity from checkpoints group by run, epoch) epochs
        left join generation_latest_grades grades on grades.run = epochs.run and grades.epoch = epochs.epoch
        group by epochs.run, epochs.epoch, grades.grader
        """,
    )


@migrations()
def m005_verdicts(db: Database) -> None:
    """Why a reply to a dev prompt has no grade: undecided, or the grader failed; null in rows of earlier versions"""
    db.table("generation_grades").add_column("status", str)
    db.execute("drop view checkpoint_quality")
    db.create_view(
        "checkpoint_quality",
        """
        select epochs.run, epochs.epoch, epochs.step, epochs.perplexity,
          (select json_group_object(name, value) from epoch_measures measures
            where measures.run = epochs.run and measures.epoch = epochs.epoch) as measures,
          grades.grader,
          avg(case grade when 'fail' then 0 when 'pass' then 1 when 'excellent' then 2 end) as mean_grade,
          sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
          count(grade) as n, coalesce(sum(grades.status = 'undecided'), 0) as undecided
        from (select run, epoch, max(step) as step, max(perplexity) as perplexity from checkpoints group by run, epoch) epochs
        left join generation_latest_grades grades on grades.run = epochs.run and grades.epoch = epochs.epoch
        group by epochs.run, epochs.epoch, grades.grader
        """,
    )


@migrations()
def m006_plugins(db: Database) -> None:
    """The seconds that a run spent in the code of each plugin, and why one was set aside; null in rows of earlier versions"""
    db.table("run_plugins").add_column("seconds", float)
    db.table("run_plugins").add_column("error", str)


class Store:
    """One open database file, migrated to this version of lima and its plugins

    A plugin whose migrations fail is set aside in `plugins`, for the rest of the process."""

    def __init__(self, path: str | Path | None = None, plugins: Any = None) -> None:
        from lima.plugins import load_plugins

        self.path, self._plugins = Path(path) if path else default_path(), plugins or load_plugins()
        there = check_file(self.path)
        with explained(self.path):
            # Somebody else's results, for example, which may be read and not written. SQLite writes files beside them, too.
            self.readonly = there and not all(may(p, os.W_OK) for p in (self.path, resolved(self.path).parent))
            if not self.readonly:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self.db = AnyText(connect_to_read(self.path) if self.readonly else sqlite3.connect(self.path, timeout=WAIT))
            try:
                # Python hears of Ctrl-C only in its own code: a query of somebody's view may take for ever.
                self.db.conn.set_progress_handler(lambda: 0, 1_000_000)
                self.db.execute(f"pragma busy_timeout = {int(WAIT * 1000)}")
                self.db.execute("pragma foreign_keys = on")
                migrate(self.db, self.path, self._plugins, self.readonly)
                if not self.readonly:
                    self._use_wal()
                self._file = identity(self.path)
            except BaseException:
                self.close()
                raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.db.rollback()
            raise
        self.db.commit()

    def _use_wal(self) -> None:
        if self.db.execute("pragma journal_mode").fetchone()[0] == "wal":
            return
        try:
            self.db.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError as e:
            # Another process uses the file. The mode belongs to the file: the next process that opens it alone sets it.
            if "locked" not in str(e):
                raise

    def check_writable(self) -> None:
        """Raise LimaError for a database that can only be read, before work begins that could not be recorded"""
        if self.readonly:
            raise LimaError(f"The database {self.path} can only be read. {READONLY}")

    @contextmanager
    def write(self) -> Iterator[Database]:
        """A transaction that takes the write lock at once; on any error it is rolled back"""
        if identity(self.path) != self._file:  # SQLite would write to a file that nobody finds
            raise LimaError(
                f"The database {self.path} was moved, removed or replaced while lima used it. Put it back as it was, and do not "
                "touch it until lima has ended."
            )
        with explained(self.path):
            if self.db.conn.in_transaction:  # Ctrl-C came between its beginning and its first statement
                self.db.conn.rollback()
            self.db.execute("begin immediate")
            with self._transaction():
                yield self.db

    def rows(self, sql: str, parameters: Any = ()) -> list[dict[str, Any]]:
        """The rows of a query as plain dicts"""
        with explained(self.path):
            return list(self.db.query(sql, parameters))

    def find(self, table: str, name: str, what: str, advice: str = "", where: str = "true") -> dict[str, Any]:
        """The row of a table with `id` and `created` by its id, or by the start of it when that is unambiguous

        LimaError names a row as `what`, and ends with the `advice` where there is none."""
        ids = [r["id"] for r in self.rows(f"select id from {table} where {where} order by created, id")]
        found = [i for i in ids if i == name] or [i for i in ids if name and i.startswith(name)]
        if not found:
            hints = f"{did_you_mean(name, ids[-20:])}{advice and f' {advice}'}"
            raise LimaError(f"No {what} {name!r} in {self.path}.{hints}")
        if len(found) > 1:
            kinds = f"{what[:-1]}ies" if what.endswith("y") else f"{what}es" if what.endswith("x") else f"{what}s"
            raise LimaError(f"{name!r} is the start of {len(found)} {kinds}: {', '.join(found[:5])}. Give more of it.")
        if not _ID.fullmatch(found[0]):  # it becomes a part of file names, and of commands that somebody copies
            raise LimaError(
                f"The database {self.path} is damaged: {found[0]!r} cannot be the id of a {what}. {RESTORE}"
            )
        return self.rows(f"select * from {table} where id = ?", [found[0]])[0]

    def run(self, name: str) -> dict[str, Any]:
        """One run by its id, or by the start of it when that is unambiguous"""
        row = self.find("runs", name, "run")
        return self.decoded(row, f"run {row['id']}", recipe=dict, environment=dict)

    def decoded(self, row: dict[str, Any], of: str, **columns: type) -> dict[str, Any]:
        """A row with these columns of JSON as values of these types, list or dict; LimaError for a damaged one

        `of` is what the row is, such as 'run 20260102'."""
        found = dict(row)
        for column, kind in columns.items():
            try:
                found[column] = json.loads(row[column])
            except (ValueError, TypeError, KeyError, RecursionError):
                found[column] = None
            if type(found[column]) is not kind:
                raise LimaError(f"The database {self.path} is damaged: {column} of {of} is not JSON. {RESTORE}")
        return found

    def runs(self, **columns: Any) -> list[dict[str, Any]]:
        """The rows of the runs that have these values in these columns, oldest first, as they are stored"""
        return self._where("runs", columns)

    def checkpoints(self, **columns: Any) -> list[dict[str, Any]]:
        """The rows of the checkpoints that have these values in these columns, oldest first"""
        return self._where("checkpoints", columns)

    def _where(self, table: str, columns: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = "".join(f" and {column} is :{column}" for column in columns)
        return self.rows(f"select * from {table} where true{wanted} order by created, rowid", columns)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Close it. An error of the code inside that a damaged file explains becomes a LimaError that says what is damaged"""
        try:
            if isinstance(error, _BY_DAMAGE) and (found := damage(self.db, self._plugins.registry("migrations"))):
                raise LimaError(f"The database {self.path} is damaged: {found}. {RESTORE}") from error
        finally:
            self.close()


_ID = re.compile(r"\w[\w.:+-]*")
"What ids are made of"

_BY_DAMAGE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"What code raises that meets a value which lima never wrote"
