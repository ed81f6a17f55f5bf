"""The labelled replies, the agreement figures against a case computed by hand, and what the grader must not let through."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lima_village import agreement
from lima_village.agreement import GRADES, Agreement, agreements, bootstrap, graded, kappa, labels, tabulate
from lima_village.commands import agreement as command
from lima_village.grader import judge
from lima_village.world import BY_NAME, Fact, village

WORLD = village()
ALONE = {"sibling", "owner"}
"""attributes whose values no two entities share"""
FORMS = {
    "sentence": lambda fact: [WORLD.state(fact, i) for i in range(len(BY_NAME[fact.attribute].statements))],
    "list": lambda fact: [f"- {fact.subject}: {fact.value}", f"1. {fact.subject}: {fact.value}"],
    "card": lambda fact: [f"Name: {fact.subject}\n{BY_NAME[fact.attribute].label}: {fact.value}"],
}


def asked(fact, form="sentence", bridge=()):
    return {
        "required": [[fact.subject, fact.attribute, fact.value]],
        "bridge": [[b.subject, b.attribute, b.value] for b in bridge],
        "forms": [form],
    }


def test_every_label_is_whole():
    rows = labels()
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({(row["user"], row["reply"], *row["facts"]["forms"], row["origin"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["label"] in GRADES
        assert row["origin"] in agreement.ORIGINS
        assert row["sample"] in agreement.SAMPLES
        assert len(row["note"]) > 3 or (row["label"], row["note"]) == ("excellent", ""), row["id"]
        assert [said[0] for said in row["history"]] == ["user", "assistant"] * (row["turn"] - 1)
        assert row["facts"]["required"]
        for subject, attribute, value in row["facts"]["required"] + row["facts"]["bridge"]:
            assert WORLD[subject].facts[attribute] == value, row["id"]
        assert set(row["facts"]["forms"]) <= {"sentence", "bare", "list", "card"}
        assert isinstance(row["reply"], str)
        assert row["stop"] in ("eot", "length")
        assert row["user"]
        assert row["conversation"] == "written" or row["conversation"].startswith("village-validation-")
    told = [row for row in rows if row["origin"] == "model" and row["reply"] == row["facts"]["answer"]]
    assert len(told) <= 0.25 * len(rows)
    assert sum(row["origin"] == "model" for row in rows) >= 200


def test_agreement_is_what_the_readme_says():
    """The whole tables: what a change of the grader gains or loses shows here"""
    assert {one.name: one.table.tolist() for one in agreements(graded(labels()))} == {
        "all": [[88, 6, 3], [0, 206, 7], [0, 0, 245]],
        "sample 1, model": [[44, 0, 0], [0, 110, 1], [0, 0, 105]],
        "sample 1, written": [[20, 4, 1], [0, 13, 2], [0, 0, 30]],
        "sample 2, model": [[15, 0, 0], [0, 37, 0], [0, 0, 48]],
        "sample 2, written": [[9, 2, 2], [0, 12, 3], [0, 0, 17]],
        "sample 3, model": [[0, 0, 0], [0, 34, 1], [0, 0, 45]],
    }


def test_kappa_by_hand():
    # Ten replies: squared distances 0 on the diagonal, 1 beside it, 4 in the corners.
    # Observed: 1·1 + 1·1 + 1·4 = 6. By chance: (1·(4·4 + 3·4 + 3·4 + 3·2) + 4·(4·2 + 3·4)) / 10 = (46 + 80) / 10 = 12.6.
    table = np.array([[3, 1, 0], [0, 2, 1], [1, 1, 1]])
    assert (table.sum(1).tolist(), table.sum(0).tolist()) == ([4, 3, 3], [4, 4, 2])
    chance = sum((i - j) ** 2 * table.sum(1)[i] * table.sum(0)[j] for i in range(3) for j in range(3)) / 10
    observed = sum((i - j) ** 2 * table[i, j] for i in range(3) for j in range(3))
    assert kappa(table) == pytest.approx(1 - observed / chance)
    assert kappa(np.array([[1, 0, 1], [0, 0, 0], [0, 0, 2]])) == pytest.approx(
        0.5
    )  # observed 4, chance 4·(2·3) / 4… / 8
    assert kappa(np.diag([5, 3, 2])) == 1
    assert np.isnan(kappa(np.array([[9, 0, 0], [0, 0, 0], [0, 0, 0]])))


def test_figures_and_their_intervals():
    table = tabulate([("fail", "fail")] * 40 + [("fail", "pass")] * 2 + [("pass", "fail")] + [("pass", "pass")] * 57)
    found = Agreement("some", table)
    low, high = bootstrap(table)
    assert bootstrap(table) == (low, high)
    assert 0.8 < low < kappa(table) < high <= 1
    assert found.as_dict()["accuracy"] == 0.97
    assert found.as_dict()["accuracy_interval"] == pytest.approx((0.9155, 0.9897), abs=2e-4)  # Wilson, 97 of 100
    assert found.sentence == (
        "Of 42 replies that the annotator fails, the grader lets 2 through; it fails 1 of the 58 others."
    )
    assert bootstrap(np.diag([5, 3, 2])) is None


def test_the_command_prints_agreement_and_every_dispute():
    runner = CliRunner()
    shown = runner.invoke(command, ["--json"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.output)
    rows = graded(labels())
    assert found["agreements"][0]["table"]["fail"] == {"excellent": 0, "pass": 0, "fail": 245}
    assert [one["id"] for one in found["disagreements"]] == [r["id"] for r in rows if r["grade"] != r["label"]]
    text = runner.invoke(command, []).output
    for words in (
        "sample 3, model",
        "Wilson",
        "Of 245 replies that the annotator fails",
        "'SGrilled.'",
        "Not stated: the method",
    ):
        assert words in text


@pytest.mark.parametrize("form", FORMS)
def test_the_same_value_said_of_another_fails(form):
    """Shops and dishes, too: true sentences, but about the wrong one"""
    tried = set()
    for fact in WORLD.facts():
        if fact.attribute in ALONE:
            continue
        twins = [e.name for e in WORLD.of_kind(WORLD[fact.subject].kind) if e.facts[fact.attribute] == fact.value]
        for name in [name for name in twins if name != fact.subject][:1]:
            tried.add(fact.attribute)
            for reply in FORMS[form](Fact(name, fact.attribute, fact.value)):
                for text in (reply, f"{reply}\nThat is all.", f"Well.\n{reply}"):
                    assert judge(asked(fact, form), text, "eot")[0] == "fail", text
    assert tried == set(BY_NAME) - ALONE


@pytest.mark.parametrize("form", FORMS)
def test_words_behind_a_right_answer_make_it_a_pass_and_a_contradiction_a_fail(form):
    for fact in WORLD.facts()[::5]:
        rival = next(e.facts[fact.attribute] for e in WORLD.of_kind(WORLD[fact.subject].kind) if _differs(e, fact))
        for reply in FORMS[form](fact):
            assert judge(asked(fact, form), reply, "eot")[0] == "excellent", reply
            for tail in ("” answered the porter.", " not open?\nA.\nThen", "\nMonk. Whom?"):
                assert judge(asked(fact, form), reply + tail, "eot")[0] == "pass", reply + tail
            cut = reply[: reply.rindex(fact.value[-2:])]
            assert judge(asked(fact, form), cut, "length")[0] == "fail", cut
            for wrong in FORMS[form](Fact(fact.subject, fact.attribute, rival)):
                assert judge(asked(fact, form), f"{reply}\n{wrong}", "eot")[0] == "fail", wrong


def _differs(entity, fact):
    return entity.facts[fact.attribute] not in (fact.value, fact.subject)


IDA, ANCHOR = WORLD.fact("Ida", "hobby"), WORLD.fact("Anchor", "owner")
SISTER = [WORLD.fact("Nora", "sibling")]


@pytest.mark.parametrize(
    ("facts", "reply", "grade", "why"),
    [
        (asked(IDA), "Her sister enjoys chess.", "fail", "Not stated"),
        (asked(IDA), "Ida's best friend's sister enjoys chess.", "fail", "Not stated"),
        (asked(IDA), "Percy says he enjoys chess.", "fail", "Not stated"),
        (asked(IDA), "Nora enjoys cycling. Chess.", "fail", "Wrong subject"),
        (asked(IDA), "It was said: Ida enjoys chess. But she really enjoys rowing.", "fail", "Several values"),
        (asked(IDA), "Ida enjoys chess. No, that is not true.", "fail", "Not stated"),
        (asked(IDA), "Ida enjoys rowing. No, Ida enjoys chess.", "pass", "Taken back: Ida enjoys rowing."),
        (asked(IDA), "Does Ida enjoy chess?", "fail", "Not stated"),
        (asked(IDA), "Ida never enjoys chess.", "fail", "Not stated"),
        (asked(IDA), "Ida used to enjoy chess.", "fail", "Not stated"),
        (asked(IDA), "Ida enjoys chess, not rowing.", "pass", "Not understood"),
        (asked(IDA), "Ida enjoys chess. Rowing.", "pass", "Wrong beside it: Rowing."),
        (asked(IDA, "bare"), "Chess. Rowing.", "fail", "Several values"),
        (asked(IDA, "bare"), "Chess.\nA pig.", "pass", "Wrong beside it: A pig."),
        (asked(IDA, "bare"), "Chess, of course.", "pass", "Not understood"),
        (asked(IDA, "bare"), "Chess?", "fail", "Not stated"),
        (asked(IDA), "**Ida** enjoys\u00a0che\u00adss!", "excellent", ""),
        (asked(IDA, "list"), "- Ida enjoys chess.", "excellent", ""),
        (asked(IDA, "card"), "Hobby: chess", "pass", "The card has no name"),
        (asked(IDA, "card"), "Name: Ida\n\nName: Nora\nHobby: chess", "fail", "Wrong subject"),
        (asked(IDA, "card"), "Name: Percy\nHobby: chess\nPet: cat", "fail", "Wrong subject"),
        (asked(IDA, "card"), "Name: Ida\nHobby: chessUncle. Well", "pass", "Not understood"),
        (asked(IDA, "card"), "Name: Ida\nHobby: not chess", "fail", "Not stated"),
        (asked(IDA, "card"), "Name: Ida\nHobby: rowing", "fail", "Wrong value"),
        (asked(IDA), "Ida enjoys chess.\nName: Ida", "pass", "Not understood: Name: Ida"),
        (asked(ANCHOR, "card"), "Name: Anchor\nSibling: Nils", "fail", "Not stated"),
        (asked(ANCHOR), "The owner of the Anchor is Nils.", "excellent", ""),
        (asked(WORLD.fact("Selma", "town"), bridge=SISTER), "Her sister comes from Farrell.", "excellent", ""),
        (asked(WORLD.fact("Selma", "town"), bridge=SISTER), "She comes from Farrell.", "excellent", ""),
        (asked(WORLD.fact("Selma", "town"), bridge=SISTER), "Her brother comes from Farrell.", "fail", "Not stated"),
    ],
)
def test_what_labelling_has_shown(facts, reply, grade, why):
    found = judge(facts, reply, "eot")
    assert (found[0], why in found[1]) == (grade, True), found
