"""Replies of a hundred thousand characters of anything take every check a bounded time, whatever was said before."""

import subprocess
import sys

import pytest

CODE = """
import resource, sys, time
from lima_chat import Turn
from lima_dialogue_eval.checks import CHECKS, Undecided, missed

seconds = int(sys.argv[1])
limit = int(time.process_time()) + seconds
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
size, pieces = int(sys.argv[2]), sys.argv[3:]
extra = {
    "says": ["£54", "15:00", "7 June", "3 x 2.5 l", "Canberra", 3],
    "says_none": ["£54", "15:00", "7 June", "3 x 2.5 l", 3, "40 chairs"],
    "pairs": {"a": 1, "one": "b", "June": "12:00"},
    "regex": "(a+)+$",
    "keeps": {"reply": -1, "what": "items"},
    "table_cells": {"a": 1},
}
for piece in pieces:
    reply = (piece.encode().decode("unicode_escape") * size)[:size]
    before = [Turn("user", "Go"), Turn("assistant", reply), Turn("user", reply)]
    for name, check in CHECKS.items():
        for wanted in [check.example, extra[name]] if name in extra else [check.example]:
            try:
                missed({name: wanted}, reply, before)
            except Undecided:
                pass
print("done")
"""
PIECES = [
    "1 ", "1,", "1.", "1:00 ", "1/1 ", "one ", "one hundred and ", "half ", "£", "3 x ", "7 June ", "the first ",
    "12:00-", "1\\n", "- ", "- a\\n", "  - a\\n- b\\n", "1. a\\n", "1) a 2) b ", "**a\\n", "> ", "(1) ",
    "Step 1: a\\n", "<ul><li>a", "<b ", "\\u2705", "|", "|-", "a|b\\n", "| |\\n|--", "a  b\\n", "+-", "<tr><td>",
    "```\\na,b\\n", "[", "{", "[1,", '{"a":', '{"a": 1}, ', '"a",', ".", ". ", "A. ", "? (", "a.", '"a. ', "(a",
    "[a](b ", "~~a", "\\\\frac{", "$a", "*", "_a", "`", "&amp;", "not ", "a b c ", " ", "\\n", "\\t", "a", "\\u0301",
    "a\\u0327\\u0301", "\\u6f22", "\\u3002", "\\U0001f600", "\\u200b", "a and ", "a: 1, ", "Marit ",
]  # fmt: skip


HARDEST = [
    "1 ",
    "1/1 ",
    "one ",
    "7 June ",
    "1. a\\n",
    "  - a\\n- b\\n",
    "a|b\\n",
    "[1,",
    '{"a":',
    "A. ",
    "? (",
    '"a. ',
    "a: 1, ",
]


def run(size, pieces):
    """What the checks of replies of this length say, in a process that may compute for a minute"""
    command = [sys.executable, "-c", CODE, "60", str(size), *pieces]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr[-2000:]


@pytest.mark.slow
def test_the_hardest_replies_take_bounded_time():
    assert run(8_000, HARDEST) == (0, "done\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(PIECES), 6))
def test_every_check_takes_seconds_at_most_on_thirty_thousand_characters(start):
    """All checks on six replies need some 6 seconds; what reads anything again and again needs hours"""
    assert run(30_000, PIECES[start : start + 6]) == (0, "done\n", "")
