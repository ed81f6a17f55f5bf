"""People, judges and checks on the same replies: figures computed by hand, and what comparisons make of them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from lima import LimaError, Sampling
from lima_dialogue_eval import compare, run_evaluation
from lima_dialogue_eval.agreement.figures import figures
from lima_dialogue_eval.agreement.preferences import preferences
from lima_dialogue_eval.agreement.ratings import Rater, Ratings, Reply, read_ratings
from lima_dialogue_eval.audit.log import audit_line, least_kappa
from lima_dialogue_eval.cli.dialogues import dialogues
from lima_dialogue_eval.coefficients import alpha, coincidences, kappa, value_of
from lima_dialogue_eval.record.log import DialogueLog, find_run, replies


def units():
    """The four observers and twelve units of Krippendorff's own example: values 1 to 5, '.' where one did not judge"""
    rows = ["1233214" + "12...", "123322412" + "5.3", ".33323422" + "51.", "123324412" + "51."]
    counts = np.zeros((12, 5))
    for row in rows:
        for unit, value in enumerate(row):
            if value != ".":
                counts[unit, int(value) - 1] += 1
    return counts


def test_alpha_is_krippendorffs_in_his_example():
    summed = coincidences(units()).sum(0)
    assert summed.sum() == 40  # pairable values
    assert (round(float(alpha(summed, ordinal=False)), 3), round(float(alpha(summed)), 3)) == (0.743, 0.815)


def test_one_value_alone_is_undefined_and_full_agreement_has_no_interval():
    same = np.array([[[2.0, 0, 0], [0, 0, 0], [0, 0, 0]]] * 40)
    assert value_of(kappa, same) == value_of(alpha, same) == (None, None)
    two = np.concatenate([same, same[:, ::-1, ::-1]])
    assert value_of(kappa, two) == value_of(alpha, two) == (1.0, None)
    assert value_of(alpha, np.zeros((0, 3, 3))) == (None, None)


def rater(name, given, person=True):
    """Grades of turns 1, 2, … of one conversation: letters of fail, pass, excellent, undecided; a space is no verdict"""
    words = {"f": "fail", "p": "pass", "e": "excellent", "u": "undecided"}
    return Rater(name, person, {Reply("r", "tea", 0, i + 1): words[c] for i, c in enumerate(given) if c != " "})


def test_people_and_programs_by_hand():
    found = figures(
        Ratings(
            (rater("ana", "ffppe "), rater("ben", "fppee "), rater("checks", "fuuuuf", False)),
            {("tea", 1): "opening", ("tea", 2): "why", ("tea", 3): "why", ("tea", 4): "why", ("tea", 5): "why"},
            (),
        )
    )
    together, with_checks = found["groups"]
    assert (together["replies"], together["agreement"]["count"], together["kinds"]["why"]["replies"]) == (5, 3, 4)
    # squared distances 0, 1, 0, 1, 0: 2 observed; by chance, symmetric: 3 f, 4 p, 3 e of 10: (2·3·4·1 + 2·4·3·1 + 2·3·3·4) / 10
    assert together["kappa"] == pytest.approx(1 - 4 / ((24 + 24 + 72) / 10))
    assert found["alpha"]["value"] == pytest.approx(1 - 9 * observed(found) / expected())
    assert (with_checks["replies"], with_checks["undecided"], with_checks["kappa"]) == (2, 8, None)
    (fails,) = found["fails"]
    assert [fails[k]["count"] for k in ("failed_by_people", "failed_by_program")] == [2, 2]
    assert [fails[k]["n"] for k in ("failed_by_people", "failed_by_program")] == [2, 3]


def observed(found):
    """Of the two disagreements: f–p and p–e, each way; ordinal distance (3/2 + 4/2)² between neighbours here"""
    assert found["alpha"]["ratings"] == 10
    return 4 * 3.5**2


def expected():
    n = {"f": 3, "p": 4, "e": 3}
    return 2 * n["f"] * n["p"] * 3.5**2 + 2 * n["p"] * n["e"] * 3.5**2 + 2 * n["f"] * n["e"] * 7**2


def test_a_kappa_below_what_is_asked_is_not_trusted(monkeypatch):
    monkeypatch.setenv("LIMA_LEAST_KAPPA", "0.75")
    assert least_kappa() == 0.75
    for wrong in ("high", "2", "nan"):
        monkeypatch.setenv("LIMA_LEAST_KAPPA", wrong)
        with pytest.raises(
            LimaError, match=r"LIMA_LEAST_KAPPA is '.*'; expected a number from -1 to 1, such as 0\.6\."
        ):
            least_kappa()


@pytest.fixture
def graded(store, Model):
    """A run whose five replies three people graded: (conversation, turn, rater) → grade"""
    id = run_evaluation(store, "small", Model(), arm="a", seeds=[0], sampling=Sampling())

    def give(rater, conversation, turn, grade, status="graded"):
        row = {"conversation": conversation, "seed": 0, "turn": turn, "grade": grade, "status": status, "reason": ""}
        DialogueLog(store, id).grades([{**row, "grader": "people", "rater": rater}])

    return id, give


def of_people(store, id):
    return {(r["conversation"], r["turn"]): (r["grade"], r["grade_status"]) for r in replies(store, id, "people")}


