"""Paths that cannot be entered, read, written or ended: every command says so in a sentence with the path, and nothing hangs."""

import ctypes
import os
import shutil
import socket
import sys
from contextlib import closing, contextmanager

import pytest

from lima.errors import LimaError
from lima.paths import LONGEST, absolute, check_readable, entries, is_file, is_folder, is_there, read_bytes, resolved
from lima.record.store import Store

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the modes of files are Linux's here"),
    pytest.mark.usefixtures("core_alone"),
]

_OVERRIDE, _SEARCH = 1 << 1, 1 << 2
"Linux's capabilities CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, by which root passes over the modes of files"


@contextmanager
def modes_count():
    """Root does what a user may do: without the two capabilities, in this thread"""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    before = list(sets)
    sets[0] &= ~(_OVERRIDE | _SEARCH)
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[:] = before
        assert libc.capset(header, sets) == 0


@pytest.fixture
def odd(tmp_path, base, pairs):
    """Paths by what is odd about them; modes are given back at the end, so that pytest can remove them"""
    folder = tmp_path / "odd"
    folder.mkdir()
    with Store(folder / "l.db"):
        pass
    found = {name: folder / name for name in ("closed", "blind", "shut", "unreadable", "pipe", "loop")}
    for name in ("closed", "blind"):
        shutil.copytree(base, found[name])
        shutil.copy(pairs, found[name] / "pairs.jsonl")
        shutil.copy(folder / "l.db", found[name] / "l.db")
    shutil.copy(pairs, found["unreadable"])
    os.mkfifo(found["pipe"])
    found["loop"].symlink_to("loop")
    found["shut"].mkdir()
    shutil.copy(folder / "l.db", found["shut"] / "l.db")
    modes = {"closed": 0, "blind": 0o444, "shut": 0o555, "unreadable": 0}
    for name, mode in modes.items():
        found[name].chmod(mode)
    found |= {"in closed": found["closed"] / "pairs.jsonl", "long": "x" * 300, "deep": "/".join(["y" * 100] * 60)}
    found |= {"device": "/dev/null", "endless": "/dev/zero", "memory": "/proc/self/mem", "NUL": "a\0b"}
    with modes_count():
        yield found
    for name in modes:
        found[name].chmod(0o755)


WRONG = {
    "closed": "Permission denied",
    "blind": "Permission denied",
    "in closed": "Cannot look at .*/closed/pairs.jsonl: Permission denied",
    "unreadable": "Permission denied",
    "pipe": "pipe",
    "loop": "Its links lead in a circle",
    "long": "File name too long. Name a shorter one",
    "deep": "File name too long. Name a shorter one",
    "device": "device",
    "endless": "device",
    "memory": "memory|/proc",
}
COMMANDS = {
    "recipe": lambda path, given: ["plan", path, *given],
    "base": lambda path, given: ["plan", *given, "--base", path],
    "source": lambda path, given: ["preview", *given, "--source", path],
    "named source": lambda path, given: ["sources", "show", f"pairs:{path}"],
    "database": lambda path, given: ["runs", "-d", path],
    "resumed from": lambda path, given: ["train", "--resume", "x", "-d", path],
    "recorded in": lambda path, given: ["train", *given, "-d", path],
    "model": lambda path, given: ["ask", path, "Why?"],
    "out": lambda path, given: ["train", *given, "--set", "epochs=1", "--out", path],
    "fetched from": lambda path, given: ["base-models", "fetch", "x", "--from", path],
}


@pytest.mark.parametrize("place", COMMANDS)
@pytest.mark.parametrize("kind", WRONG)
def test_every_command_says_what_is_wrong_with_a_path(kind, place, odd, base, pairs, tmp_path, monkeypatch, capsys):
    from lima.cli import main

    monkeypatch.chdir(tmp_path)
    given = ["--base", str(base)] if place == "source" else ["--source", str(pairs)]
    given = ["--base", str(base), "--source", str(pairs)] if place in ("recipe", "out", "recorded in") else given
    with pytest.raises(SystemExit) as ended:
        main(COMMANDS[place](str(odd[kind]), given))
    said = " ".join(capsys.readouterr().err.split())
    assert ended.value.code in (1, 2), said
    assert "Error: " in said
    assert sum(len(word) > LONGEST + 20 for word in said.split()) == 0 or ended.value.code == 2


@pytest.mark.parametrize("kind", WRONG)
def test_a_source_says_what_is_wrong_with_its_path(kind, odd, lima):
    said = lima("sources", "show", str(odd[kind]), code=1).err
    folders = ("closed", "blind")
    assert (
        "is a folder. Name its files" if kind in folders else WRONG[kind].split("|")[0].split(" .*")[0]
    ) in said or (kind == "memory" and "/proc/self/mem" in said)


def test_what_lies_at_a_path_is_known_or_an_error(odd, tmp_path, monkeypatch):
    assert (is_file("nowhere/at/all"), is_folder("nowhere"), is_there("nowhere")) == (False, False, False)
    assert (is_file(tmp_path), is_folder(tmp_path), is_there(tmp_path)) == (False, True, True)
    assert is_there(odd["loop"])
    assert not is_file(odd["device"])
    (tmp_path / "link").symlink_to("nowhere")
    assert is_there(tmp_path / "link")
    assert not is_file(tmp_path / "link")
    for ask in (is_file, is_folder, is_there, read_bytes):
        for kind in ("in closed", "long", "deep", "NUL"):
            with pytest.raises(LimaError, match="Permission denied|too long|is not a path"):
                ask(odd[kind])
    with pytest.raises(
        LimaError, match=r"Cannot list .*closed: Permission denied\. Make it, and every folder on the way"
    ):
        entries(odd["closed"])
    with closing(socket.socket(socket.AF_UNIX)) as opened:
        monkeypatch.chdir(tmp_path)
        opened.bind("s")
        with pytest.raises(LimaError, match="s is a socket, expected a regular file"):
            check_readable("s")
    with pytest.raises(LimaError, match="begins with a user that is not known here"):
        absolute("~nobody-of-this-name/x")
    with pytest.raises(LimaError, match=r"\\udcff.* is not UTF-8 text, so it cannot be recorded"):
        resolved(os.fsdecode(b"\xff"))


def test_a_database_in_a_folder_that_cannot_be_written_is_read_and_nothing_is_begun_that_it_could_not_record(
    odd, base, pairs, lima
):
    database = str(odd["shut"] / "l.db")
    assert f"No run in {database}" in lima("runs", "-d", database).out
    said = lima("train", "--base", str(base), "--source", str(pairs), "-d", database, code=1)
    assert "can only be read. The file or its folder is read-only: make it writable" in said.err
    assert "Chosen" not in said.err
    assert os.listdir(odd["shut"]) == ["l.db"]


def test_databases_that_are_no_files_are_refused(tmp_path, lima, base, pairs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = lima("train", "--base", str(base), "--source", str(pairs), "-d", ":memory:", code=1).err
    assert said == "Error: A database in memory would be lost with this process. Name a file: -d FILE.\n"
    with pytest.raises(LimaError, match=r"/dev/full is a device, expected a regular file"):
        Store("/dev/full")
    assert "The database typo.db does not exist" in lima("train", "--resume", "x", "-d", "typo.db", code=1).err
    assert not (tmp_path / "typo.db").exists()
