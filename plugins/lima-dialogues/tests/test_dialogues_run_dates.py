"""Dialogue 24: its dates in two calendars, recomputed by day numbers from the texts."""

import re
from datetime import date

import pytest
from dialogue_texts import answer, asked, numbers, tables

_NAMES = "January February March April May June July August September October November December"
MONTHS = _NAMES.split()
_DATE = re.compile(rf"(\d+) ({'|'.join(MONTHS)}) (\d{{4}})")


def day(text, julian):
    """The number of a day; the same day has the same number in both calendars, and 1 January of the year 1 (Gregorian) is 1"""
    found = _DATE.search(text)
    d, month, year = int(found.group(1)), MONTHS.index(found.group(2)) + 1, int(found.group(3))
    if not julian:
        return date(year, month, d).toordinal()
    a, months = (14 - month) // 12, month + 12 * ((14 - month) // 12) - 3
    y = year + 4800 - a
    return d + (153 * months + 2) // 5 + 365 * y + y // 4 - 32083 - 1721425


def test_the_two_countings_meet_where_they_are_known_to():
    assert day("15 October 1582", julian=False) == day("4 October 1582", julian=True) + 1
    assert day("1 January 2000", julian=False) == day("19 December 1999", julian=True)


@pytest.mark.parametrize("row", tables(answer(24, 2))[0][1:], ids=lambda row: row[0][:12])
def test_each_first_new_day_follows_the_last_old_one_and_as_many_dates_are_left_out(row):
    _, old, new, left_out = row
    assert day(new, julian=False) == day(old, julian=True) + 1
    assert (
        day(new, julian=True) - day(old, julian=True) - 1 == numbers(left_out)[0]
    )  # 1700 had a 29 February by the old


def test_the_days_of_the_week_ran_on():
    assert "Wednesday 2 September was followed by Thursday 14 September" in answer(24, 1)
    numbered = day("2 September 1752", julian=True), day("14 September 1752", julian=False)
    assert [date.fromordinal(n).strftime("%A") for n in numbered] == ["Wednesday", "Thursday"]


def test_a_letter_from_dover():
    assert "on 1 June 1685 could arrive in Calais on 11 June" in answer(24, 2)
    assert day("11 June 1685", julian=False) == day("1 June 1685", julian=True)


def test_how_old_he_was():
    said = answer(24, 5)
    assert "5 February 1731/2" in asked(24, 4)
    baptised, buried = day("5 February 1732", julian=True), day("10 September 1762", julian=False)
    assert f"{buried - baptised:,} days" in said
    assert "5 February 1732 becomes 16 February" in said
    assert day("16 February 1732", julian=False) == baptised
    years, months, days = numbers(re.search(r"(\d+ years, \d+ months and \d+ days) after", said).group(1))
    assert date(1732 + int(years), 2 + int(months), 16).toordinal() + days == buried
