"""Mutated rows of every format: what is read is what is kept and what is refused, each with file, line and reason."""

import copy
import csv
import gzip
import io
import json
import logging
import random
import re
from pathlib import Path

import pytest

from lima import LimaError
from lima.data.sources import open_source
from lima.testing import only_plugins

ROWS = json.loads(Path(__file__).with_name("shapes.json").read_text(encoding="utf-8"))
"Rows of every format, as files have them, by the name of the source that reads them"
LEARNT = {
    name: [row for row in rows if row.get("label") is not False] for name, rows in ROWS.items() if name != "oasst"
}
HALF = "\ud83d"
VALUES = [
    None, True, False, 0, 1, -1, 0.5, 10**400, -(10**400), 1e308, float("inf"), float("nan"), "", " ", "x", HALF, "\0", "é" * 50,
    [], {}, [[]], [{}], ["x"], [None], {"x": {}}, {"role": "user"}, [{"role": "user", "content": "x"}], "[", "[1]", "{}",
]  # fmt: skip
WORDS = [
    "role",
    "content",
    "from",
    "value",
    "weight",
    "train",
    "loss",
    "mask",
    "train_detail",
    "tools",
    "tool_calls",
    "system",
    "id",
]
WORDS += [
    "prompt",
    "label",
    "thinking",
    "images",
    "name",
    "history",
    "chosen",
    "parent_id",
    "function_call",
    "arguments",
    "strange",
]


def places(value, found=()):
    """Every (holder, key) in a value"""
    found = list(found)
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        found.append((value, key))
        found += places(value[key])
    return found


def mutated(row, dice):
    """A row with one to three things changed: deleted, retyped, nested, doubled, added"""
    row = copy.deepcopy(row)
    for _ in range(dice.randint(1, 3)):
        found = places(row) if isinstance(row, dict | list) else []
        if not found:
            return row
        holder, key = dice.choice(found)
        match dice.randrange(7):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(dice.choice(VALUES))
            case 2:
                for _ in range(dice.choice((1, 2, 70))):
                    holder[key] = [holder[key]] if dice.random() < 0.5 else {"x": holder[key]}
            case 3 if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            case 4 if isinstance(holder, dict):
                holder[dice.choice(WORDS)] = holder.pop(key)
            case 5 if isinstance(holder[key], str):
                at = dice.randrange(len(holder[key]) + 1)
                holder[key] = (
                    holder[key][:at] + dice.choice(("", HALF, "\n\nHuman: ", "\u2028", '"')) + holder[key][at:]
                )
            case _ if isinstance(holder, dict):
                holder[dice.choice(WORDS)] = copy.deepcopy(dice.choice(VALUES))
    return dice.choice(VALUES) if dice.random() < 0.02 else row


def spelt(row, dice):
    """A row as a line of JSON, sometimes broken: cut, with a key twice, bytes that are not UTF-8, brackets without end"""
    text = json.dumps(row, ensure_ascii=dice.random() < 0.5)
    data = text.encode("utf-8", "surrogatepass")
    match dice.randrange(14):
        case 0:
            data = data[: dice.randrange(1, len(data) + 1)]
        case 1:
            data = data.replace(b"{", b'{"id": 1, "id": 2, ', 1)
        case 2:
            at = dice.randrange(len(data))
            data = data[:at] + dice.choice((b"\xff", b"\xc3", b",", b"}", b"]", b'"', b"\\")) + data[at + 1 :]
        case 3:
            data = dice.choice(
                (b"[" * 5000, b'{"a":' * 5000, b"1" * 5000, b'{"weight": 1' + b"0" * 5000 + b"}", b"NaN")
            )
    return data.replace(b"\n", b" ").strip() or b"0"


def opened(spec, plugins):
    """(lines of kept records, lines of refused rows), or the error about the whole file; anything else raised is a failure"""
    try:
        source = open_source(spec, plugins, {"lima-chat": {"skip_bad": True}, "lima-tune": {"skip_bad": True}})
    except LimaError as e:
        error = str(e)
    else:
        return places_of(source, spec.rpartition(":")[2])
    assert " failed in " not in error, error
    return error


def places_of(source, file):
    """(lines of kept records, lines of refused rows); every refusal has file, line and a sentence"""
    for record in source.records:
        assert record.content_hash
    for one in source.refused:
        assert one.reason.strip().endswith((".", "left off", ")")) or "--" in one.reason, one.reason
    kept = [re.search(r", (?:line|row) (\d+)", r.provenance) for r in source.records]
    lines = [re.fullmatch(r"(.+), (?:line|row) (\d+)", one.where) for one in source.refused]
    assert all(lines), source.refused
    assert {m[1] for m in lines} <= {file}
    return [int(m[1]) for m in kept], [int(m[2]) for m in lines]


