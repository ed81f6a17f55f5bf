"""Files that are not what they should be: a sentence with the file and the place, never an entity, a leak or an endless read."""

import gzip
import io
import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima import LimaError, Refused
from lima_stackexchange import archives
from lima_stackexchange.dump import LONGEST, rows
from lima_stackexchange.questions import Questions

from .conftest import SITE, answer, dump, question, row

GOOD = dump("posts", question(), answer())


@pytest.fixture
def read(tmp_path):
    """Reads a file of this name, with these bytes or this text, in a folder named by its exchange"""

    def found(data, name="Posts.xml"):
        folder = tmp_path / SITE
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
        return list(Questions().examples(str(folder)))

    return found


LAUGHS = '<!DOCTYPE posts [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (GOOD[:-200], r"Posts.xml, after row 1, line 4 \(byte \d+\): the file ends before its last row"),
        ("", r"Posts.xml, after row 0, line 1 \(byte 0\): the file has no XML in it"),
        ("Id,Body\n1,x\n", r"Posts.xml, after row 0, line 1 \(byte 0\): it is not XML \(syntax error\)"),
        (GOOD.replace("The shop", "The <shop"), r"after row 0, line 3 \(byte \d+\): it is not XML \(not well-formed"),
        (GOOD.replace("utf-8", "ascii").replace("The shop", "Zoë"), r"it is not XML .* unpack it again; if its enc"),
        (GOOD.replace("The shop", "Zoë").encode("latin-1", "replace"), r"after row 0, line 1 \(byte 0\): it is not XML"),
        (GOOD.replace("utf-8", "no-such"), r"it is not XML \(unknown encoding\)|its encoding cannot be read"),
        (dump("users", row(Id=1)), r"Posts.xml: its first element is <users>; expected <posts>, as in a dump of Stack Exchange"),
        (dump("posts", "<row><b/></row>"), r"Posts.xml, row 2 \(byte \d+\): it has elements within, <b>"),
        (GOOD.replace("<posts>", LAUGHS + "<posts>"), "its document type declares something of its own, such as entities"),
        (dump("posts", "<row " + "a" * (LONGEST + 600_000)), f"Posts.xml, row 1 .*: it is longer than {LONGEST:,} bytes"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(read, data, error):
    with pytest.raises(LimaError, match=error):
        read(data)


def test_a_document_type_without_declarations_is_usual(read):
    examples = read(GOOD.replace("<posts>", "<!DOCTYPE posts SYSTEM 'file:///etc/passwd'>\n<posts>"))
    assert [one.id for one in examples] == [f"{SITE}/a/2"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(Id=3, Score=1, Text="x"), "it has no PostTypeId; its columns are Id, Score, Text."),
        (row(PostTypeId=1, Score=1), "it has no Id; its columns are PostTypeId, Score."),
        (question("x"), "its Id is 'x'; expected a whole number from 1 to 1,000,000,000."),
        (question(10**12), "its Id is '1000000000000'; expected a whole number from 1 to 1,000,000,000."),
        (question("9" * 5000), "its Id is '99999"),
        (question(3, Score=""), "its Score is ''; expected a whole number from -1,000,000,000 to 1,000,000,000."),
        (
            question(3, CreationDate="yesterday"),
            "its CreationDate is 'yesterday'; expected one such as 2015-01-27T20:09:32.720.",
        ),
        (question(3, title=" "), "it has no Title, as a question has."),
        (question(3, OwnerUserId="me"), "its OwnerUserId is 'me'; expected a whole number"),
        (answer(3, of=0), "its ParentId is '0'; expected a whole number from 1 to 1,000,000,000."),
        (answer(3, body="x" * 200_001), "its Body is longer than 200,000 characters."),
        (question(1), "its Id 1 is that of a post before it. Leave one of them out."),
        ("<post Id='3' />", "it is <post>; expected <row>."),
    ],
)
def test_a_row_that_is_wrong_is_refused_with_its_place(read, bad, reason):
    example, refused = read(dump("posts", question(), answer(), bad))
    assert example.id == f"{SITE}/a/2"
    assert refused.fault
    assert refused.where.startswith(f"{SITE}/Posts.xml, row 3 (byte ")
    assert refused.reason.startswith(reason)


def test_the_place_is_where_the_row_begins(read, tmp_path):
    text = dump("posts", question(), question("x"))
    (_, refused) = sorted(read(text), key=lambda one: one.fault)
    byte = int(refused.where.split("byte ")[1].strip(")").replace(",", ""))
    assert text.encode()[byte:].startswith(b'<row Id="x"')


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_is_rows_or_a_sentence(data):
    damaged = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
    found = []
    with suppress(LimaError):
        found.extend(rows(io.BytesIO(damaged), "Posts.xml", "posts"))
    assert [one.number for one in found] == list(range(1, len(found) + 1))


