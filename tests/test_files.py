"""Rows from files: every container, every line number, and what is wrong with a row or with a whole file."""

import gzip
import json
import random
import sys

import pytest

from lima import LimaError, NotJson, parse_json, read_rows
from lima.data import containers

ROWS = [{"prompt": f"q{i}", "response": "a"} for i in range(3)]


def numbered(path):
    """(line, value or what is wrong) of each row"""
    return [(row.line, row.problem or row.value) for row in read_rows(path)]


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("pack", [None, "gz", "zst"])
@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "tsv", "parquet", "wrapped", "indented"])
def test_the_same_rows_from_every_container(kind, pack, tmp_path):
    lines = [1, 2, 3]
    if kind == "jsonl":
        data = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    elif kind == "json":
        data = json.dumps(ROWS).replace("}, {", "},\n{").encode()
    elif kind == "indented":
        data, lines = json.dumps(ROWS, indent=2).encode(), [2, 6, 10]
    elif kind == "wrapped":
        data, lines = json.dumps({"version": "1", "data": ROWS, "metadata": {"x": [1]}}, indent=1).encode(), [4, 8, 12]
    elif kind in ("csv", "tsv"):
        mark = "," if kind == "csv" else "\t"
        data, lines = (
            "\n".join(mark.join(row) for row in (["prompt", "response"], *map(dict.values, ROWS))).encode(),
            [2, 3, 4],
        )
    else:
        pyarrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "x")
        data = (tmp_path / "x").read_bytes()
    ending = {"wrapped": "json", "indented": "json"}.get(kind, kind)
    if pack == "gz":
        data = gzip.compress(data, mtime=0)
    elif pack == "zst":
        data = pytest.importorskip("zstandard").compress(data)
    file = written(tmp_path / (f"rows.{ending}" + (f".{pack}" if pack else "")), data)
    found = list(read_rows(file))
    assert [row.value for row in found] == ROWS
    assert [row.line for row in found] == lines
    assert found[1].where == f"{file}, {'row' if kind == 'parquet' else 'line'} {lines[1]}"


