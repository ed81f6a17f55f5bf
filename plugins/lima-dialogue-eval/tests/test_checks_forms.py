"""Properties of the checks that hold for any values: pairs in any form and order, numbers, times and dates in any writing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima_dialogue_eval.checks import missed

WOODS = "amber birch cedar delta ember fjord grove heath islet jetty knoll ledge marsh notch oasis plaza"
WORDS = st.lists(st.sampled_from(WOODS.split()), min_size=6, max_size=6, unique=True)
FORMS = {
    "prose": lambda pairs: " ".join(f"The {a} is the one with {b}." for a, b in pairs),
    "clauses": lambda pairs: ", ".join(f"{a} has {b}" for a, b in pairs) + ".",
    "value first": lambda pairs: ", ".join(f"{b} ({a})" for a, b in pairs) + ".",
    "list": lambda pairs: "\n".join(f"{n}. **{a}**: {b}" for n, (a, b) in enumerate(pairs, 1)),
    "nested list": lambda pairs: "\n".join(f"- {a}\n  - {b}" for a, b in pairs),
    "table": lambda pairs: "| x | y |\n|---|---|\n" + "\n".join(f"| {a} | {b} |" for a, b in pairs),
    "HTML table": lambda pairs: "<table>" + "".join(f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in pairs) + "</table>",
    "lying table": lambda pairs: "\n".join([" | ".join(a for a, _ in pairs), "---|---|---", " | ".join(b for _, b in pairs)]),
    "columns": lambda pairs: "\n".join(f"{a}\t{b}" for a, b in pairs),
    "JSON": lambda pairs: json.dumps(dict(pairs)),
    "JSON list": lambda pairs: json.dumps([{"thing": a, "value": b} for a, b in pairs]),
    "questions": lambda pairs: "\n\n".join(f"Q: And the {a}?\nA: {b}" for a, b in pairs),
    "respectively": lambda pairs: (
        f"{pairs[0][0]}, {pairs[1][0]} and {pairs[2][0]} have {pairs[0][1]}, {pairs[1][1]} and {pairs[2][1]}, respectively."
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(words=WORDS, order=st.permutations([0, 1, 2]))
def test_pairs_in_any_order_hold_and_two_swapped_values_are_missed(form, words, order):
    labels, values = words[:3], words[3:]
    check = {"pairs": dict(zip(labels, values, strict=True))}
    right = [(labels[i], values[i]) for i in order]
    (a, x), (b, y), rest = right
    assert missed(check, FORMS[form](right)) == []
    assert missed(check, FORMS[form]([(a, y), (b, x), rest])) != []


@pytest.mark.parametrize("form", ["list", "table", "columns", "JSON", "JSON list", "value first"])
@settings(max_examples=40, deadline=None)
@given(words=WORDS, numbers=st.lists(st.integers(3, 99), min_size=3, max_size=3, unique=True))
def test_numbers_beside_labels(form, words, numbers):
    labels = words[:3]
    check = {"pairs": dict(zip(labels, numbers, strict=True))}
    right = list(zip(labels, map(str, numbers), strict=True))
    (a, x), (b, y), rest = right
    assert missed(check, FORMS[form](right)) == []
    assert missed(check, FORMS[form]([(a, y), (b, x), rest])) != []


ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def in_words(n):
    """A whole number below a million, in English"""
    ones = ONES.split()
    tens = ["", "", *TENS.split()]
    if n < 20:
        return ones[n]
    if n < 100:
        return tens[n // 10] + (f"-{ones[n % 10]}" if n % 10 else "")
    if n < 1000:
        return f"{ones[n // 100]} hundred" + (f" and {in_words(n % 100)}" if n % 100 else "")
    rest = "" if n % 1000 == 0 else f" and {in_words(n % 1000)}" if n % 1000 < 100 else f" {in_words(n % 1000)}"
    return f"{in_words(n // 1000)} thousand{rest}"


@settings(max_examples=200, deadline=None)
@given(n=st.integers(0, 999_999), other=st.integers(0, 999_999))
def test_a_whole_number_in_any_writing(n, other):
    for written in (
        str(n),
        f"{n:,}",
        f"{n:,}".replace(",", " "),
        f"{n:,}".replace(",", "'"),
        in_words(n),
        f"**{n}**",
        f"{n}.00",
    ):
        assert missed({"says": n}, f"It takes {written} steps.") == []
        assert missed({"says": f"£{n}"}, f"It costs {written} pounds.") == []
        assert missed({"says": f"£{n}"}, f"It weighs {written} kg.") != []
        assert (missed({"says": other}, f"It takes {in_words(n)} steps.") == []) is (n == other)
        if n > 2:
            assert missed({"says_none": [n]}, f"It costs {written} pounds.") != [] or " " in written


@settings(max_examples=200, deadline=None)
@given(hour=st.integers(0, 23), minute=st.integers(0, 59), late=st.integers(1, 11))
def test_a_time_in_any_writing(hour, minute, late):
    twelve, half = (hour - 1) % 12 + 1, "pm" if hour >= 12 else "am"
    forms = [f"{hour:02}:{minute:02}", f"{hour}:{minute:02}", f"{hour:02}h{minute:02}", f"{hour:02}{minute:02} hrs"]
    forms += [f"{twelve}:{minute:02} {half}", f"{twelve}.{minute:02}{half[0]}.m."] + [f"{twelve} {half}"] * (
        minute == 0
    )
    wanted, other = f"{hour:02}:{minute:02}", f"{(hour + late) % 24:02}:{minute:02}"
    for form in forms:
        assert missed({"says": wanted}, f"We begin at {form}, sharp.") == []
        assert missed({"says": other}, f"We begin at {form}, sharp.") != []
        assert missed({"says": wanted}, f"We begin not at {form}, but later.") != []


MONTHS = "January February March April May June July August September October November December"


@settings(max_examples=100, deadline=None)
@given(day=st.integers(1, 28), month=st.integers(1, 12), later=st.integers(1, 6))
def test_a_date_in_any_writing(day, month, later):
    name = MONTHS.split()[month - 1]
    nth = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(day, "th")
    forms = [
        f"{day} {name}",
        f"{name} {day}",
        f"{day}{nth} of {name}",
        f"{name} {day}{nth}, 2026",
        f"{day} {name[:3]}. 2026",
    ]
    forms += [f"2026-{month:02}-{day:02}", f"{day}/{month}/2026", f"{month}/{day}", f"{day:02}.{month:02}.2026"]
    for form in forms:
        assert missed({"says": f"{day} {name}"}, f"Come on {form}, please.") == []
    for form in forms[:5]:
        assert missed({"says_none": f"{day} {name}"}, f"Come on {form}, please.") != []
        assert missed({"says": f"{day + later} {name}"}, f"Come on {form}, please.") != []
        assert missed({"says_none": f"{day + later} {name}"}, f"Come on {form}, please.") == []


STYLES = ["-", "*", "•", "{}.", "{})", "**{}.**", "({})", "Step {}:", "- [ ]", "> {}.", "{}\ufe0f\u20e3"]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 12),
    style=st.sampled_from(
        ["-", "*", "•", "{}.", "{})", "**{}.**", "({})", "Step {}:", "- [ ]", "> {}.", "{}\ufe0f\u20e3"]
    ),
)
def test_a_list_has_as_many_items_as_it_has(n, style):
    if "\u20e3" in style:
        n = min(n, 9)
    text = "\n".join(f"{style.format(i)} item number {i}" for i in range(1, n + 1))
    assert (
        missed({"list_items": n, "min_list_items": n, "max_list_items": n}, f"Here it is:\n\n{text}\n\nThat is all.")
        == []
    )
    assert missed({"list_items": n + 1}, text) != []
    assert missed({"list_items": n - 1}, f"{text}\n\nThat is all.") != []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300))
def test_no_text_at_all_breaks_a_check(reply):
    from lima_chat import Turn
    from lima_dialogue_eval.checks import CHECKS

    before = [Turn("user", "Go on"), Turn("assistant", reply), Turn("user", reply or "?")]
    for name, check in CHECKS.items():
        why = missed({name: check.example}, reply, before)
        assert all(isinstance(one, str) and one for one in why)
