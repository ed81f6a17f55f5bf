"""Damaged databases: what no lima has written is named, with table and column, where a command fails on it."""

import json
import re
import sqlite3
from contextlib import closing

import pytest

from lima.errors import LimaError
from lima.record.damage import damage
from lima.record.store import Store

pytestmark = pytest.mark.usefixtures("core_alone")

RUN = {
    "id": "one",
    "created": "2026",
    "status": "done",
    "base": "b",
    "renderer": "plain",
    "eot": "x",
    "recipe": "{}",
    "environment": "{}",
    "folder": "out",
    "seed": 0,
    "examples": 1,
    "tokens": 1,
    "trained_tokens": 1,
    "steps": 1,
}
STEP = {
    "run": "one",
    "step": 1,
    "epoch": 1,
    "tokens": 1,
    "trained_tokens": 1,
    "loss": 1.0,
    "accuracy": 0.0,
    "learning_rate": 0.1,
}


@pytest.fixture
def database(tmp_path):
    with Store(tmp_path / "l.db") as store, store.write() as db:
        db.table("runs").insert(RUN)
        db.table("steps").insert(STEP)
    return tmp_path / "l.db"


def spoil(database, *statements):
    with closing(sqlite3.connect(database)) as db:
        for sql in statements:
            db.execute(sql)
        db.commit()


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("update runs set recipe = '{'", "recipe of run one is not JSON"),
        ("update runs set recipe = '[]'", "recipe of run one is not JSON"),
        ("update runs set environment = null", "environment of run one is not JSON"),
        ("update runs set environment = x'ff'", "environment of run one is not JSON"),
        (f"update runs set recipe = '{'[' * 3000}'", "recipe of run one is not JSON"),
        ("update runs set base = cast(x'ff' as text)", "Could not decode to UTF-8.*The file is damaged"),
        ("update steps set loss = null", "loss of a row of steps is of the type null"),
        ("update steps set loss = 'x'", "loss of a row of steps is of the type text"),
        ("update steps set loss = x'00'", "loss of a row of steps is of the type blob"),
        ("alter table steps rename column loss to lost", "no such column: loss"),
        ("drop table steps", "no such table: steps"),
    ],
)
def test_a_damaged_cell_is_named_with_what_to_do(sql, message, database, lima):
    spoil(database, sql)
    said = " ".join(lima("runs", "show", "one", "-d", str(database), code=1).err.split())
    assert said.startswith("Error: ")
    assert re.search(message, said), said
    assert "-d FILE" in said


def test_an_error_that_no_damage_explains_stays_what_it_is(database):
    with pytest.raises(KeyError, match="mine"), Store(database):
        raise KeyError("mine")
    spoil(database, "update steps set loss = 'x'")
    with pytest.raises(LimaError, match="damaged: loss of a row of steps") as error, Store(database):
        raise KeyError("mine")
    assert isinstance(error.value.__cause__, KeyError)


def test_what_is_damaged_is_found(database, tmp_path):
    with Store(database) as store:
        sets = store._plugins.registry("migrations")
        assert damage(store.db, sets) == ""
        store.db.execute("pragma foreign_keys = off")
        store.db.execute("insert into steps (run, step, epoch, tokens, trained_tokens, loss, accuracy, learning_rate) "
                         "values ('gone', 1, 1, 1, 1, 1, 1, 1)")  # fmt: skip
        assert damage(store.db, sets) == "a row of steps belongs to one of runs that is gone"
        store.db.execute("drop table choices")
        assert damage(store.db, sets) == "the table choices is missing"
        store.db.rollback()
    data = bytearray(database.read_bytes())
    data[100:5000] = b"\xff" * 4900
    database.write_bytes(data)
    with pytest.raises(LimaError, match="damaged|malformed|not a database"), Store(database) as store:
        store.run("one")


def test_a_column_of_json_is_decoded_in_one_place(database):
    with Store(database) as store:
        row = {"id": "x", "a": "[1]", "b": '{"c": 2}'}
        assert store.decoded(row, "it", a=list, b=dict) == {"id": "x", "a": [1], "b": {"c": 2}}
        for column, kind in (("a", dict), ("b", list), ("gone", dict), ("id", dict)):
            with pytest.raises(LimaError, match=rf"l\.db is damaged: {column} of it is not JSON\. Restore a copy"):
                store.decoded(row, "it", **{column: kind})
        assert json.loads(row["a"]) == [1]
