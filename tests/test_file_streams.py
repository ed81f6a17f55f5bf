"""Files larger than memory: JSON lines and tables are read row by row, packed with any window, and never cut without a word."""

import gzip
import io
import random

import pytest

from lima import LimaError, Scratch, read_rows
from lima.data import containers, tables

LINES = b"".join(b'{"n": %d, "text": "%s"}\n' % (n, random.Random(n).randbytes(40).hex().encode()) for n in range(3000))


def zst(data, **parameters):
    library = pytest.importorskip("zstandard")
    made = library.ZstdCompressionParameters.from_level(3, **parameters)
    return library.ZstdCompressor(compression_params=made).compress(data)


def test_lines_of_a_packed_file_may_be_more_than_fits_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "LIMIT", 1000)
    for name, data in (("x.jsonl.zst", zst(LINES)), ("x.jsonl.gz", gzip.compress(LINES))):
        (tmp_path / name).write_bytes(data)
        assert [row.value["n"] for row in read_rows(tmp_path / name)] == list(range(3000))
    bomb = LINES[:200] + b'{"n": 0}\n' * 100_000
    for name, data in (("bomb.jsonl.zst", zst(bomb)), ("bomb.jsonl.gz", gzip.compress(bomb))):
        (tmp_path / name).write_bytes(data)
        monkeypatch.setattr(containers, "RATIO", 20)
        with pytest.raises(
            LimaError, match=f"{name} expands to more than 20 times its size, which no file of rows does."
        ):
            list(read_rows(tmp_path / name))


def test_zstandard_with_a_window_of_2_gib_in_several_frames_and_cut_off(tmp_path):
    file = tmp_path / "RS_2015-06.zst"
    half = LINES.index(b"\n", len(LINES) // 2) + 1
    library = pytest.importorskip("zstandard")
    long = library.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True, hash_log=12, chain_log=12)
    into = io.BytesIO()
    with library.ZstdCompressor(compression_params=long).stream_writer(into, closefd=False) as out:
        out.write(LINES[half:])  # of a stream the size is not known, so its frame asks for the whole window
    data = zst(LINES[:half]) + into.getvalue()
    assert library.get_frame_parameters(into.getvalue()).window_size == 2**31
    file.write_bytes(data)
    assert [row.value["n"] for row in read_rows(file)] == list(range(3000))
    for cut in (len(data) - 1, len(data) - 5000, len(data) // 3):
        file.write_bytes(data[:cut])
        with pytest.raises(LimaError, match=r"RS_2015-06.zst is damaged or cut off \(.*\). Copy or download it again."):
            list(read_rows(file))
    file.write_bytes(data + b"something else")
    with pytest.raises(LimaError, match=r"RS_2015-06.zst is damaged or cut off"):
        list(read_rows(file))


def test_a_table_is_read_as_it_comes(tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,b\n1,2\n" * 20_000 + b"\xff,2\n")
    rows = read_rows(file)
    assert next(rows).value == {"a": "1", "b": "2"}  # before what is wrong lines below is seen
    with pytest.raises(
        LimaError, match=r"x.csv, line 40001 is not UTF-8 text \(invalid start byte at byte 0\): convert it"
    ):
        list(rows)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'a,b\n1,2\n1,"never closed\n' + b"x,y\n" * 100, "line 3: a quote that is opened there is not closed before the end of"),
        (b'a,b\n1,2\n1,"never closed\n' + b"x,y\n" * 600, "line 3: a quote that is opened there is not closed within 0 MiB"),
        (b"a,b\n1," + b"x" * 3000, "line 2: the line is longer than 0 MiB. Expected a row a line."),
        ("a,b\n1,2\n".encode("utf-16"), " is UTF-16 or UTF-32 text, expected UTF-8: `iconv -f UTF-16"),
        ("a,é\n1,2\n".encode("latin-1"), "line 1 is not UTF-8 text .* at byte 2"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_on(content, error, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LONGEST", 2000)
    monkeypatch.setattr(containers, "LONGEST", 2000)
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(LimaError, match=error):
        list(read_rows(tmp_path / "x.csv"))


@pytest.mark.parametrize("place", [2, 3, 9])
def test_a_line_that_memory_should_not_hold_ends_the_reading(place, tmp_path, monkeypatch):
    """However well it is packed; a file of one long row is read as a whole"""
    monkeypatch.setattr(containers, "LONGEST", 2000)
    rows = [b'{"n": %d}' % n for n in range(1, 10)]
    rows[place - 1] = b'{"n": "' + b"x" * 5000 + b'"}'
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b"\n".join(rows)))
    with pytest.raises(LimaError, match=f"line {place}: the line is longer than 0 MiB. Expected a row a line."):
        list(read_rows(tmp_path / "x.jsonl.gz"))
    (tmp_path / "one.json").write_bytes(rows[place - 1])
    assert [len(row.value["n"]) for row in read_rows(tmp_path / "one.json")] == [5000]


def test_lines_may_end_in_any_way(tmp_path):
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "x.csv").write_bytes(f'\ufeffa,b{end}1,"two{end}lines"{end}3,4{end}'.encode())
        found = [(row.line, row.value) for row in read_rows(tmp_path / "x.csv")]
        assert found == [(2, {"a": "1", "b": f"two{end}lines"}), (4, {"a": "3", "b": "4"})]


def test_a_scratch_database_is_gone_when_it_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Scratch.opened("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)") as scratch:
        for n in range(1234):
            scratch.add("INSERT INTO t VALUES (?, ?)", n, str(n))
        assert scratch.one("SELECT COUNT(*) FROM t") == 1234
        assert scratch.one("SELECT b FROM t WHERE a = 7000") is None
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    with pytest.raises(LimaError, match=r"cannot be written: database or disk is full.*TMPDIR"):
        fill(tmp_path)
    assert not list(tmp_path.iterdir())


def fill(folder):
    with Scratch.opened("CREATE TABLE t (a TEXT)", "PRAGMA max_page_count = 10") as scratch:
        assert list(folder.iterdir())
        for _ in range(1000):
            scratch.add("INSERT INTO t VALUES (?)", "x" * 1000)
