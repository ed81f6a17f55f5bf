"""Migrate a database to this version of lima and its plugins: the core's migrations, then each plugin's set separately.

A plugin's set runs on a connection of its own, in one transaction, under a guard, and may touch only what the set owns (see
`lima.record.guard`). If it fails, all of it is undone, its plugin is set aside, and the rest works. Who owns which table or
view is in the table `table_owners`; indexes and triggers belong to the owner of their table. Knows nothing of what the tables
hold.
"""

import sqlite3
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from lima.errors import LimaError, PluginStopped
from lima.isolation import Visit, contained
from lima.plugins import CORE, Plugins, Registry
from lima.record.guard import Connection, Guard, RefusedError

WAIT = 30.0
"Seconds that a process waits for another one's write"

CORE_SET = "lima"
"The name of the core's set"

OWNERS = "table_owners"
"Lower-case names of tables and views, and the set that made each"

_MAKE_OWNERS = f"create table if not exists {OWNERS} (name text primary key, owner text not null)"


class SetError(Exception):
    """A plugin's set cannot be applied; the message is the cause, and `advice` what to do, if not to remove the plugin"""

    def __init__(self, cause: str, advice: str = "") -> None:
        super().__init__(cause)
        self.advice = advice


def migrate(db: Database, path: Path, plugins: Plugins, readonly: bool) -> None:
    """Apply what is pending; if the core's fail, LimaError; if a plugin's fail, the plugin is set aside"""
    registry = plugins.registry("migrations")
    _migrate_core(db, path, registry[CORE_SET], readonly)
    for name, owners in registry.rivals.items():
        for owner in owners:
            if owner != CORE:
                plugins.set_aside(
                    owner, registry.dispute(name, "Uninstall one of them, or choose with LIMA_LOAD_PLUGINS")
                )
    for name in sorted(registry.keys() - {CORE_SET}):
        owner = registry.owners[name]
        if owner not in {p.name for p in plugins.loaded}:
            continue
        try:
            with Visit(f"its migrations of {path}", owner, errors=False):
                if _pending(db.conn, registry[name], path, owner):
                    if readonly:
                        raise SetError(f"the database {path} can only be read here, and lacks its tables")
                    with plugins.marked(owner, f"its migrations of {path}"):
                        _apply(path, registry, name)
        except (SetError, PluginStopped) as e:
            plugins.set_aside(owner, str(e), e.advice if isinstance(e, SetError) else "")


def _migrate_core(db: Database, path: Path, core: Any, readonly: bool) -> None:
    try:
        pending = _pending(db.conn, core, path, CORE)
    except SetError as e:
        raise LimaError(f"{str(e)[0].upper()}{str(e)[1:]}. {e.advice}".rstrip()) from None
    if not pending:
        return
    if readonly:
        raise LimaError(
            f"The database {path} can only be read here, and was written by an older lima: it lacks tables. "
            "Copy it to where you can write, and name the copy with -d FILE."
        )
    # The lock comes first: two processes that both saw a pending migration must not both apply it (llm#789).
    db.execute("begin immediate")
    try:
        new = not _tables(db.conn)
        core.apply(db)
        if new:  # whose everything is need not be found out later
            db.execute(_MAKE_OWNERS)
            _record(db.conn, dict.fromkeys(_tables(db.conn), CORE_SET))
    except BaseException:
        db.rollback()
        raise
    db.commit()


def _pending(connection: sqlite3.Connection, migrations: Any, path: Path, owner: str) -> set[str]:
    """The names of a set's migrations that the file lacks; SetError if the file has some that the set lacks"""
    known, applied = _known(migrations), _applied(connection, migrations.name)
    if newer := applied - known:
        raise SetError(
            f"the database {path} was written by a newer version of {owner} (it has {sorted(newer)[0]!r})",
            f"Upgrade it with `lima install --upgrade {owner}`, or name another database with -d FILE.",
        )
    return known - applied


def _known(migrations: Any) -> set[str]:
    try:
        return {m.name for m in migrations._migrations}
    except Exception as e:
        what = f"{type(e).__name__}: {e}"
        raise SetError(f"its set of migrations is not a sqlite_utils.Migrations: {what}") from e


def _applied(connection: sqlite3.Connection, name: str) -> set[str]:
    if "_sqlite_migrations" not in _tables(connection):
        return set()
    rows = connection.execute("select name from _sqlite_migrations where migration_set = ?", [name]).fetchall()
    return {row[0] for row in rows}