def test_files_by_a_pattern_are_read_in_order_each_named(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("b.jsonl", "a.jsonl", "a/b.jsonl", "c.txt"):
        written(tmp_path / name, json.dumps({"name": name}))
    found = [(row.value["name"], row.label) for row in read_rows(f"{tmp_path}/*.jsonl")]
    assert found == [("a.jsonl", "a.jsonl"), ("b.jsonl", "b.jsonl")]
    found = [(row.value["name"], row.label) for row in read_rows(f"{tmp_path}/**/*.jsonl")]
    assert found == [("a.jsonl", "a.jsonl"), ("a/b.jsonl", f"{tmp_path}/a/b.jsonl"), ("b.jsonl", f"{tmp_path}/b.jsonl")]
    with pytest.raises(LimaError, match=r"^No file matches .*\*.csv. `\*` stands for any name in one folder"):
        list(read_rows(f"{tmp_path}/*.csv"))
    with pytest.raises(LimaError, match=r"is a folder. Name its files by a pattern, for example .*/\*.jsonl.$"):
        list(read_rows(tmp_path))
    odd = written(tmp_path / "[1].jsonl", '{"name": 1}')
    assert numbered(odd) == [(1, {"name": 1})]


BROKEN = '{"n": 3 "m": 4}'


@pytest.mark.parametrize("indent", [None, 2])
def test_a_missing_comma_in_line_5001_is_reported_there_and_reading_continues(indent, tmp_path):
    rows = [json.dumps({"n": i, "m": "x"}, indent=indent).replace("\n", "\n  ") for i in range(6000)]
    lines = [2 + i * (4 if indent else 1) for i in range(6000)]
    at = lines.index(5001 if not indent else 4998)
    rows[at] = rows[at].replace(",\n", "\n") if indent else rows[at].replace(",", "")
    file = written(tmp_path / "x.json", "[\n  " + ",\n  ".join(rows) + "\n]\n")
    found = list(read_rows(file))
    assert [row.number for row in found] == list(range(1, 6001))
    (bad,) = [row for row in found if row.problem]
    place = (4999, 11) if indent else (5001, 17)
    assert (bad.line, bad.problem) == (
        place[0],
        f"not JSON (Expecting ',' delimiter at column {bad_column(file, bad.line)}).",
    )
    assert [row.line for row in found if not row.problem] == lines[:at] + lines[at + 1 :]


def bad_column(file, line):
    """Where the comma is missing in that line"""
    text = file.read_text().splitlines()[line - 1]
    return text.index(' "m"') + 1 if '"m": "x"}' in text else len(text) + 1


def test_a_comma_missing_between_rows_is_reported_where_it_belongs(tmp_path):
    file = written(tmp_path / "x.json", '[\n{"n": 1},\n{"n": 2}\n{"n": 3}\n]')
    assert numbered(file) == [
        (2, {"n": 1}),
        (3, "expected ',' or ']' after row 2, found '{'."),
        (4, {"n": 3}),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a"', "not JSON (Expecting ':' delimiter at column 5). One object a line is expected."),
        (b'{"a": 1} {"a": 2}', "not JSON (Extra data at column 10). One object a line is expected."),
        (b'{"a": "\xe9"}', "the line is not UTF-8 text (invalid continuation byte at byte 7): convert it to UTF-8."),
        (b'{"a": 1, "a": 1}', "the line is not JSON as expected (the key 'a' occurs twice in one object)."),
        (b'{"a": {"b": 1, "b": 2}}', "the line is not JSON as expected (the key 'b' occurs twice in one object)."),
        (b'{"a": "\\ud800"}', "the line holds half of a character (a lone surrogate): correct its encoding."),
        (b"[" * 100_000, "the line is nested too deeply to be read."),
        (b"1" * 5000, "the line is not JSON as expected (a whole number of more than 4,300 digits)."),
    ],
)  # fmt: skip
def test_a_bad_line_is_a_row_with_its_problem(line, problem, tmp_path):
    file = written(tmp_path / "x.jsonl", b'{"n": 1}\r\n\r\n' + line + b'\r\n{"n": 2}')
    one, bad, two = numbered(file)
    assert (one, two) == ((1, {"n": 1}), (4, {"n": 2}))
    assert bad[0] == 3
    assert bad[1].startswith(problem)