def test_gzip_is_read_and_told_when_it_is_cut_short_or_explodes(read):
    packed = gzip.compress(GOOD.encode())
    assert [one.id for one in read(packed, "Posts.xml.gz")] == [f"{SITE}/a/2"]
    with pytest.raises(
        LimaError, match=r"Posts.xml.gz, after [\d,]+ unpacked bytes: the archive is damaged or cut short"
    ):
        read(packed[:-20], "Posts.xml.gz")
    with pytest.raises(LimaError, match=r"Posts.xml.gz, after 0 unpacked bytes: the archive is damaged or cut short"):
        read(b"no gzip at all", "Posts.xml.gz")
    bomb = gzip.compress(b"<posts>" + b" " * (archives.ALLOWED * 5 // 2))
    with pytest.raises(LimaError, match="Posts.xml.gz unpacks to more than 200 times its size|it is longer than"):
        read(bomb, "Posts.xml.gz")


def test_7z_is_asked_for_by_name(tmp_path, monkeypatch):
    (tmp_path / f"{SITE}.7z").write_bytes(b"7z")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        LimaError, match=rf"{SITE}.7z is a 7z archive, and the program 7z is not installed. Install it \(apt"
    ):
        list(Questions().examples(str(tmp_path)))


def test_a_program_that_fails_is_quoted(tmp_path, monkeypatch):
    """A stand-in for 7z, so that what it may do is seen where there is none: an archive that is broken, and one without posts"""
    archive = tmp_path / f"{SITE}.7z"
    archive.write_bytes(b"7z")
    program = tmp_path / "7z"
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def does(code):
        program.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return list(Questions().examples(str(archive)))

    assert [
        one.id for one in does(f"sys.stdout.write({GOOD!r}.replace(chr(0xfeff), '')) if 'e' == sys.argv[1] else 0")
    ] == [f"{SITE}/a/2"]
    with pytest.raises(LimaError, match=rf"{SITE}.7z: Posts.xml: 7z ended with code 2 \(ERROR: CRC Failed\)"):
        does(
            "print('<posts>', flush=True); print('ERROR: CRC Failed', file=sys.stderr); sys.exit(2) if 'e' == sys.argv[1] else 0"
        )
    with pytest.raises(LimaError, match="Posts.xml: the archive has no such file"):
        does("pass")


@pytest.mark.skipif(not any(map(shutil.which, archives.PROGRAMS)), reason="no 7z here")
def test_a_real_archive(tmp_path, exchange):
    folder = exchange([question(), answer()], users=[row(Id=7, DisplayName="Bob")])
    program = next(filter(None, map(shutil.which, archives.PROGRAMS)))
    archive = tmp_path / "archives" / f"{SITE}.7z"
    archive.parent.mkdir()
    subprocess.run(
        [program, "a", str(archive), *map(str, folder.iterdir())], check=True, capture_output=True, timeout=60
    )
    (one,) = Questions().examples(str(archive.parent))
    assert one.credits[0].author == "Bob"
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(LimaError, match="7z ended with code 2"):
        list(Questions().examples(str(archive)))
    assert [file.name for file in archive.parent.iterdir()] == [archive.name]


@pytest.mark.parametrize(
    ("names", "error"),
    [
        ((), "has no posts of Stack Exchange in it. Expected a folder with Posts.xml"),
        ((f"{SITE}/Posts.xml", f"{SITE}.7z"), f"has the exchange {SITE} twice"),
        (("coffee/Posts.xml", "tea.stackexchange.com/Posts.xml"), r"--set 'lima-stackexchange.site={\"coffee\" = \"coffee.stack"),
    ],
)  # fmt: skip
def test_a_folder_that_names_no_exchange(tmp_path, names, error):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(GOOD)
    with pytest.raises(LimaError, match=error):
        list(Questions().examples(str(tmp_path)))


def test_nothing_is_left_on_the_disk(tmp_path, monkeypatch, exchange):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = exchange([p for n in range(1, 40, 2) for p in (question(n), answer(n + 1, of=n))])
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    reading = Questions().examples(str(folder))
    next(reading)
    assert list(scratch.iterdir())
    reading.close()
    assert list(scratch.iterdir()) == []
    with pytest.raises(LimaError):
        list(Questions().examples(str(tmp_path / "gone")))
    assert not [one for one in Questions().examples(str(folder)) if isinstance(one, Refused)]
    assert list(scratch.iterdir()) == []