def test_more_than_half_of_the_people_decide_and_an_adjudication_settles(store, graded):
    id, give = graded
    for name, grade in (("ana", "pass"), ("ben", "pass"), ("cy", "fail")):
        give(name, "tea", 1, grade)
    give("ana", "tea", 2, "excellent")
    give("ben", "tea", 2, "fail")
    give("ana", "tea", 3, "fail")
    give("ana", "tea", 3, None, "withdrawn")
    give("ana", "bus", 1, "fail")
    give("ana", "bus", 1, "excellent")  # changed her mind
    assert of_people(store, id) == {
        ("tea", 1): ("pass", "graded"),
        ("tea", 2): (None, "undecided"),
        ("tea", 3): (None, "not graded"),
        ("bus", 1): ("excellent", "graded"),
        ("bus", 2): (None, "not graded"),
    }
    give("adjudicated", "tea", 2, "fail")
    assert of_people(store, id)["tea", 2] == ("fail", "graded")
    ratings = read_ratings(store, [find_run(store, id)])
    assert [(r.name, len(r.grades)) for r in ratings.people] == [("ana", 3), ("ben", 2), ("cy", 1)]


def test_people_are_a_grader_of_comparisons(store, graded, Model):
    id, give = graded
    other = run_evaluation(store, "small", Model({"And back?": "ten"}), arm="b", seeds=[0], sampling=Sampling())
    with pytest.raises(
        LimaError, match=rf"no verdict of the grader 'people'\. Let it grade: lima dialogues grade {id},{other}$"
    ):
        compare(store, id, other, grader="people")
    for conversation, turn in (("tea", 1), ("tea", 2), ("tea", 3), ("bus", 1), ("bus", 2)):
        give("ana", conversation, turn, "fail")
        row = {"conversation": conversation, "seed": 0, "turn": turn, "grade": "pass", "status": "graded", "reason": ""}
        DialogueLog(store, other).grades([{**row, "grader": "people", "rater": "ana"}])
    found = compare(store, id, other, grader="people")
    assert (found.before.tally.fail, found.after.tally.passed, found.difference) == (5, 5, 1.0)
    assert "more than half of the people" in found.audit
    assert audit_line(store, "people", None) == found.audit


def test_the_command_says_who_agrees_and_what_is_missing(store, graded):
    id, give = graded
    run = CliRunner().invoke
    nobody = run(dialogues, ["agreement", id, "-d", str(store.path)])
    assert nobody.exit_code == 1
    assert f"lima dialogues grade {id}" in str(nobody.exception)
    for turn, (ana, ben) in enumerate((("pass", "pass"), ("fail", "pass"), ("fail", "fail")), 1):
        give("ana [b]", "tea", turn, ana)
        give("ben\x1b[31m", "tea", turn, ben)
    shown = run(dialogues, ["agreement", id, "-d", str(store.path), "--kinds"])
    assert shown.exit_code == 0, shown.output
    assert "66.7 % = 2/3" in shown.output
    assert "ana [b] (person)" in shown.output
    assert "\x1b" not in shown.output
    found = json.loads(run(dialogues, ["agreement", id, "-d", str(store.path), "--json"]).output)
    assert found["runs"] == [id]
    assert [g["name"] for g in found["groups"]] == ["people with people", "people with requirements"]
    (both,) = (pair for pair in found["pairs"] if pair["name"] == "ana [b] with ben\x1b[31m")
    assert both["kappa"] == pytest.approx(0.4)  # by hand: 1 − (1/3) / (5/9)
    for turn in (1, 2, 3):
        give("cy", "tea", turn, "fail")  # one grade only: kappa would be 0 whatever the others say
    found = json.loads(run(dialogues, ["agreement", id, "-d", str(store.path), "--json"]).output)
    of_cy = [pair for pair in found["pairs"] if "with cy" in pair["name"]]
    assert [(pair["replies"], pair["kappa"]) for pair in of_cy] == [(3, None), (3, None)]


def test_the_better_of_two_conversations(store, graded, Model):
    """By hand: ana and ben agree on one of three, and one of the others is 'neither' against a choice: (1 + ½ + 0) / 3"""
    id, _ = graded
    other = run_evaluation(store, "small", Model(), arm="b", seeds=[0], sampling=Sampling())

    def prefer(rater, conversation, seed, left, right, preferred):
        row = {"study": "s", "rater": rater, "conversation": conversation, "seed": seed, "created": "2026"}
        with store.write() as db:
            db["dialogue_preferences"].insert({**row, "left_run": left, "right_run": right, "preferred": preferred})

    for rater, choices in (("ana", (id, "", id)), ("ben", (id, other, other))):
        for seed, choice in enumerate(choices):
            left, right = (id, other) if rater == "ana" else (other, id)
            prefer(rater, "tea", seed, left, right, choice)
    prefer("ana", "bus", 0, id, other, id)
    prefer("ana", "bus", 0, id, other, None)  # withdrawn
    prefer("ben", "bus", 0, id, "elsewhere", id)  # not of these runs
    found = preferences(store, [id, other])
    (together,) = found["groups"]
    assert (together["items"], together["agreement"]["count"], together["tie_discounted"]) == (3, 1, 0.5)
    assert [(c["name"], c["items"], c["neither"]) for c in found["choosers"]] == [("ana", 3, 1), ("ben", 3, 0)]
    assert (found["left"]["count"], found["left"]["n"]) == (4, 5)
    # six values: id 3, other 2, neither 1; observed 4 of 6 pairs differ; by chance 2·(3·2 + 3·1 + 2·1) / (6·5)
    assert found["alpha"]["value"] == pytest.approx(1 - (4 / 6) / (22 / 30))
    shown = CliRunner().invoke(dialogues, ["agreement", id, other, "-d", str(store.path)])
    assert "people with people: same in 33.3 % = 1/3; tie-discounted accuracy 50.0 %" in shown.output