def test_pairs_of_surrogates_and_a_byte_order_mark_are_fine(tmp_path):
    file = written(tmp_path / "x.jsonl", b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}\n')
    assert numbered(file) == [(1, {"a": "😀"})]
    assert parse_json(b'\xef\xbb\xbf{"a": [1]} ') == {"a": [1]}
    with pytest.raises(NotJson, match=r"^is not JSON \(Extra data, line 2, column 1\)$"):
        parse_json("{}\n{}")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[\n{}\n\n]]\n", ", line 4: expected the end of the file after its array, found ']'. Remove it, or write all rows"),
        (b"[]\n\n [{}]\n", ", line 3: expected the end of the file after its array, found '[{}]'."),
        (b"[\n{},\n{", ", line 3: not JSON (Expecting property name enclosed in double quotes at column 2). The file is cut off"),
        (b"[\n{},\n{}", ", line 3: expected ',' or ']' after row 2, found 'the end'. The file is cut off: copy or download"),
        (b'[{"a": 1}, {"a" 2}, {"a": 3}]', ", line 1: not JSON (Expecting ':' delimiter at column 17). Where the next row"),
        (b'["\xe9"]', ", line 1 is not UTF-8 text (invalid continuation byte at byte 2): convert it to UTF-8."),
        ('[{"a": 1}]'.encode("utf-16"), " is UTF-16 or UTF-32 text, expected UTF-8: `iconv -f UTF-16 -t UTF-8 OLD > NEW`"),
        ('{"a": 1}'.encode("utf-16-le"), " is UTF-16 or UTF-32 text, expected UTF-8"),
        (b'{"data": [{"a": 1}],\n "rows": [{"a": 2}]}', ", line 2: the file has a second list of rows, 'rows'. Make a file of"),
        (b'{"data": [\n{"a": 1}],\n "x" 1}', ", line 3: the object around the rows does not end as JSON does. Correct it."),
        (b"PK\x03\x04", " is a ZIP archive. Unpack or convert it to JSONL, CSV or Parquet; .gz and .zst are read."),
        (gzip.compress(b"x" * 100, mtime=0)[:20], " is damaged or cut off (Compressed file ended before the end-of-stream"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_whole_file_is_an_error_that_names_it(content, problem, tmp_path):
    file = written(tmp_path / "x.json", content)
    with pytest.raises(LimaError) as e:
        list(read_rows(file))
    assert str(e.value).startswith(f"{file}{problem}")


@pytest.mark.parametrize("content", [b"", b" \n", b"[]", b"\xef\xbb\xbf[]\n", b"a,b\n"])
def test_a_file_without_rows_has_none(content, tmp_path):
    assert numbered(written(tmp_path / ("x.csv" if b"," in content else "x.json"), content)) == []


def test_one_object_may_be_a_row_over_many_lines(tmp_path):
    row = {"data": [{"role": "user", "content": "x"}]}
    for indent in (None, 1):
        assert [v for _, v in numbered(written(tmp_path / "x.json", json.dumps(row, indent=indent)))] == [row]


def test_what_is_wrong_with_rows_of_a_table(tmp_path):
    file = written(tmp_path / "x.csv", 'a,b\n1,"two\nlines"\n\n1,2,3\n"x"y,1\n3,4\n')
    assert numbered(file) == [
        (2, {"a": "1", "b": "two\nlines"}),
        (5, "the row has 3 cells, and the header 2. Correct the row."),
        (6, "not CSV (',' expected after '\"'). Put texts with quotes in quotes, and double those in them."),
        (7, {"a": "3", "b": "4"}),
    ]
    with pytest.raises(LimaError, match=r"x.csv, line 1: the column 'a' occurs twice. Rename one of them.$"):
        list(read_rows(written(tmp_path / "x.csv", "a,a\n1,2\n")))
    long = written(tmp_path / "x.csv", "a\n" + "x" * 200_000)
    assert numbered(long) == [(2, {"a": "x" * 200_000})]


def test_what_expands_beyond_the_limit_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "LIMIT", 1000)
    for name, pack in (("x.gz", gzip.compress), ("x.zst", lambda d: pytest.importorskip("zstandard").compress(d))):
        assert numbered(written(tmp_path / name, pack(b'{"a": 1}'))) == [(1, {"a": 1})]
        with pytest.raises(LimaError, match=r"x\.(gz|zst) expands to more than 0 GiB, which is the limit. Divide it"):
            list(read_rows(written(tmp_path / name, pack(random.Random(0).randbytes(5000).replace(b"\n", b"")))))


@pytest.mark.parametrize(
    ("module", "content", "advice"),
    [
        ("pyarrow", b"PAR1", "is a Parquet file, which needs a library: `pip install 'lima-tune\\[parquet\\]'`"),
        (
            "zstandard",
            b"\x28\xb5\x2f\xfd",
            "is compressed with Zstandard, which needs a library: `pip install 'lima-tune\\[zstd\\]'`",
        ),
    ],
)
def test_a_library_that_is_missing_is_named(module, content, advice, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "compression", None)
    with pytest.raises(LimaError, match=advice):
        list(read_rows(written(tmp_path / "x", content)))


def test_a_damaged_parquet_file_is_an_error(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(LimaError, match=r"x.parquet cannot be read as Parquet \(.*\). Copy or make it again."):
        list(read_rows(written(tmp_path / "x.parquet", b"PAR1 nothing PAR1")))
