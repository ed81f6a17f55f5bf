"""The sums in the dialogues, recomputed from the texts: money, distances, debts, moisture, equations, averages."""

import math
import re

import pytest
from dialogue_texts import answer, asked, blocks, numbers, tables, turns

from lima_dialogue_eval.checks import missed


def test_no_answer_works_out_a_sum_wrongly():
    answers = [(number, text) for number in range(1, 31) for role, text in turns(number) if role == "assistant"]
    assert [(number, text[:60]) for number, text in answers if missed({"sums": True}, text, ())] == []


def test_the_tournament_of_the_school_library():
    (table,) = tables(answer(3, 3))
    cost = income = 0
    for what, how, spent, earned in table[1:-1]:
        cost, income = cost + sum(numbers(spent)), income + sum(numbers(earned))
        if found := re.search(r"([\d,]+) (?:visitors )?× ([\d,]+)", how):
            assert numbers(found.group(1))[0] * numbers(found.group(2))[0] == sum(numbers(spent) + numbers(earned)), (
                what
            )
    assert [cost, income] == [numbers(cell)[0] for cell in table[-1][2:]]
    assert f"leaves {income - cost:,.0f}" in answer(3, 3)
    text = answer(3, 4)
    earned, spent = 2 * 120 * 100 + 4 * 5_000 + 2 * 10_000, 1_500 + 8_000 + 3_000 + 3_000 + 2_500 + 120 * 40
    left = earned - spent
    of_the_sponsors = 4 * 5_000 + 2 * 10_000
    assert f"Of the {earned:,}, {of_the_sponsors:,} comes from" in text
    assert f"bring {120 * 100:,} each, and the ingredients fall to {120 * 40:,}" in text
    for figure in (earned, spent, left, 250_000 - left, 2 * 120 * 100 + 2 * 5_000 + 10_000 - spent, 70 * 1_500):
        assert f"{figure:,}" in text
    assert f"leaves {250_000 - left - 10 * 10_000 - 70 * 1_500:,}" in text
    assert left / 250_000 == pytest.approx(1 / 6, abs=0.005)


def test_the_runners_weeks_and_miles():
    plan = tables(answer(22, 2))[0]
    for week, *days, total in plan[1:]:
        assert sum(numbers(day)[0] for day in days) == pytest.approx(numbers(total)[0]), week
    pairs = [pair for cell in sum(plan[1:], []) for pair in re.findall(r"([\d.]+) \(([\d.]+)\)", cell)]
    for nth in (2, 3):
        pairs += re.findall(r"([\d.]+) km \(([\d.]+) miles\)", answer(22, nth))
    assert len(pairs) >= 40
    for km, miles in pairs:
        assert round(float(km) * 0.621371, 1) == float(miles), km
    longest = [numbers(row[3].replace("race, ", ""))[0] for row in plan[1:-1] if "light" not in row[0]]
    assert longest[:-1] == sorted(longest[:-1])


def debts(card, loan, first, nominal=False, pay=2500):
    """(months, interest, months until each is gone, rows of the table) where one debt gets what is left of the payment"""
    rates = {"card": 0.2075, "loan": 0.135}
    monthly = {name: rate / 12 if nominal else (1 + rate) ** (1 / 12) - 1 for name, rate in rates.items()}
    owed, least, gone, rows = {"card": card, "loan": loan}, {"card": 800, "loan": 700}, {}, []
    while any(owed.values()):
        interest = {name: round(owed[name] * monthly[name], 2) for name in owed}
        owed = {name: owed[name] + interest[name] for name in owed}
        paid = {name: min(least[name], owed[name]) for name in owed}
        for name in sorted(owed, key=lambda name: name != first):
            paid[name] += min(pay - sum(paid.values()), owed[name] - paid[name])
        owed = {name: round(owed[name] - paid[name], 2) for name in owed}
        rows.append((len(rows) + 1, paid["card"], paid["loan"], sum(interest.values()), owed["card"], owed["loan"]))
        gone |= {name: len(rows) for name in owed if not owed[name] and name not in gone}
    return len(rows), sum(row[3] for row in rows), gone, rows


def test_the_two_debts_before_and_after_the_typo():
    first, second = answer(23, 1), answer(23, 2)
    plans = [debts(18_600, 9_600, name) for name in ("card", "loan")]
    table = tables(first)[0]
    assert [numbers(cell)[0] for cell in table[1][1:]] == [plan[0] for plan in plans] == [13, 13]
    assert [numbers(cell)[0] for cell in table[2][1:]] == [round(plan[1]) for plan in plans]
    assert table[3][1:] == [
        f"{name}, month {plan[2][name]}" for name, plan in zip(("card", "loan"), plans, strict=True)
    ]
    assert f"R{round(plans[1][1] - plans[0][1])}" in first
    nominal = [round(debts(18_600, 9_600, name, nominal=True)[1]) for name in ("card", "loan")]
    assert " and ".join(f"R{n:,}".replace(",", " ") for n in nominal) in first
    assert "1.2075^(1/12) − 1 = 1.584 %" in first
    assert round((1.2075 ** (1 / 12) - 1) * 100, 3) == 1.584
    for name in ("card", "loan"):
        months, interest, gone, _ = debts(16_800, 9_600, name)
        interest = f"R{round(interest):,}".replace(",", " ")
        assert f"{months} months, {interest} interest. The {name} is gone in month {gone[name]}" in second