def _apply(path: Path, registry: Registry, name: str) -> None:
    """Apply one plugin's set, all of it or nothing"""
    # On a connection of its own, nothing that a migration does to it (settings, functions, closing it) outlives the set.
    with closing(sqlite3.connect(path, timeout=WAIT, factory=Connection)) as connection:
        db = Database(connection, execute_plugins=False)
        # Python hears of Ctrl-C only in its own code, and a query of a migration may take for ever.
        connection.set_progress_handler(lambda: 0, 1_000_000)
        connection.execute("pragma foreign_keys = on")
        connection.execute("begin immediate")
        registry[CORE_SET].ensure_migrations_table(db)
        owners, before = _owners(connection, registry), _tables(connection)
        guard = Guard(connection, name, _others(connection, owners, name))
        try:
            with guard.watching(), contained(f"its migrations of {path}", registry.owners[name]):
                registry[name].apply(db)
            after = _tables(connection)
            connection.executemany(f"delete from {OWNERS} where name = ?", [(t,) for t in before - after])
            _record(connection, dict.fromkeys(after - before, name))
        except Exception as e:
            said = e.__cause__ if isinstance(e, PluginStopped) and e.__cause__ else e  # what was contained
            if isinstance(said, sqlite3.OperationalError) and str(said) == "interrupted":
                raise KeyboardInterrupt from e
            cause = guard.refused or (str(e) if isinstance(e, RefusedError) else f"{type(said).__name__}: {said}")
            raise SetError(f"its migrations of {path} failed, and were undone: {cause}") from e
        try:
            connection.execute("commit")
        except sqlite3.IntegrityError as e:
            raise SetError(f"its migrations of {path} failed, and were undone: {e}") from e


def _tables(connection: sqlite3.Connection) -> set[str]:
    """The tables and views, without SQLite's own"""
    names = connection.execute("select name from sqlite_master where type in ('table', 'view')").fetchall()
    return {n.lower() for (n,) in names if not n.lower().startswith("sqlite_")}


def _others(connection: sqlite3.Connection, owners: dict[str, str], name: str) -> dict[str, str]:
    """What the set does not own, with the owners: tables, views and indexes, which share their names"""
    rows = connection.execute("select name, tbl_name from sqlite_master where type != 'trigger'").fetchall()
    owned = {n.lower(): owners.get(table.lower(), "") for n, table in rows if not table.lower().startswith("sqlite_")}
    return {n: owner for n, owner in owned.items() if owner != name}


def _owners(connection: sqlite3.Connection, registry: Registry) -> dict[str, str]:
    """The owner of each table and view that is known to have one

    A file of an older lima does not say. Then the set that makes a table of that name is taken to have made this one."""
    connection.execute(_MAKE_OWNERS)
    owners = dict(connection.execute(f"select name, owner from {OWNERS}").fetchall())
    unowned = _tables(connection) - owners.keys()
    if not unowned:
        return owners
    made = {n: _made_by(registry, n, _applied(connection, n)) - owners.keys() for n in registry}
    made[CORE_SET].add(OWNERS)
    # Where two sets claim a name, the one that made it is not known, and neither may change it.
    claims = Counter(table for tables in made.values() for table in tables)
    found = {t: n for n, tables in made.items() for t in tables & unowned if claims[t] == 1}
    _record(connection, found)
    return owners | found


def _made_by(registry: Registry, name: str, applied: set[str]) -> set[str]:
    """The tables and views that these migrations of a set make in an empty database"""
    with closing(sqlite3.connect(":memory:")) as connection:
        db, one = Database(connection, execute_plugins=False), registry[name]
        if name == CORE_SET:
            one.apply(db)
            return _tables(connection)
        registry[CORE_SET].apply(db)
        before = _tables(connection)
        try:
            if applied:
                one.apply(db, stop_before=_known(one) - applied)
        except KeyboardInterrupt:
            raise
        except BaseException:  # it needs what an empty database lacks; what it made before that counts
            with suppress(sqlite3.Error):
                connection.rollback()
        with suppress(sqlite3.ProgrammingError):  # closed
            return _tables(connection) - before
        return set()


def _record(connection: sqlite3.Connection, owners: dict[str, str]) -> None:
    connection.executemany(f"insert or replace into {OWNERS} values (?, ?)", sorted(owners.items()))
