"""Progress without a terminal: a line now and then on standard error, and nothing for what is done before."""

import os
import pty
import subprocess
import sys

CODE = """
import sys, time
from lima.cli import progress
progress.LINE_SECONDS = float(sys.argv[1])
with progress.Bar("replies \\x1b[31m", note="n", transient=sys.argv[2] == "transient") as bar:
    bar.describe("replies \\u202e")
    for done in range(1, 6):
        bar.move(done, 5, note=f"loss {done}.0")
        time.sleep(0.06)
print("the answer")
"""


def said(seconds, kind="transient"):
    """(standard output, standard error) of a process with a bar, in pipes"""
    done = subprocess.run([sys.executable, "-c", CODE, str(seconds), kind], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_what_is_done_before_the_first_line_says_nothing():
    for kind in ("transient", "stays"):
        assert said(10, kind) == ("the answer\n", "")


def test_a_line_now_and_then_with_all_that_the_bar_has_and_nothing_that_moves_the_terminal():
    out, err = said(0.11)
    lines = err.splitlines()
    assert out == "the answer\n"
    assert 1 <= len(lines) <= 3
    for line in lines:
        head, count, note, left = line.split("  ")
        assert head == "replies ⟨U+202E⟩"
        assert note == f"loss {count[0]}.0"
        assert count in ("2/5", "3/5", "4/5", "5/5")
        assert left.endswith(" left")


def test_several_bars_say_which_moves(monkeypatch, capsys):
    from rich.progress import BarColumn, TextColumn

    from lima.cli import progress

    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with progress.progress(TextColumn("{task.fields[who]}"), BarColumn(), TextColumn("{task.description}")) as bars:
        first, second = (bars.add_task("starting", total=4, who=who) for who in ("whole", "one"))
        bars.update(second, completed=1, description="training")
        bars.update(first, completed=1, description="0 of 2 done")
    assert capsys.readouterr().err == "one  training\nwhole  0 of 2 done\n"


def test_a_long_task_says_less_often(monkeypatch, capsys):
    from lima.cli import progress

    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar = progress.Bar("replies")
    for second in range(36_000):
        now[0] = float(second)
        bar.move(second, 36_000)
    lines = len(capsys.readouterr().err.splitlines())
    assert 60 < lines < 400


def test_at_a_terminal_it_is_a_bar():
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", CODE, "0.01", "transient"], stderr=child, stdout=subprocess.DEVNULL
    ) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(parent)
    assert process.returncode == 0
    assert "━".encode() in shown