@pytest.fixture
def plugins():
    import lima_chat

    logging.getLogger("lima").setLevel(logging.ERROR)
    with only_plugins(lima_chat=lima_chat) as loaded:
        yield loaded
    logging.getLogger("lima").setLevel(logging.NOTSET)


@pytest.mark.parametrize("times", [2, pytest.param(24, marks=pytest.mark.slow)])
def test_lines_of_json_are_kept_or_refused_each_once(times, plugins, tmp_path, capfd):
    """Over all formats; the row of a line that is in neither list, or in both, would be lost or counted twice"""
    dice, read, refusals = random.Random(18), 0, 0
    for number in range(times):
        for name, rows in ROWS.items():
            file = tmp_path / f"{name}{number}.jsonl"
            good = [json.dumps({**row, "id": f"good {i}"}).encode() for i, row in enumerate(LEARNT.get(name, []))]
            bad = [spelt(mutated(dice.choice(rows), dice), dice) for _ in range(40)]
            file.write_bytes(b"\n".join([*good, *bad]) + b"\n")
            found = opened(f"{name}:{file}", plugins)
            if isinstance(found, str):
                assert name == "oasst"
                assert str(file) in found
                continue
            kept, refused = found
            if name == "oasst":  # a message that is not on the best path of its tree is in neither
                assert not set(kept) & set(refused)
                assert len(set(refused)) == len(refused)
                continue
            assert sorted(kept + refused) == list(range(1, len(good) + len(bad) + 1)), (name, number)
            assert set(range(1, len(good) + 1)) <= set(kept)
            read, refusals = read + len(kept) + len(refused), refusals + len(refused)
    assert read >= 400 * times
    assert 0.3 < refusals / read < 0.95


@pytest.mark.parametrize("times", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_rows_of_arrays_and_tables_are_kept_or_refused_each_once(times, plugins, tmp_path, capfd):
    dice, counted = random.Random(19), 0
    for number in range(times):
        for name, rows in LEARNT.items():
            good = [{**row, "id": f"good {i}"} for i, row in enumerate(rows)]
            some = [*good, *(mutated(dice.choice(rows), dice) for _ in range(30)), good[0] | {"id": "last"}]
            spelt_rows = [json.dumps(row, indent=dice.choice((None, 1))).replace("\n", "\n  ") for row in some]
            broken = {i for i in range(len(good), len(some) - 1) if dice.random() < 0.1 and isinstance(some[i], dict)}
            for i in broken:
                at = dice.randrange(1, max(2, len(spelt_rows[i]) - 1))
                spelt_rows[i] = spelt_rows[i][:at] + dice.choice("}],:\\x") + spelt_rows[i][at + 1 :]
            for text, ending in (("[\n  " + ",\n  ".join(spelt_rows) + "\n]", ".json"), (table(some), ".csv.gz")):
                file = tmp_path / f"{name}{number}{ending}"
                data = text.encode("utf-8", "surrogatepass")
                file.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
                found = opened(f"{name}:{file}", plugins)
                if isinstance(found, str):
                    assert str(file) in found
                    assert "surrogate" in found or "UTF-8" in found, found
                else:
                    count = len(found[0]) + len(found[1])
                    assert count == len(some), (name, number)
                    counted += count
    assert counted > 250 * times


def table(rows):
    """A CSV table of rows, lists and objects spelt as JSON"""
    rows = [row if isinstance(row, dict) else {} for row in rows]
    names = sorted({key for row in rows for key in row if isinstance(key, str)})
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    for row in rows:
        writer.writerow([v if isinstance(v := row.get(k, ""), str) else json.dumps(v) for k in names])
    return out.getvalue().replace("\ud83d", "?")


@pytest.mark.parametrize("times", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_a_cut_or_recoded_file_is_read_or_refused_by_name(times, plugins, tmp_path, capfd):
    dice, outcomes = random.Random(20), set()
    for number in range(times):
        for name, rows in ROWS.items():
            lines = "\n".join(json.dumps(row) for row in rows)
            for spelling in (
                lines,
                json.dumps(rows),
                json.dumps(rows, indent=2),
                json.dumps({"version": 1, "data": rows}),
            ):
                data = spelling.encode()
                data = dice.choice((
                    data[: dice.randrange(len(data))],
                    spelling.encode(dice.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig"))),
                    gzip.compress(data)[: dice.randrange(3, 60)],
                    b"\x28\xb5\x2f\xfd" + data,
                    b"PAR1" + data,
                    data + b"\n" + data,
                    data.replace(b"W", b"\xe9"),
                ))  # fmt: skip
                file = tmp_path / f"{name}{number}.json"
                file.write_bytes(data)
                for spec in (f"{name}:{file}", str(file)):
                    found = opened(spec, plugins)
                    assert isinstance(found, tuple) or str(file) in found
                    outcomes.add(type(found))
    assert outcomes == {str, tuple}
