"""What the study says about known numbers: dialogues, controls, turns and draws; agreement, disagreement and missing grades."""

import re
from dataclasses import replace

import pytest

from lima_studies import Ledger
from lima_village_study.findings import findings


def test_findings_follow_from_the_numbers(told):
    work, store, found = told
    assert list(found) == ["dialogues", "controls", "turns", "draws", "in-context"]
    by_replies, by_conversations = found["dialogues"].tables
    run = f"(select dialogue_run from study_jobs where study = '{work.id}' and arm = 'before')"
    share = f"100.0 * avg(turn = 1) as share from dialogue_replies where dialogue_run = {run}"
    (whole,) = store.rows(f"select {share}")
    (row,) = store.rows(f"select avg(share) as share from (select {share} group by conversation)")
    assert by_replies.rows[0][1] == f"{whole['share']:.1f}\u00a0%"
    assert by_replies.rows[1][1:3] == ("100.0\u00a0%", "0.0\u00a0%")
    assert by_replies.rows[2][1:] == ("45.2\u00a0%", "19.0\u00a0%", "35.7\u00a0%", "42")
    assert by_conversations.rows[0][1].startswith(f"{row['share']:.1f}\u00a0% [")
    assert by_conversations.rows[0][2] == "100.0\u00a0% [98.0,\u00a0100.0]"
    assert found["dialogues"].sentence.endswith("This agrees with the paper.")
    assert "neither control shows the gain" in found["controls"].sentence
    assert found["controls"].agrees is True
    assert "The first answers change by 0.0 points of excellent (all 150 alike)" in found["turns"].sentence
    assert "no kind is below 80 % excellent" in found["turns"].sentence
    assert found["draws"].tables[0].rows[0] == ("the mean grade rises", "100.0 %")
    assert found["in-context"].sentence.endswith("This decides neither way.")


@pytest.mark.slow
def test_findings_also_disagree(told):
    work, store, _ = told
    replace(work, id="turned").begun(store)
    turned = Ledger(store, "turned")
    swap = {"before": "after", "after": "before", "more-singles": "after", "unrelated": "before"}
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    for arm, other in swap.items():
        turned.note(arm, 0, "village-validation", 0, None, runs[other])
    found = {f.key: f for f in findings(store, replace(work, id="turned"))}
    assert {key: found[key].agrees for key in ("dialogues", "controls", "draws")} == {
        "dialogues": False,
        "controls": False,
        "draws": False,
    }
    assert found["dialogues"].sentence.endswith("This does not agree with the paper.")


@pytest.mark.slow
def test_arms_with_fewer_seeds_are_told_apart(told):
    work, store, _ = told
    replace(work, id="seeds").begun(store)
    ledger = Ledger(store, "seeds")
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    for arm, other, seeds in (("before", "before", 3), ("dialogues-3", "after", 2), ("after", "after", 3)):
        for seed in range(seeds):
            ledger.note(arm, seed, "village-validation", 0, None, runs[other])
    (number,) = [f for f in findings(store, replace(work, id="seeds")) if f.key == "number"]
    assert re.search(
        r"n = 150 conversations; [\d,]+ replies, 3 seeds \(0, 30\); [\d,]+ replies, 2 seeds \(3\);", number.method
    )
    assert "There is one draw of the dialogues" in number.method
    assert number.tables[0].head[3:5] == ("against the number before", "fine-tunes redrawn")
    assert number.tables[0].rows[1][4].startswith("[+")
    assert number.agrees is True


@pytest.mark.slow
def test_fine_tunes_that_differ_leave_the_effect_undecided(told):
    """However small the p over conversations, one of two fine-tunes may have learnt nothing"""
    work, store, _ = told
    replace(work, id="differ").begun(store)
    ledger = Ledger(store, "differ")
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    for arm, seed, other in (
        ("before", 0, "before"),
        ("before", 1, "before"),
        ("after", 0, "after"),
        ("after", 1, "before"),
    ):
        ledger.note(arm, seed, "village-validation", 0, None, runs[other])
    (finding,) = [f for f in findings(store, replace(work, id="differ")) if f.key == "dialogues"]
    assert re.search(
        r"and the mean grade by \+\S+ \[\+[^]]+\], fine-tunes redrawn \[0\.00,\s\+[^]]+\] \(sign-flip p < \.0001\)\.",
        finding.sentence,
    )
    assert finding.sentence.endswith("This decides neither way.")
    assert finding.rule == (
        "Agrees if the mean grade rises and fails fall on every set of conversations; disagrees if, on one of them, the mean "
        "grade falls, or rises while fails do not fall. A rise or fall needs a sign-flip p below .05 and a 95 % interval wholly "
        "above or below zero, the one with the fine-tunes redrawn if it exists."
    )


@pytest.mark.slow
def test_a_conversation_with_an_error_in_one_arm_leaves_all(told, knows, models, held):
    from lima.plugins import load_plugins
    from lima_dialogue_eval import compare

    work, store, whole = told
    script = list(load_plugins().registry("evaluations").find("village-validation").conversations())
    openings = [conversation.turns[0].user for conversation in script]
    one = next(conversation for conversation in script if openings.count(conversation.turns[0].user) == 1)
    runs = {row["arm"]: row["dialogue_run"] for row in Ledger(store, work.id).results()}
    first = one.turns[0].user

    class Fails(knows):
        """Fails when it is asked to continue one conversation"""

        def reply(self, prompts, settings, seed, on_progress=None):
            if any(len(prompt) > 1 and prompt[0].content == first for prompt in prompts):
                raise ConnectionError("the line is dead")
            return super().reply(prompts, settings, seed)

    runs["after"] = held(store, "village-validation", Fails(models["after"]), "after")
    replace(work, id="failed").begun(store)
    ledger = Ledger(store, "failed")
    for arm, dialogue_run in runs.items():
        ledger.note(arm, 0, "village-validation", 0, None, dialogue_run)
    found = {f.key: f for f in findings(store, replace(work, id="failed"))}
    comparison = compare(store, runs["before"], runs["after"])
    assert [row["conversation"] for row in comparison.left_out] == [one.id]
    left = "149 held-out conversations (1 left out of every arm: a reply has no grade)"
    assert left in found["dialogues"].sentence
    tallies = (comparison.before, comparison.after)
    assert [row[4] for row in found["dialogues"].tables[0].rows[:2]] == [f"{side.turns:,}" for side in tallies]
    method = f"n = 149 conversations (1 left out of every arm: a reply has no grade); {comparison.after.turns:,} replies, 1 seed"
    for key in ("dialogues", "controls", "turns", "draws", "in-context"):
        assert f"{method} an arm" in found[key].method
        assert "left out" not in whole[key].method + whole[key].sentence
