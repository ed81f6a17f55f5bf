"""Imported by tests: values that nobody expects, put anywhere into JSON, TOML, a database or bytes; all from a seed.

Knows nothing of what is read or of who reads it.
"""

import copy
import json
import random
import sqlite3
from contextlib import closing

DEEP = 3000
"Levels at which Python's parsers give up"

NUMBERS = (0, -1, 1, 2**31, 2**63, 10**400, -(10**25), 0.5, 1e308, float("nan"), float("inf"))
TEXTS = (
    "",
    " ",
    "0",
    "2048",
    "true",
    "null",
    "\ud800",
    "\x00",
    "\x1b[31mred",
    "\u202e",
    "{{ x }}",
    "x" * 5000,
    "é",
    "../..",
)
OTHERS = (None, True, False, [], {}, [[]], [None], {"": None}, {"role": {}}, [1, "a", None], {"a": {"b": [1]}})


def odd_value(chance: random.Random):
    """One value; some are long lists or deep"""
    kind = chance.randrange(8)
    if kind < 3:
        return chance.choice(NUMBERS)
    if kind < 5:
        return chance.choice(TEXTS)
    if kind < 7:
        return copy.deepcopy(chance.choice(OTHERS))
    return chance.choice(([0] * 300, {str(i): i for i in range(50)}, nested(50)))


def nested(levels: int):
    value = []
    for _ in range(levels):
        value = [value]
    return value


def places(value, at=()):
    """The way to every value inside another"""
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*at, key))


def changed(chance: random.Random, value):
    """A copy in which one value is odd, gone, doubled or under another name"""
    value = copy.deepcopy(value)
    found = [at for at in places(value) if at]
    if not found or chance.random() < 0.03:
        return odd_value(chance)
    *way, last = chance.choice(found)
    inside = value
    for key in way:
        inside = inside[key]
    act = chance.randrange(5)
    if act == 0 and isinstance(inside, dict):
        del inside[last]
    elif act == 1 and isinstance(inside, dict):
        inside[str(chance.choice(TEXTS))] = inside.pop(last)
    elif act == 2 and isinstance(inside, list):
        inside.insert(0, copy.deepcopy(inside[last]))
    else:
        inside[last] = odd_value(chance)
    return value


def broken(chance: random.Random, data: bytes) -> bytes:
    """Bytes cut off, changed at some places, with a piece doubled, or as another encoding has them"""
    if not data:
        return b"\xff"
    act, at = chance.randrange(6), chance.randrange(len(data))
    if act == 0:
        return data[:at]
    if act == 1:
        return data[:at] + chance.randbytes(chance.randint(1, 8)) + data[at + 1 :]
    if act == 2:
        return data[:at] + data[at : at + 40] * 2 + data[at + 40 :]
    if act == 3:
        return data.decode("utf-8", "replace").encode("utf-16")
    if act == 4:
        return data[:at] + b"[" * DEEP + data[at:]
    return data[:at] + b"9" * 5000 + data[at:]


def as_json(chance: random.Random, value) -> bytes:
    """A value as JSON, at times broken"""
    data = json.dumps(value, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")
    return broken(chance, data) if chance.random() < 0.2 else data


CELLS = (
    None,
    0,
    -1,
    10**18,
    1.5,
    float("inf"),
    "",
    "{",
    "[]",
    "null",
    '"x"',
    '{"role": {}}',
    "\x1b[31m",
    b"\xff\xfe",
    b"",
    "9" * 30,
)


def damage(chance: random.Random, database) -> str:
    """Change one cell, drop or rename a table or column, or break bytes of a database file; what was done"""
    if chance.random() < 0.25:
        data = bytearray(database.read_bytes())
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        database.write_bytes(data)
        return "bytes"
    try:
        with closing(sqlite3.connect(database)) as db:
            done = _damage_rows(chance, db)
            db.commit()
        return done
    except (sqlite3.Error, UnicodeDecodeError) as e:  # it is damaged already
        return str(e)


def _damage_rows(chance: random.Random, db) -> str:
    tables = sorted(n for (n,) in db.execute("select name from sqlite_master where type = 'table'"))
    filled = [t for t in tables if db.execute(f'select 1 from "{t}" limit 1').fetchone()]
    table = chance.choice(filled if chance.random() < 0.9 else tables)
    column = chance.choice([row[1] for row in db.execute(f'pragma table_info("{table}")')])
    act = chance.randrange(12)
    for (trigger,) in db.execute("select name from sqlite_master where type = 'trigger'").fetchall():
        db.execute(f'drop trigger "{trigger}"')
    if act == 0:
        db.execute(f'drop table "{table}"')
    elif act == 1:
        db.execute(f'alter table "{table}" rename column "{column}" to "x"')
    elif act == 2:
        db.execute(f'delete from "{table}"')
    else:
        cell = chance.choice(CELLS)
        # Bytes may be said to be text.
        value = "cast(? as text)" if isinstance(cell, bytes) and chance.random() < 0.6 else "?"
        db.execute(f'update or ignore "{table}" set "{column}" = {value}', [cell])
        return f"{table}.{column} = {cell!r} as {value}"
    return f"{act}: {table}.{column}"
