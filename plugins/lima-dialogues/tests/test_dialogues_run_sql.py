"""Dialogue 16 on SQLite: its queries, taken from the text, agree with each other and grow as its answers say.

Work is counted in steps of SQLite's virtual machine, so that the result is the same on every computer; MySQL may plan otherwise.
"""

import random
import sqlite3

import pytest
from dialogue_texts import answer, asked, blocks, numbers, tables

WINDOW, JOINS, NOT_EXISTS, BY_SENSOR = (
    blocks(text, "sql")[which]
    for text, which in ((answer(16, 1), 0), (answer(16, 2), 1), (asked(16, 3), 0), (answer(16, 4), 0))
)
INDEX = blocks(answer(16, 2), "sql")[0]
STEPS = 10_000
"Virtual machine steps between two counts"


def database(readings, sensors=400, silent=12, seed=1, index=True):
    """Readings in the order of their ids, one in twenty stored late and the very last too, one in twenty twice in a second"""
    db = sqlite3.connect(":memory:")
    db.executescript(
        "CREATE TABLE sensor (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE reading (id INTEGER PRIMARY KEY, sensor_id INTEGER, taken_at INTEGER, value REAL);"
    )
    db.executemany("INSERT INTO sensor VALUES (?, ?)", [(n, f"s{n:03}") for n in range(sensors + silent)])
    rng = random.Random(seed)
    rows = []
    for id in range(readings):
        moved = rng.choices((0, -40 * sensors, -sensors), (18, 1, 1))[0]
        rows.append((id, id % sensors, max(id // sensors * sensors + moved, 0), rng.random()))
    rows[-1] = (*rows[-1][:2], 0, 0.5)
    db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?)", rows)
    if index:
        db.execute(INDEX)
    return db


def latest(db):
    """By plain Python: (sensor_id, taken_at, value) of each sensor's reading with the greatest time, then id"""
    best = {}
    for id, sensor, at, value in db.execute("SELECT id, sensor_id, taken_at, value FROM reading"):
        best[sensor] = max(best.get(sensor, (-1, -1, 0)), (at, id, value))
    return sorted((sensor, at, value) for sensor, (at, _, value) in best.items())


def steps(db, query):
    """Virtual machine steps of a query, in units"""
    counted = [0]

    def count():
        counted[0] += 1

    db.set_progress_handler(count, STEPS)
    db.execute(query).fetchall()
    db.set_progress_handler(None, 0)
    return counted[0]


@pytest.mark.parametrize("query", [WINDOW, JOINS, NOT_EXISTS], ids=["window", "joins", "not exists"])
@pytest.mark.parametrize("seed", [1, 2])
def test_each_query_gives_the_latest_row_of_each_sensor(query, seed):
    db = database(3_000, sensors=40, seed=seed)
    same_second = "SELECT count(*) FROM (SELECT 1 FROM reading GROUP BY sensor_id, taken_at HAVING count(*) > 1)"
    assert db.execute(same_second).fetchone()[0] > 40
    assert sorted(db.execute(query)) == latest(db)


def test_the_greatest_id_alone_is_wrong_where_readings_come_late():
    db = database(3_000, sensors=40)
    by_id = (
        "SELECT sensor_id, taken_at, value FROM reading WHERE id IN (SELECT MAX(id) FROM reading GROUP BY sensor_id)"
    )
    assert sorted(db.execute(by_id)) != latest(db)


def test_silent_sensors_are_in_the_last_query_with_nulls_and_a_condition_belongs_after_on():
    db = database(3_000, sensors=40)
    rows = db.execute(BY_SENSOR).fetchall()
    assert [name for name, *_ in rows] == [f"s{n:03}" for n in range(52)]
    assert [(int(name[1:]), at, value) for name, at, value in rows[:40]] == latest(db)
    assert [row[1:] for row in rows[40:]] == [(None, None)] * 12
    assert len(db.execute(BY_SENSOR.replace("ORDER BY s.name", "AND r.value >= 0 ORDER BY s.name")).fetchall()) == 52
    assert len(db.execute(BY_SENSOR.replace("ORDER BY s.name", "WHERE r.value >= 0 ORDER BY s.name")).fetchall()) == 40


def test_the_table_of_comparisons_is_n_times_n_less_one_by_two_for_400_sensors():
    (table,) = tables(answer(16, 3))
    for readings, each, comparisons in table[1:]:
        total = numbers(readings)[0] * 1e6
        assert total / 400 == (n := numbers(each)[0])
        assert numbers(comparisons)[0] == pytest.approx(400 * n * (n - 1) / 2 / 1e9, rel=0.05)
    assert "4 × 4 × 4 × 4 = 256" in answer(16, 3)
    assert 200_000 * 2**4 == 3_200_000


@pytest.mark.slow
def test_twice_the_readings_are_four_times_the_work_of_his_and_not_of_hers():
    """At the three sizes that the answer names, with 400 sensors"""
    his, joins, by_sensor = [], [], []
    for size in (50_000, 100_000, 200_000):
        assert f"{size:,}" in answer(16, 3)
        db = database(size)
        his.append(steps(db, NOT_EXISTS))
        joins.append(steps(db, JOINS))
        by_sensor.append(steps(db, BY_SENSOR))
    assert [b / a for a, b in zip(his, his[1:], strict=False)] == pytest.approx([4, 4], abs=0.6), his
    assert by_sensor[-1] <= 2, by_sensor
    # SQLite reads the whole index for the innermost GROUP BY, which MySQL skips through: at most in step with the rows.
    assert max(b / a for a, b in zip(joins, joins[1:], strict=False)) <= 2.2, joins
    assert joins[-1] < his[-1] / 50, (joins, his)
