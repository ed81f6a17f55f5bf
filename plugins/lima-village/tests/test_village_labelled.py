"""The labelled replies, what the audit of the grader says of them, and what the grader must not let through."""

import pytest

from lima import GRADES
from lima_village import labelled, registered
from lima_village.grader import judge
from lima_village.labelled import labels
from lima_village.world import BY_NAME, Fact, village

WORLD = village()
EVALUATIONS = {one.name: one for one in registered.EVALUATIONS}
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
        assert row["origin"] in labelled.ORIGINS
        assert row["sample"] in labelled.SAMPLES
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
    tables = {}
    for row in labels():
        given = judge(row["facts"], row["reply"], row["stop"])[0]
        table = tables.setdefault(f"sample {row['sample']}, {row['origin']}", [[0] * 3 for _ in GRADES])
        table[GRADES.index(row["label"])][GRADES.index(given)] += 1
    assert tables == {
        "sample 1, model": [[44, 0, 0], [0, 110, 1], [0, 0, 105]],
        "sample 1, written": [[20, 4, 1], [0, 13, 2], [0, 0, 30]],
        "sample 2, model": [[15, 0, 0], [0, 37, 0], [0, 0, 48]],
        "sample 2, written": [[9, 2, 2], [0, 12, 3], [0, 0, 17]],
        "sample 3, model": [[0, 0, 0], [0, 34, 1], [0, 0, 45]],
    }


def test_the_labelled_replies_are_known_replies_of_every_village_evaluation():
    known = {name: list(evaluation.known_replies()) for name, evaluation in EVALUATIONS.items()}
    assert {name: len(replies) for name, replies in known.items()} == dict.fromkeys(EVALUATIONS, 555)
    rows = labels()
    one, row = known["village"][1], rows[1]
    assert (one.reply, one.grade, one.flaw, one.why) == (row["reply"], "fail", "mislabelled", row["note"])
    assert one.script.turns[0].facts == row["facts"]
    assert sum(not one.saw_checks for one in known["village"]) == 80  # sample 3, which changed nothing
    assert len({one.conversation for one in known["village"] if one.conversation.startswith("w")}) == 115
    assert {flaw for row in rows if (flaw := row.get("flaw"))} == {
        "empty",
        "mislabelled",
        "wrong value",
        "missing",
        "contradicts",
    }
    assert all(("flaw" in row) == (row["label"] == "fail") for row in rows)


@pytest.mark.slow
def test_the_grader_is_audited_on_them_and_fails_what_needs_no_model(tmp_path):
    from lima import Store
    from lima_dialogue_eval import audit_grader, audit_line, last_audit
    from lima_dialogue_eval.audit.log import find_audit

    with Store(tmp_path / "l.db") as store:
        row = find_audit(store, audit_grader(store, "village-facts", "village"))
        line = audit_line(store, "village-facts", row["grader_hash"], "village-more")
        assert last_audit(store, "village-facts", row["grader_hash"])["id"] == row["id"]
    whole, unseen = row["figures"]["all"], row["figures"]["unseen"]
    assert whole["matrix"]["fail"] == {"excellent": 0, "pass": 0, "fail": 245, "undecided": 0, "error": 0}
    assert (unseen["good"]["failed"]["count"], unseen["good"]["failed"]["n"]) == (1, 35)
    assert round(whole["kappa"]["value"], 3) == 0.958
    assert {name: one["turns"] - one["failed"] for name, one in row["floor"].items()} == dict.fromkeys(row["floor"], 0)
    assert line.startswith("Audit of village-facts: 10 of 310 good replies failed (")
    assert "245 of 245 bad ones failed (98.5–100.0 %), 0 of them praised, on 555 known replies of village, " in line


@pytest.mark.parametrize("form", [pytest.param("sentence", marks=pytest.mark.slow), "list", "card"])
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


@pytest.mark.parametrize("form", [pytest.param("sentence", marks=pytest.mark.slow), "list", "card"])
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