def test_the_table_on_the_fridge_and_the_banks_offer():
    table = tables(answer(23, 3))[0]
    wanted = debts(16_800, 9_600, "card")[3]
    for row, found in zip(table[1:], wanted, strict=True):
        assert [numbers(cell)[0] for cell in row] == [math.floor(value + 0.5) for value in found], row
    offer = {row[0]: [numbers(cell) for cell in row[1:]] for row in tables(answer(23, 4))[0][1:]}
    start, rate = 26_400 + 1_207.5, 1.17 ** (1 / 12) - 1
    instalment = start * rate / (1 - (1 + rate) ** -36) + 69
    assert round(instalment) == numbers(re.search(r"36 months, (R1 \d+)", asked(23, 4)).group(1).replace("R", ""))[0]
    months, interest, owed = 0, 0.0, start
    while owed > 0:
        interest, months = interest + owed * rate, months + 1
        owed = owed * (1 + rate) - min(2500 - 69, owed * (1 + rate))
    assert f"R26 400 + R1 207.50 = R{start:,.2f}".replace(",", " ") in answer(23, 4)
    slow = 36 * (instalment - 69) - start
    assert offer["Months"] == [[12], [36], [months]]
    assert offer["Fees"][1:] == [[1_207.5 + 36 * 69], [1_207.5 + months * 69]]
    assert [cells[0] for cells in offer["Interest"][1:]] == pytest.approx([slow, interest], abs=6)
    for column in (1, 2):
        assert offer["Cost"][column][0] == pytest.approx(offer["Interest"][column][0] + offer["Fees"][column][0], abs=1)


def saturation(celsius):
    """Saturation vapour pressure of water in hPa, by the Magnus formula (17.62, 243.12 °C, 6.112 hPa)"""
    return 6.112 * math.exp(17.62 * celsius / (243.12 + celsius))


def water(celsius, humidity):
    """Grams in a cubic metre of air at a relative humidity in percent"""
    return 216.7 * saturation(celsius) * humidity / 100 / (273.15 + celsius)


def test_the_mould_by_the_magnus_formula():
    first, second, third = (answer(26, nth) for nth in (1, 2, 3))
    assert saturation(13.0) == pytest.approx(0.68 * saturation(19), rel=0.005)
    for room, corner in tables(first)[0][1:]:
        assert round(numbers(room)[0] * saturation(19) / saturation(13)) == pytest.approx(numbers(corner)[0], abs=1), (
            room
        )
    steps = [f"{saturation(5):.2f} hPa", f"{saturation(5) * 0.9:.2f} hPa", f"{saturation(19):.2f} hPa"]
    inside = 90 * saturation(5) / saturation(19)
    steps += [f"{inside:.0f} %", f"{water(5, 90):.1f} g", f"{water(19, 100):.1f} g", f"{water(19, inside):.1f} g"]
    steps += [f"{water(5, 90) / water(19, 100):.0%}".replace("%", " %"), f"{water(19, 68):.0f} g in each"]
    steps += [f"{292.15 / 278.15 - 1:.0%}".replace("%", " %"), f"{30 * 1.2 * 1.005 * 14 / 3600:.2f} kWh"]
    assert [step for step in steps if step not in second] == []
    some = numbers(re.search(r"some (\d+) g", second).group(1))[0]
    assert 30 * (water(19, 68) - water(19, inside)) == pytest.approx(some, rel=0.03)
    assert f"{0.9 * saturation(5):.2f} / {saturation(19):.2f} = {inside:.0f} %" in second
    assert "At 200 W, eight hours use 1.6 kWh" in third


def equation(text, x):
    """(left, right) of an equation in one unknown, as the dialogue writes it"""
    code = text.replace("−", "-").replace("²", "**2")
    code = re.sub(r"√\(([^)]*)\)|√(\d+)", lambda m: f"sqrt({m.group(1) or m.group(2)})", code)
    code = re.sub(r"(?<=[\dx)])(?=[x(])(?<!sqrt)", "*", code).replace("sqrt*", "sqrt")
    return tuple(eval(side, {"x": x, "sqrt": math.sqrt}) for side in code.split("=")[:2])


def holds(text, x):
    left, right = equation(text, x)
    return math.isclose(left, right, abs_tol=1e-9)


def test_the_root_equation_and_the_one_to_practise():
    title = re.search(r"Solve (√[^.]*)\.", asked(9, 1)).group(1)
    lines = [re.split(r" {3,}", line.strip())[0] for line in blocks(answer(9, 5))[0].splitlines()]
    assert [x for x in range(-5, 30) if holds(title, x)] == [9]
    assert lines[0] == title
    for text in lines[1:5]:
        assert [x for x in range(-7, 30) if holds(text, x)] == [2, 9], text
    wrong = asked(9, 2).splitlines()[2]
    roots = [(1 + sign * math.sqrt(129)) / 2 for sign in (1, -1)]
    assert [holds(wrong, x) for x in roots] == [True, True]
    assert [holds("(x − 5)² = x² − 25", x) for x in (1, 5)] == [False, True]
    assert equation("(x − 5)² = x² − 25", 1) == tuple(numbers(asked(9, 3))[:2])
    sums = [m for nth in range(1, 6) for m in re.findall(r"[x√²()\d +−/]+ = −?\d+\b(?! is false)", answer(9, nth))]
    assert [text for text in sums if "x" not in text and not holds(text.strip(), 0)] == []
    practice = re.search(r"\*\*For practice:\*\* (.*)", answer(9, 5)).group(1)
    squared = "2x + 1 = (x − 1)²"
    candidates = [x for x in range(9) if holds(squared, x)]
    assert (sum(candidates), [x for x in candidates if holds(practice, x)]) == (4, [4])


def test_the_cafes_stars_and_the_words_on_its_card():
    text = answer(30, 2)
    worse, better = (80 * 4.7 + 4) / 84, (80 * 4.7 + 2) / 82
    grown = (80 * 4.7 + 2 + 30 * 4.7) / 112
    assert [f"{value:.2f}" in text for value in (worse, better, grown)] == [True] * 3
    assert len(answer(30, 4).split()) <= 12
