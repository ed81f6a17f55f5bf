"""What a person reads in a terminal: whole figures at every width, and hostile text made harmless."""

import io

import pytest
from rich.console import Console

from lima.contract.answers import Reply, Sampling
from lima_dialogue_eval import compare, print_comparison, run_evaluation
from lima_dialogue_eval.record.log import conversations, find_run, replies
from lima_dialogue_eval.report.terminal import print_dialogues


@pytest.fixture
def printed(store, by_hand):
    def lines(width, label="before"):
        ten = [f"{n:02d}" for n in range(10)]
        before = by_hand({c: {0: "EPFF"} for c in ten}, arm=label)
        console = Console(file=io.StringIO(), width=width)
        after = by_hand({c: {0: "EEEP"} for c in ten}, arm="after")
        print_comparison(compare(store, before, after), console, beside_paper=True)
        return [line.rstrip() for line in console.file.getvalue().splitlines()]

    return lines


def test_the_table_at_eighty_columns(printed):
    lines = printed(80)
    assert max(map(len, lines)) <= 80
    assert lines[:4] == [
        "before: 40 replies; undecided 0, cut 0; conversations with context full 0;",
        "errors 0",
        "after: 40 replies; undecided 0, cut 0; conversations with context full 0; errors",
        "0",
    ]
    assert [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[5:16]] == [
        ["before", "after", "paper: 1,000", "paper: + 30"],
        ["─" * (len(lines[6]) - 1)],
        ["Excellent", "25.0 % = 10/40", "75.0 % = 30/40", "45.2 % = 19/42", "76.1 % = 35/46"],
        ["14.2–40.2 %", "59.8–85.8 %", "31.2–60.1 %", "62.1–86.1 %"],
        ["Pass", "25.0 % = 10/40", "25.0 % = 10/40", "19.0 % = 8/42", "21.7 % = 10/46"],
        ["14.2–40.2 %", "14.2–40.2 %", "10.0–33.3 %", "12.3–35.6 %"],
        ["Fail", "50.0 % = 20/40", "0.0 % = 0/40", "35.7 % = 15/42", "2.2 % = 1/46"],
        ["35.2–64.8 %", "0.0–8.8 %", "23.0–50.8 %", "0.4–11.3 %"],
        ["Undecided", "0.0 % = 0/40", "0.0 % = 0/40", "none", "none"],
        ["0.0–8.8 %", "0.0–8.8 %"],
        ["Failed within", "10 of 10", "0 of 10", "6 of 10", "not given"],
    ]


@pytest.mark.parametrize("width", [44, 60, 80, 120])
def test_no_figure_is_cut_at_any_width(printed, width):
    text = "\n".join(printed(width))
    for figure in (
        "25.0 % = 10/40",
        "75.0 % = 30/40",
        "45.2 % = 19/42",
        "76.1 % = 35/46",
        "62.1–86.1 %",
        "100.0 → 0.0 %",
    ):
        assert figure in text
    assert "…" not in text
    words = " ".join(text.split())
    assert "better in 10, tied in 0, worse in 0 of 10 (exact sign test p = .00195)" in words
    assert "Wilson, turns treated as independent" in words


def test_hostile_text_neither_reaches_the_terminal_nor_is_taken_as_markup(store, Model, printed):
    class Hostile(Model):
        def reply(self, prompts, settings, seed, on_progress=None):
            return [Reply("\x1b]0;owned\x07 [red]not markup[/red] \u202eback", [], "eot", 0.0, []) for _ in prompts]

    id = run_evaluation(store, "small", Hostile(), arm="a", seeds=[0], sampling=Sampling())
    console = Console(file=io.StringIO(), width=120)
    print_dialogues(find_run(store, id), conversations(store, id), replies(store, id, "requirements"), console)
    text = console.file.getvalue()
    assert text.count("⟨U+001B⟩]0;owned⟨U+0007⟩ [red]not markup[/red] ⟨U+202E⟩back") == 5
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    label = "\n".join(printed(120, label="[b]x\x1b[2J"))
    assert "[b]x⟨U+001B⟩[2J" in label
