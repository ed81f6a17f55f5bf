"""What a plugin's migration may do to the database: read all of it, and create, change and drop what its own set owns.

An SQLite authorizer, which SQLite asks about every statement before it runs, and checks of what takes effect only later: a
trigger that would write into another's table, a foreign key that would stop another's writes. It protects against mistakes, and
against hostile SQL through the given database. It does not protect against hostile Python, which runs with the rights of lima:
such code can open the file itself. Knows nothing of who owns what, nor of migrations.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NoReturn

READS = {sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}

NAMED_FIRST = {
    sqlite3.SQLITE_INSERT: "insert into",
    sqlite3.SQLITE_UPDATE: "update",
    sqlite3.SQLITE_DELETE: "delete from",
    sqlite3.SQLITE_CREATE_TABLE: "create table",
    sqlite3.SQLITE_DROP_TABLE: "drop table",
    sqlite3.SQLITE_CREATE_VTABLE: "create virtual table",
    sqlite3.SQLITE_DROP_VTABLE: "drop virtual table",
    sqlite3.SQLITE_CREATE_VIEW: "create view",
    sqlite3.SQLITE_DROP_VIEW: "drop view",
    sqlite3.SQLITE_REINDEX: "reindex",
    sqlite3.SQLITE_ANALYZE: "analyze",
}
"Actions whose first argument is what they act on"

NAMED_SECOND = {
    sqlite3.SQLITE_CREATE_INDEX: "create an index on",
    sqlite3.SQLITE_DROP_INDEX: "drop an index of",
    sqlite3.SQLITE_CREATE_TRIGGER: "create a trigger on",
    sqlite3.SQLITE_DROP_TRIGGER: "drop a trigger of",
    sqlite3.SQLITE_ALTER_TABLE: "alter table",
}
"Actions whose second argument is the table that they act on"

OTHERS = {
    sqlite3.SQLITE_TRANSACTION: "begin, commit or roll back a transaction: lima does, around the whole set",
    sqlite3.SQLITE_ATTACH: "attach another database",
    sqlite3.SQLITE_DETACH: "detach a database",
    sqlite3.SQLITE_CREATE_TEMP_TABLE: "create something temporary: create a table of its own, and drop it",
    sqlite3.SQLITE_CREATE_TEMP_VIEW: "create something temporary: create a view of its own, and drop it",
    sqlite3.SQLITE_CREATE_TEMP_TRIGGER: "create a temporary trigger",
    sqlite3.SQLITE_CREATE_TEMP_INDEX: "create a temporary index",
}

WRITES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}

SCHEMA = {"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"}
"Written by every change of the schema; SQLite itself refuses to write them directly"

SHARED = {
    "_sqlite_migrations": "migration_set",
    "sqlite_sequence": "name",
    "sqlite_stat1": "tbl",
    "sqlite_stat4": "tbl",
}
"Tables with rows for everyone, and the column that says whose: what a set did to them is compared afterwards"

READING = {
    *("table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"),
    *("foreign_key_list", "foreign_key_check", "integrity_check", "quick_check"),
}
"Pragmas that take an argument and only read"

LOCAL = {"defer_foreign_keys", "legacy_alter_table"}
"Pragmas that end with the connection, which sqlite-utils sets when it transforms a table"


class Connection(sqlite3.Connection):
    """A connection for one set of migrations: without the methods that go past the authorizer"""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise sqlite3.NotSupportedError("a migration cannot call this method of its connection")

    set_authorizer = blobopen = deserialize = setconfig = _refuse
    enable_load_extension = load_extension = _refuse


class RefusedError(Exception):
    """A set did what it is not allowed to; the message says what"""


class Guard:
    """The authorizer of one connection while one set is applied

    `others` has the lower-case names of the tables, views and indexes that the set does not own, with their owners."""

    def __init__(self, connection: sqlite3.Connection, set_name: str, others: dict[str, str]) -> None:
        self.connection, self.set_name, self.others = connection, set_name, others
        self.refused = ""
        "The first thing that was refused, also if the plugin caught the error"

    def __call__(
        self, action: int, first: str | None, second: str | None, schema: str | None, source: str | None
    ) -> int:
        why = self._objection(action, first or "", second or "", schema or "main", source or "")
        if not why:
            return sqlite3.SQLITE_OK
        where = f" in its trigger {source!r}" if source else ""
        self.refused = self.refused or f"it may not {why}{where}"
        return sqlite3.SQLITE_DENY

    def _objection(self, action: int, first: str, second: str, schema: str, source: str) -> str:
        if not self.connection.in_transaction:
            return "end the transaction that lima began"
        if action in READS or action == sqlite3.SQLITE_SAVEPOINT:  # the set's own, inside of lima's transaction
            return ""
        if action == sqlite3.SQLITE_PRAGMA:
            harmless = not second or first.lower() in READING | LOCAL
            return "" if harmless else f"set pragma {first}"
        if action in NAMED_SECOND:
            return self._not_own(
                NAMED_SECOND[action], second, first if action == sqlite3.SQLITE_ALTER_TABLE else schema
            )
        if action in NAMED_FIRST:
            name = first.lower()
            if action in WRITES and name in SCHEMA and not source:
                return ""
            if name in SHARED and not source and action in WRITES | {sqlite3.SQLITE_CREATE_TABLE}:
                return ""
            return self._not_own(NAMED_FIRST[action], first, schema)
        return OTHERS.get(action, f"do this (action {action} of SQLite's authorizer)")

    def _not_own(self, verb: str, name: str, schema: str) -> str:
        if schema != "main":
            return f"{verb} {schema}.{name}, which is not in the database's file"
        if name.lower() in self.others:
            owner = self.others[name.lower()]
            return f"{verb} {name!r}, which belongs to {repr(owner) if owner else 'no plugin that is known'}"
        # The indexes of UNIQUE and PRIMARY KEY are SQLite's own by name, and the table's by nature.
        if name.lower().startswith("sqlite_") and not name.lower().startswith("sqlite_autoindex_"):
            return f"{verb} {name!r}, which belongs to SQLite"
        return ""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Refuse within this block, and check at its end that nothing is left behind that would harm others later"""
        own, shared = self._own_tables(), self._shared_rows()
        sqlite3.Connection.set_authorizer(self.connection, self)
        yield
        self.connection.row_factory, self.connection.text_factory = None, str
        self._try_triggers()
        sqlite3.Connection.set_authorizer(self.connection, None)
        if self.refused:
            raise RefusedError(self.refused)
        self._try_foreign_keys()
        self._try_views()
        self._try_alone()
        own = {*own, *self._own_tables()}  # a table that was renamed or dropped leaves rows of its old name
        for table, row in self._shared_rows() ^ shared:
            mine = row[0] == self.set_name if table == "_sqlite_migrations" else str(row[0]).lower() in own
            if not mine:
                raise RefusedError(f"it may not change the rows of others in {table!r}")

    def _all(self, sql: str) -> list[Any]:
        return self.connection.execute(sql).fetchall()

    def _own_tables(self) -> set[str]:
        return {
            n.lower() for (n,) in self._all("select name from sqlite_master where type = 'table'")
        } - self.others.keys()

    def _shared_rows(self) -> set[tuple[str, Any]]:
        """(table, row) for every row of the shared tables, led by whose it is"""
        there = {n for (n,) in self._all("select name from sqlite_master where type = 'table'")}
        return {
            (table, row)
            for table, whose in SHARED.items()
            if table in there
            for row in self._all(f"select {whose}, rowid, * from {table}")
        }

    def _try_triggers(self) -> None:
        """Compile every statement that fires a trigger of the set, so that the authorizer sees what the trigger would do"""
        for (table,) in self._all("select distinct tbl_name from sqlite_master where type = 'trigger'"):
            if table.lower() not in self.others:
                self._compile_writes(table)

    def _try_foreign_keys(self) -> None:
        """A key that refers to columns which are not unique makes SQLite refuse every later write to their table"""
        tables = [n for (n,) in self._all("select name from sqlite_master where type = 'table'")]
        by_name = {n.lower(): n for n in tables}
        own = [n for n in tables if n.lower() not in self.others]
        parents = {row[2].lower() for n in own for row in self._all(f"pragma foreign_key_list({_quoted(n)})")}
        for parent in sorted(parents & self.others.keys() & by_name.keys()):
            try:
                self._compile_writes(by_name[parent])
            except sqlite3.OperationalError as e:
                if "foreign key mismatch" in str(e):
                    raise RefusedError(f"its foreign key would stop every write to {by_name[parent]!r}: {e}") from e

    def _try_views(self) -> None:
        """A view that does not work makes SQLite refuse to rename any table, another's too"""
        for (view,) in self._all("select name from sqlite_master where type = 'view'"):
            if view.lower() not in self.others:
                try:
                    self._all(f"explain select * from {_quoted(view)}")
                except sqlite3.OperationalError as e:
                    raise RefusedError(f"its view {view!r} does not work: {e}") from e

    def _try_alone(self) -> None:
        """Make the schema without this connection's functions and collations

        An index that needs one makes SQLite refuse to rename any table, and to check the file, wherever it is not defined."""
        schema = self._all(
            "select tbl_name, sql from sqlite_master where sql not null and sql not like 'create virtual%' "
            "and name not like 'sqlite\\_%' escape '\\' order by type = 'trigger', type = 'view', type = 'index', rowid"
        )
        theirs, mine = ([sql for table, sql in schema if (table.lower() in self.others) is of] for of in (True, False))
        with closing(sqlite3.connect(":memory:")) as bare:
            for statements, refused in ((theirs, False), (mine, True)):
                try:
                    for sql in statements:
                        bare.execute(sql)
                    bare.execute("pragma integrity_check").fetchall()
                except sqlite3.OperationalError as e:
                    if refused:
                        raise RefusedError(f"what it makes needs more than the database's file: {e}") from e
                    return  # it was so before

    def _compile_writes(self, table: str) -> None:
        quoted = _quoted(table)
        columns = [row[1] for row in self._all(f"pragma table_xinfo({quoted})") if not row[6]]
        assignments = ", ".join(f"{_quoted(c)} = {_quoted(c)}" for c in columns)
        for sql in (
            f"insert into {quoted} default values",
            f"update {quoted} set {assignments}",
            f"delete from {quoted}",
        ):
            try:
                self._all(f"explain {sql}")
            except sqlite3.OperationalError as e:
                # A view takes only the writes that it has triggers for.
                if "cannot modify" not in str(e):
                    raise


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
