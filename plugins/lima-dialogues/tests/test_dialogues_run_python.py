"""Dialogues 15 and 11: the Python in them is run as it stands, and prints what the text says that it prints."""

import re
import subprocess
import sys
from decimal import Decimal

import pytest
from dialogue_texts import answer, asked, blocks, numbers, tables

SCRIPT = blocks(asked(15, 1), "python")[0]
SIG, TO_AMOUNT, LOOP = (blocks(answer(15, nth), "python")[which] for nth, which in ((1, 1), (2, 0), (2, 1)))
JANUARY = """date,category,amount
2025-01-03,Food,100.05
2025-01-09, food ,45.50
2025-01-01,Rent,"1,250.00"
2025-01-09,rent,
"""
FEBRUARY = 'date,category,amount\n2025-02-01,rent,"1,250.00"\n2025-02-02,food,72.40\n2025-02-20,Books,\n'


def run(code, folder, encoding="utf-8-sig"):
    """What a script prints in a folder with the two months' exports, and its last line of error"""
    (folder / "exports").mkdir(exist_ok=True)
    for name, text in (("2025-01", JANUARY), ("2025-02", FEBRUARY)):
        (folder / "exports" / f"{name}.csv").write_text(text, encoding=encoding)
    (folder / "totals.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "totals.py"], cwd=folder, capture_output=True, text=True, timeout=60, env={"PYTHONUTF8": "1"}
    )
    return done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


def replaced(code, new):
    """The script with the functions and imports of a block in the place of its own"""
    for function in re.findall(r"^def .*?(?=^\S|\Z)", new, re.MULTILINE | re.DOTALL):
        name = re.match(r"def (\w+)", function).group(1)
        old = rf"^def {name}\(.*?(?=^\S|\Z)"
        code = re.sub(old, lambda _, f=function: f.rstrip() + "\n\n", code, flags=re.MULTILINE | re.DOTALL)
    return "\n".join(re.findall(r"^(?:from|import) .*", new, re.MULTILINE)) + "\n" + code


def with_bom_read():
    return SCRIPT.replace('    with open(path, newline="", encoding="utf-8") as f:', f"    {SIG.strip()}")


def with_amounts():
    """After the second answer: both of its blocks"""
    code = replaced(with_bom_read(), TO_AMOUNT)
    return re.sub(
        r"    for row in rows:\n        name =.*?(?=    return totals)", lambda _: LOOP, code, flags=re.DOTALL
    )


def test_the_column_with_a_mark_before_its_name(tmp_path):
    _, error = run(SCRIPT, tmp_path)
    assert error == "KeyError: 'date'"
    shown = blocks(answer(15, 1), "python")[0]
    path = "exports/2025-01.csv"
    out, _ = run(f"import csv\npath = {path!r}\n{shown}", tmp_path)
    assert f"# {out.strip()}" == shown.strip().splitlines()[-1]


def test_the_mark_is_left_out_and_the_next_error_is_the_users(tmp_path):
    wanted = blocks(asked(15, 2))[0].strip().splitlines()[-1]
    assert run(with_bom_read(), tmp_path)[1] == wanted
    assert run(with_bom_read(), tmp_path, encoding="utf-8")[1] == wanted  # "also reads files without it"


def test_amounts_with_commas_empty_ones_and_what_is_none(tmp_path):
    space = {}
    exec(TO_AMOUNT, space)
    amount = space["to_amount"]
    assert (amount("1,250.00"), amount("  "), amount("0.1") + amount("0.2")) == (
        Decimal("1250.00"),
        None,
        Decimal("0.3"),
    )
    assert amount("1.250,00") != 1250
    assert numbers("0.30000000000000004")[0] == 0.1 + 0.2
    with pytest.raises(ValueError, match="not an amount: 'twelve'"):
        amount("twelve")


def test_the_totals_that_grow_are_the_users(tmp_path):
    out, error = run(with_amounts(), tmp_path)
    assert (out, error) == (blocks(asked(15, 3))[0], "")


def test_the_cure_gives_each_month_its_own(tmp_path):
    (block,) = blocks(answer(15, 3), "python")
    out, error = run(replaced(with_amounts(), block), tmp_path)
    before = blocks(asked(15, 3))[0]
    january, february = out.split("2025-02,")
    assert error == ""
    assert january.splitlines()[:4] == before.splitlines()[:4]
    assert january.splitlines()[4:] == ["  no amount: 2025-01-09 rent"]
    assert re.findall(r"(food|rent) +([\d.]+)", february) == re.findall(r"(food|rent) ([\d.]+\d)", answer(15, 3))
    assert "no amount: 2025-02-20 Books" in february


def test_the_paired_test_prints_what_the_answer_shows(tmp_path):
    pytest.importorskip("scipy")
    code, shown = blocks(answer(11, 2))
    out, error = run(code, tmp_path)
    assert (out, error) == (shown, "")


def test_the_figures_of_the_marks_are_recomputed():
    stats = pytest.importorskip("scipy.stats")
    before, after = (numbers(line)[:12] for line in asked(11, 2).splitlines() if re.match("before|after", line))
    separate = stats.ttest_ind(after, before)
    paired = stats.ttest_rel(after, before)
    gains = [a - b for b, a in zip(before, after, strict=True)]
    means = tables(answer(11, 2))[0]
    errors = (stats.sem(before) ** 2 + stats.sem(after) ** 2) ** 0.5, stats.sem(gains)
    rows = [(sum(gains) / 12,) * 2, errors, (separate.statistic, paired.statistic), (separate.pvalue, paired.pvalue)]
    for (what, *cells), wanted in zip(means[1:], rows, strict=True):
        for cell, value in zip(cells, wanted, strict=True):
            assert cell == f"{value:.{len(cell.split('.')[1])}f}", what
    assert f"{stats.pearsonr(before, after).statistic:.2f}" in answer(11, 2)
    improved = [gain for gain in gains if gain > 0]
    assert (len(improved), sum(improved), len(gains) - len(improved)) == (10, 52, 2)
    assert "5.2 each" in answer(11, 3)
    low, high = separate.confidence_interval(0.95)
    assert f"{low:.1f} to {high:.1f}".replace("-", "−") in answer(11, 1)


def power(difference, spread, pupils):
    """Of a two-sided t-test at 5 % between two groups of this many"""
    stats = pytest.importorskip("scipy.stats")
    df, shift = 2 * pupils - 2, difference / spread * (pupils / 2) ** 0.5
    limit = stats.t.ppf(0.975, df)
    return stats.nct.sf(limit, df, shift) + stats.nct.cdf(-limit, df, shift)


def test_how_many_pupils_are_needed():
    (table,) = tables(answer(11, 4))
    spreads = [numbers(cell)[0] for cell in table[0][1:]]
    found = []
    for what, *cells in table[1:]:
        for spread, cell in zip(spreads, cells, strict=True):
            wanted = next(n for n in range(2, 400) if power(numbers(what)[0], spread, n) >= 0.8)
            found.append((what, spread, int(cell), wanted))
    assert [row for row in found if row[2] != row[3]] == []
    assert f"{next(n for n in range(2, 400) if power(4, 9, n) >= 0.8)} pupils a class" in answer(11, 4)
