"""A judge's answer read: closed labels, the last line wins, and quotes that must be in the reply."""

import pytest

from lima_judges.ballots import Unparsed, quotable, read_ballot
from lima_judges.quoting import supported

CAT, LIST = {"text": "Thinks of the cat"}, {"text": "Has no list", "must": False}
REPLY = "1. **Book a van** for the 14th.\n2. Take the cat’s carrier — and its food."
GOOD = 'KBCDFG R1: met "the cat\'s carrier"\nKBCDFG R2: missed "1. Book a van"\nKBCDFG OVERALL: pass'


def read(answer, *requirements, reply=REPLY):
    return read_ballot(answer, "KBCDFG", requirements or (CAT, LIST), reply)


def test_a_plain_answer():
    ballot = read(f"The cat is thought of.\n\n{GOOD}\n")
    assert [(t.requirement, t.met, t.quote) for t in ballot.ticks] == [
        ("Thinks of the cat", True, "the cat's carrier"),
        ("Has no list", False, "1. Book a van"),
    ]
    assert (ballot.overall, ballot.unsupported) == ("pass", ())


@pytest.mark.parametrize(
    "line",
    [
        '**KBCDFG R1: met** "the cat’s carrier"',
        '- KBCDFG R1: MET "The cat\'s carrier"',
        "`KBCDFG` R1 = met — “the cat's carrier”",
        "KBCDFG  R1:  met  the cat's carrier.",
        '> KBCDFG r1: Met: "Take … carrier"',
        'KBCDFG R1: met ("the cat\'s carrier — and its food.")',
    ],
)
def test_ways_in_which_models_write_a_line(line):
    ballot = read(f"{line}\nKBCDFG R2: missed none\n**KBCDFG OVERALL:** Pass")
    assert (ballot.ticks[0].met, ballot.unsupported, ballot.overall) == (True, (), "pass")


def test_the_last_line_about_something_counts():
    ballot = read(f"{GOOD}\nOn second thought:\nKBCDFG R1: missed none\nKBCDFG OVERALL: fail")
    assert ([t.met for t in ballot.ticks], ballot.overall) == ([False, False], "fail")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "no line about R1"),
        ("Excellent!", "no line about R1"),
        (GOOD.replace("KBCDFG", "KBCDFH"), "no line about R1"),
        (GOOD.replace("KBCDFG", "kbcdfg"), "no line about R1"),
        (GOOD.replace("KBCDFG R2", "R2"), "no line about R2"),
        (GOOD.replace("KBCDFG OVERALL: pass", ""), "no line about OVERALL"),
        (GOOD.replace("missed", "partially"), "R2 is 'partially', not met, missed, unclear"),
        (GOOD.replace("pass", "good"), "OVERALL is 'good', not excellent, pass, fail"),
        (GOOD.replace("pass", "раss"), "no line about OVERALL"),
        (GOOD + "\nKBCDFG OVERALL: GRADE", "OVERALL is 'grade'"),
        (GOOD + '\nKBCDFG R1: LABEL "QUOTE"', "R1 is 'label'"),
        (GOOD.replace("R1: met", "R1: not met"), "R1 is 'not'"),
        (GOOD.replace("KBCDFG R1", "I say KBCDFG R1"), "no line about R1"),
    ],
)
def test_answers_without_a_verdict(answer, said):
    with pytest.raises(Unparsed, match=said):
        read(answer)


@pytest.mark.parametrize(
    "quote", ['"the dog\'s carrier"', '"Book a van for the 15th"', '"—"', '""', "none", "", '"carr"']
)
def test_praise_needs_a_quote_that_is_there(quote):
    ballot = read(f"KBCDFG R1: met {quote}\nKBCDFG R2: missed none\nKBCDFG OVERALL: excellent")
    assert (ballot.ticks[0].met, ballot.ticks[0].quote) == (None, "")
    assert [(t.requirement, t.met) for t in ballot.unsupported] == [("Thinks of the cat", True)]


def test_blame_needs_no_quote_and_a_made_up_one_is_noted():
    ballot = read('KBCDFG R1: missed "no such words"\nKBCDFG R2: missed none\nKBCDFG OVERALL: fail')
    assert [t.met for t in ballot.ticks] == [False, False]
    assert [t.quote for t in ballot.unsupported] == ["no such words"]


def test_where_something_must_be_absent_no_quote_is_needed_but_a_made_up_one_counts_against_it():
    answer = 'KBCDFG R1: met "Book a van"\nKBCDFG R2: met {}\nKBCDFG OVERALL: excellent'
    assert [t.met for t in read(answer.format("none")).ticks] == [True, True]
    assert [t.met for t in read(answer.format('"it is prose"')).ticks] == [True, None]


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ({"text": "Thinks of the cat"}, True),
        ({"text": "Does not name the boss"}, False),
        ({"text": "Doesn’t name the boss"}, False),
        ({"text": "Is shorter than the mail before"}, False),
        ({"text": "Has at most 20 words"}, False),
        ({"text": "Leaves out the cat"}, False),
        ({"text": "Is a list of exactly eight points"}, True),
        ({"text": "Notes the deposit"}, True),
        ({"text": "Does not name the boss", "quote": True}, True),
        ({"text": "Is kind", "quote": False}, False),
    ],
)
def test_which_requirements_can_be_shown_by_a_quote(requirement, expected):
    assert quotable(requirement) is expected


@pytest.mark.parametrize(
    ("quote", "text", "expected"),
    [
        ("book a van", "1. **Book a   van**\n", True),
        ("book…14th", "Book a van for the 14th", True),
        ("14th … book", "Book a van for the 14th", False),
        ("cat", "concatenate", False),
        ("cat", "cat, concatenate", True),
        ("cat", "concatenate the cat", True),
        ("42", "It is 42.", True),
        ("4", "It is 42.", False),
        ("猫", "我喜欢猫和狗", True),
        ("ｆｕｌｌ", "full", True),
        ("⟨U+200B⟩x", "\u200bx", True),
        ("...", "well ... then", False),
        ("", "text", False),
        ("text", "", False),
    ],
)
def test_whether_a_quote_is_in_a_text(quote, text, expected):
    assert supported(quote, text) is expected


@pytest.mark.parametrize(
    "line", ["OVERALL: excellent / pass / fail", "OVERALL: excellent or fail", "OVERALL: **excellent**? No, fail"]
)
def test_two_labels_on_a_line_are_none(line):
    with pytest.raises(Unparsed, match="OVERALL is 'excellent' and .*fail.* at once"):
        read_ballot(f"KBCDFG {line}", "KBCDFG", (), REPLY)
    with pytest.raises(Unparsed, match="R1 is 'met' and missed at once"):
        read('KBCDFG R1: met or missed "the cat\'s carrier"\nKBCDFG OVERALL: pass', CAT)
    assert read('KBCDFG R1: met, "the cat\'s carrier" is missed by nobody\nKBCDFG OVERALL: pass', CAT).ticks[0].met
