"""What is printed on any terminal: narrow, in ASCII, full disks behind it, and with hostile names in what is printed."""

import io
import json
import os
import subprocess
import sys

import pytest
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lima.cli.show import any_text_printed, print_json, print_rows, print_table
from lima.record.store import Store

pytestmark = pytest.mark.usefixtures("core_alone")

ROW = {
    "created": "2026-01-02",
    "status": "done",
    "base": "/somewhere/far/away/with/a/long/name/base",
    "base_hash": "x",
    "renderer": "plain",
    "eot": "<|eot|>",
    "recipe": "{}",
    "environment": "{}",
    "folder": "/nowhere/out",
    "seed": 0,
    "examples": 1,
    "tokens": 1,
    "trained_tokens": 1,
    "steps": 1000,
}


@pytest.fixture
def database(tmp_path):
    with Store(tmp_path / "l.db") as store, store.write() as db:
        for name in ("20260102-150405-1f3a9c", "20260103-150405-é→"):
            db.table("runs").insert({"id": name, **ROW})
            db.table("run_sources").insert({"run": name, "source": f"dätä/{'long' * 20}.jsonl"})
    return str(tmp_path / "l.db")


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_no_column_is_lost_however_narrow_the_terminal_is(columns, database, lima, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = lima("runs", "-d", database).out
    for head in ("id", "status", "seed", "steps", "last", "loss", "sources"):
        assert head in shown, shown
    for value in ("20260102-150405-1f3a9c", "done", "1,000"):
        assert value in shown, shown
    whole = "".join(shown.split())
    assert sum(whole.count(c) for c in "long") >= 2 * 80, shown  # the source's name, in as many lines as it takes


def test_a_table_that_fits_stays_one_and_one_that_does_not_has_a_line_a_value(capsys, monkeypatch):
    rows = [{"id": "abcdefghijklmnopqrst", "what": "one\ntwo", "n": 12345}, {"id": "b", "what": None, "n": 1}]
    monkeypatch.setenv("COLUMNS", "40")
    print_rows(rows, False, "")
    assert "id                     what        n" in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "24")
    print_rows(rows, False, "")
    assert (
        capsys.readouterr().out
        == "id    abcdefghijklmnopqrst\nwhat  one\n      two\nn     12,345\n\nid    b\nwhat\nn     1\n"
    )


def test_a_table_of_a_plugin_loses_no_column_and_no_digit_either():
    """Of rich alone, the first column of this one is gone in 40 columns, and of each figure the half"""
    for columns in (10, 40, 60, 80):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("conversations")
        for seeds in (1, 3, 5, 10):
            table.add_column(Text(f"{seeds}\nseeds"), justify="right", no_wrap=True, min_width=9)
        table.add_row("10", *(f"0.8{n} (0.7{n})" for n in range(4)))
        table.add_row("the second one of all rows", *["1,000"] * 4)
        out = io.StringIO()
        print_table(table, Console(file=out, width=columns))
        shown = out.getvalue()
        for text in ("conversations", *(f"0.8{n} (0.7{n})" for n in range(4)), "10"):
            assert text in shown, shown
        assert shown.count("1,000") == 4
        assert "…" not in shown
        assert ("10 seeds" in shown) == (columns < 66), shown


def run(arguments, **options):
    """A command in a process of its own, on a terminal that knows no more than ASCII"""
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LIMA_LOAD_PLUGINS": ""}
    command = [sys.executable, "-m", "lima", *arguments]
    return subprocess.run(command, env=os.environ | ascii_only, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
def test_a_terminal_of_ascii_gets_every_table_and_json_that_is_json(database):
    table = run(["runs", "-d", database], stdout=subprocess.PIPE)
    assert (table.returncode, table.stderr) == (0, "")
    assert r"\xe9\u2192" in table.stdout
    found = run(["runs", "--json", "-d", database], stdout=subprocess.PIPE)
    assert (found.returncode, found.stderr) == (0, "")
    assert [row["id"] for row in json.loads(found.stdout)][1].endswith("é→")
    wrong = run(["runs", "show", "→", "-d", database], stdout=subprocess.PIPE)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("Error: ")
    assert "Traceback" not in wrong.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], pytest.param(["--json"], marks=pytest.mark.slow)])
def test_a_full_disk_behind_the_output_is_an_error_in_one_sentence(options, database):
    with open("/dev/full", "w") as full:
        done = run(["runs", *options, "-d", database], stdout=full)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: Cannot write: No space left on device. Make room, or write the output elsewhere (LIMA_DEBUG=1 shows where).\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["\x1b[31mred"],
        ["runs", "--\x1b[31mred"],
        ["runs", "show", "\x1b[31mred"],
        ["runs", "-d", "\x1b[31mred"],
        ["plan", "\x1b[31mred"],
        ["plan", "--base", "\x1b[31mred"],
        ["sources", "show", "\x1b[31mred"],
        ["ask", "\x1b[31mred", "Why?"],
        ["train", "--set", "\x1b[31mred=1"],
        ["plan", "--set", "epochs=\x1b[31mred"],
    ],
)
def test_an_escape_sequence_in_an_argument_is_written_out(arguments, lima, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in (1, 2):
        try:
            said = lima(*arguments, code=code)
            break
        except AssertionError:
            continue
    assert "\x1b" not in said.out + said.err
    assert "red" in said.err


def test_a_trained_models_place_is_printed_without_its_escape_sequences(base, pairs, lima, tmp_path):
    here = str(tmp_path / "\x1b[31mred" / "out")
    keys = ["--set", "epochs=1", "--set", "residual_dropout=0"]
    done = lima("train", "--base", str(base), "--source", str(pairs), "--out", here, "-d", f"{here}.db", *keys)
    assert "\x1b" not in done.out
    assert "⟨U+001B⟩[31mred/out" in done.out


def test_half_characters_are_printed_as_json_writes_them(capsys):
    any_text_printed()
    print_json({"a": "\ud800é"})
    assert json.loads(capsys.readouterr().out) == {"a": "\ud800é"}
