"""What the study says about quantity, perplexity and formats when the numbers are known: each verdict that is possible."""

import re
import tomllib

import pytest

from lima.record.store import Store
from lima_dialogue_eval import write_gain
from lima_studies import Ledger
from lima_village_study.arms import ARMS, EPOCHS, GAIN, VALIDATION, chosen
from lima_village_study.drawing import draw
from lima_village_study.finding import PROSE
from lima_village_study.findings import as_dict, findings
from lima_village_study.gain import source
from lima_village_study.perplexity import OTHER, TRAINED
from lima_village_study.study import Study

pytestmark = pytest.mark.slow


def test_quantity_is_a_plateau_only_within_the_margin(tmp_path, held):
    arms = chosen(["forms-256", "forms-4096"])
    work = Study.new(tmp_path / "lima.db", arms, sets=VALIDATION)
    with Store(work.database) as store:
        work.begun(store)
        ledger = Ledger(store, work.id)
        knows = {"all": lambda prompt: True, "some": lambda prompt: "List" not in prompt[0].content}
        runs = {name: held(store, "village-prompts-validation", known, name) for name, known in knows.items()}
        said = {}
        for small in ("some", "all"):
            ledger.note("forms-256", 0, "village-prompts-validation", 0, None, runs[small])
            ledger.note("forms-4096", 0, "village-prompts-validation", 0, None, runs["all"])
            (finding,) = findings(store, work)
            said[small] = finding.agrees
    assert said == {"some": False, "all": True}


RISES, FALLS = (1.9, 1.2, 2.4), (2.4, 1.9, 1.2)


@pytest.mark.parametrize(
    ("trained", "other", "agrees"),
    [(RISES, RISES, True), (FALLS, FALLS, False), (FALLS, RISES, None), (RISES, FALLS, None)],
)
def test_perplexity_against_quality_is_judged_in_both_wordings(tmp_path, models, held, trained, other, agrees):
    work = Study.new(tmp_path / "lima.db", chosen(["epochs"]), sets=VALIDATION)
    with Store(work.database) as store:
        work.begun(store)
        ledger = Ledger(store, work.id)
        for epoch, name in enumerate(("before", "before", "after"), 1):
            dialogue_run = held(store, "village-validation", models[name], "epochs")
            ledger.note("epochs", 0, "village-validation", epoch, None, dialogue_run)
            ledger.note("epochs", 0, TRAINED, epoch, value=trained[epoch - 1])
            ledger.note("epochs", 0, OTHER, epoch, value=other[epoch - 1])
        (finding,) = findings(store, work)
    assert finding.agrees is agrees
    for name, values in (("in the wording that is trained", trained), ("in other words", other)):
        said = (
            "lowest after epoch 2, 1.20, and 2.00 times that after epoch 3, 2.40"
            if values is RISES
            else "lowest after the last epoch, 1.200"
        )
        assert f"Right answers {name}: perplexity is {said}" in finding.sentence
    assert "was added after the first had been looked at" in finding.method
    _, first, second, *_ = finding.panels
    assert [len(panel.series) for panel in (first, second)] == [1, 1]
    assert (first.log, second.log) == (True, False)
    figure = draw(finding)
    assert figure.count("perplexity, other words") == 1


@pytest.mark.parametrize(("lists", "cards", "agrees"), [(True, True, True), (False, False, False), (True, False, None)])
def test_six_examples_are_tested_with_the_structure_that_they_do_not_show(tmp_path, held, lists, cards, agrees):
    def form(prompt):
        return prompt[0].content.partition(" ")[0]

    knows = {
        "before": lambda prompt: form(prompt) not in ("List", "Card"),
        "six-lists": lambda prompt: form(prompt) != "Card" or lists,
        "six-cards": lambda prompt: form(prompt) != "List" or cards,
    }
    work = Study.new(tmp_path / "lima.db", chosen(list(knows)), sets=VALIDATION)
    with Store(work.database) as store:
        work.begun(store)
        ledger = Ledger(store, work.id)
        for name, known in knows.items():
            # One request must differ from the others, or there is no interval.
            slips = lambda prompt, known=known: known(prompt) and "Otto" not in prompt[0].content  # noqa: E731
            dialogue_run = held(store, "village-prompts-validation", slips, name)
            ledger.note(name, 0, "village-prompts-validation", 0, None, dialogue_run)
        (finding,) = [one for one in findings(store, work) if one.key == "formats"]
    assert finding.agrees is agrees
    assert [row["excellent"] for row in as_dict(finding)["tables"][0]] == [
        "cards after six lists",
        "lists after six lists",
        "lists after six cards",
        "cards after six cards",
    ]


def test_of_the_paper_s_plateau_only_the_printed_number_is_drawn():
    from lima_village_study.ablations import PAPER_QUANTITY

    (series,) = PAPER_QUANTITY.series
    (point,) = series.points
    assert (point.x, point.y) == (0, 3.83)
    assert "no number is printed" in point.name


def test_every_finding_is_told_and_all_prose_is_used(tmp_path, models, held, later):
    """With the same replies for every arm: no prose may lack a number"""
    work = Study.new(tmp_path / "lima.db", ARMS, sets=VALIDATION)
    with Store(work.database) as store:
        work.begun(store)
        ledger = Ledger(store, work.id)
        names = ("village-validation", "village-prompts-validation")
        runs = {name: held(store, name, models["before"], "any") for name in names}
        for arm in ARMS:
            for role in arm.held:
                for epoch in (1, 2) if role == EPOCHS else (0,):
                    if role != GAIN and (name := getattr(VALIDATION, role)):
                        ledger.note(arm.name, 0, name, epoch, None, runs[name])
            if GAIN in arm.held:
                ledger.note(arm.name, 0, run=arm.name)
                write_gain(store, {"run": arm.name, "source": source(VALIDATION.gain)}, [later("c1"), later("c2")], 1.0)
        for text in (TRAINED, OTHER):
            for epoch in (1, 2):
                ledger.note("epochs", 0, text, epoch, value=float(epoch))
        told = findings(store, work)
    prose = tomllib.loads(PROSE.read_text(encoding="utf-8"))
    assert {finding.key for finding in told} == prose.keys() - {"common"}
    for finding in told:
        assert finding.alt
        for text in (finding.title, finding.claim, finding.sentence, finding.method, finding.rule):
            assert not re.search(r"[{}\n]|  |None", text), text
            assert not text or text[0].isupper() or text[0].isdigit()
