"""The grader `judge:MODEL`: the grade follows from the ticks, votes, what is asked again, and a judge behind a real server."""

import json

import pytest

from lima import LimaError, Tick
from lima_judges.judge import Judge, split_options

BOTH = ({"text": "Thinks of the cat"}, {"text": "Has dates", "must": False})
REPLY = "Take the cat on the 14th."


def says(first, second, overall, quotes=('"the cat"', '"14th"')):
    return lambda code, prompt: (
        f"{code} R1: {first} {quotes[0]}\n{code} R2: {second} {quotes[1]}\n{code} OVERALL: {overall}"
    )


@pytest.mark.parametrize(
    ("first", "second", "overall", "grade", "status"),
    [
        ("met", "met", "excellent", "excellent", "graded"),
        ("met", "missed", "excellent", "pass", "graded"),
        ("missed", "met", "excellent", "fail", "graded"),
        ("missed", "unclear", "pass", "fail", "graded"),
        ("unclear", "met", "excellent", None, "undecided"),
        ("met", "unclear", "excellent", None, "undecided"),
    ],
)
def test_the_grade_follows_from_the_ticks(first, second, overall, grade, status, Reader, judged_turn):
    verdict = Judge(Reader(says(first, second, overall)), {}).grade(judged_turn(REPLY, *BOTH))
    assert (verdict.grade, verdict.status) == (grade, status)
    assert ("differs" in verdict.reason) is (overall != grade)


def test_a_verdict_has_its_ticks_with_quotes_and_says_what_was_missed(Reader, judged_turn):
    verdict = Judge(Reader(says("met", "missed", "excellent")), {}).grade(judged_turn(REPLY, *BOTH))
    assert verdict.ticks == (Tick("Thinks of the cat", True, "the cat"), Tick("Has dates", False, "14th"))
    assert verdict.reason == "Missed: Has dates ('14th'). The judge's overall grade differs: excellent."


def test_praise_without_a_real_quote_is_undecided_and_said(Reader, judged_turn):
    verdict = Judge(Reader(says("met", "met", "excellent", ('"the dog"', "none"))), {}).grade(judged_turn(REPLY, *BOTH))
    assert (verdict.grade, verdict.status) == (None, "undecided")
    assert "Not in the reply, so not counted: 'the dog' for 'Thinks of the cat'." in verdict.reason
    assert "No quote, so not counted as met: 'Has dates'." in verdict.reason


@pytest.mark.parametrize(("grade", "stop", "expected"), [("excellent", "length", "pass"), ("fail", "length", "fail")])
def test_a_reply_that_was_cut_off_is_at_most_pass_and_the_judge_is_told(grade, stop, expected, Reader, judged_turn):
    reader = Reader(says("met" if grade == "excellent" else "missed", "met", grade))
    verdict = Judge(reader, {}).grade(judged_turn(REPLY, *BOTH, stop=stop))
    assert verdict.grade == expected
    assert "cut off (stop: length)" in verdict.reason
    assert "THE REPLY TO GRADE (cut off at its length limit)" in reader.prompts[0]


@pytest.mark.parametrize("reply", ["", "  \n\t", "\u200b\u2060", "\u3164"])
def test_an_empty_reply_fails_without_a_call(reply, Reader, judged_turn):
    reader = Reader("unused")
    assert Judge(reader, {}).grade(judged_turn(reply, *BOTH)).grade == "fail"
    assert reader.prompts == []


def test_without_requirements_the_overall_grade_counts(Reader, judged_turn):
    verdict = Judge(Reader(lambda code, prompt: f"Fine.\n{code} OVERALL: pass"), {}).grade(judged_turn(REPLY))
    assert (verdict.grade, verdict.reason) == ("pass", "Overall grade of the judge: pass.")


def test_the_judge_sees_the_conversation_the_requirements_and_the_facts(Reader, judged_turn):
    reader = Reader(says("met", "met", "excellent"))
    Judge(reader, {}).grade(judged_turn(REPLY, *BOTH, facts={"cat": "Tom"}, system="Be brief."))
    prompt = reader.prompts[0]
    for part in (
        "Instructions to the assistant:\n| Be brief.",
        "User:\n| Plan my move with the cat.",
        f"THE REPLY TO GRADE\n\n| {REPLY}",
        "R1 (required): Thinks of the cat\nR2 (desirable): Has dates",
        '|  "cat": "Tom"',
    ):
        assert part in prompt


@pytest.mark.parametrize(
    ("votes", "grade", "spread"),
    [
        (["met", "met", "missed"], "excellent", "3 votes: excellent, excellent, fail."),
        (["met", "missed", "missed"], "fail", "3 votes: excellent, fail, fail."),
        (["met", "missed"], None, "2 votes: excellent, fail."),
        (["met", "missed", "unclear"], None, "3 votes: excellent, fail, undecided."),
        (["met", "met", "missed", "missed"], None, "4 votes: excellent, excellent, fail, fail."),
    ],
)
def test_more_than_half_of_the_votes_decide_and_a_tie_praises_nobody(votes, grade, spread, Reader, judged_turn):
    reader = Reader(*(says(vote, "met", "excellent") for vote in votes))
    verdict = Judge(reader, {"votes": str(len(votes))}).grade(judged_turn(REPLY, *BOTH))
    assert verdict.grade == grade
    assert spread in verdict.reason
    assert len(set(reader.seeds)) == len(votes)


def test_what_cannot_be_read_is_asked_again_a_bounded_number_of_times(Reader, judged_turn):
    reader = Reader("I like it.", "Still do.", says("met", "met", "excellent"))
    assert Judge(reader, {}).grade(judged_turn(REPLY, *BOTH)).grade == "excellent"
    assert (len(reader.prompts), len(set(reader.seeds))) == (3, 3)
    reader = Reader("I like it.")
    verdict = Judge(reader, {"attempts": "4"}).grade(judged_turn(REPLY, *BOTH))
    assert (verdict.grade, verdict.status, len(reader.prompts)) == (None, "error", 4)
    assert verdict.reason == "No vote could be read: the judge's answer has no verdict: no line about R1."


def test_unread_votes_count_as_votes(Reader, judged_turn):
    good, bad = says("met", "met", "excellent"), "nothing"
    judge = {"votes": "3", "attempts": "1"}
    verdict = Judge(Reader(good, bad, good), judge).grade(judged_turn(REPLY, *BOTH))
    assert (verdict.grade, "3 votes: excellent, excellent, 1 unread." in verdict.reason) == ("excellent", True)
    verdict = Judge(Reader(good, bad, bad), judge).grade(judged_turn(REPLY, *BOTH))
    assert (verdict.grade, verdict.status) == (None, "error")
    assert verdict.reason.startswith("1 of 3 votes could be read: the judge's answer has no verdict")


def test_a_call_that_failed_is_not_asked_again_and_is_nobody_elses_failure(Reader, judged_turn):
    reader = Reader(LimaError("the server is down"), says("met", "met", "excellent"))
    found = {}
    Judge(reader, {}).grade_all(
        [judged_turn(REPLY, *BOTH, id="a"), judged_turn(REPLY, *BOTH, id="b")], found.__setitem__
    )
    assert (found[0].status, found[0].reason) == ("error", "No vote could be read: the server is down.")
    assert found[1].grade == "excellent"


def test_a_model_that_breaks_is_a_status_of_every_turn(judged_turn):
    class Broken:
        name = "broken"

        def reply(self, prompts, settings, seed, on_progress=None):
            raise ValueError("no such tensor")

    verdict = Judge(Broken(), {}).grade(judged_turn(REPLY, *BOTH))
    assert (verdict.status, verdict.reason) == ("error", "No vote could be read: no such tensor.")


def test_what_the_listener_raises_is_not_the_models_failure(Reader, judged_turn):
    def full(index, verdict):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        Judge(Reader(says("met", "met", "excellent")), {}).grade_all([judged_turn(REPLY, *BOTH)], full)


def test_the_identity_changes_with_all_that_decides_and_with_nothing_else(Reader, tmp_path, store):
    from lima_judges.templates import template

    own = tmp_path / "own.jinja"
    own.write_text(template("judge", None).source)
    plain = Judge(Reader("x"), {})
    assert Judge(Reader("y"), {}, store).hash == plain.hash
    assert Judge(Reader("x"), {"template": str(own)}).hash == plain.hash
    own.write_text(own.read_text() + "\nBe kind.")
    others = [{"votes": "3"}, {"attempts": "2"}, {"temperature": "0.5"}, {"template": str(own)}]
    assert len({plain.hash, *(Judge(Reader("x"), o).hash for o in others)}) == 5


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"votes": "0"}, "'votes' is '0'; expected a whole number from 1 to 25"),
        ({"votes": "3", "temperature": "0"}, "the 3 votes are the same"),
        ({"temperature": "hot"}, "'temperature' is 'hot'"),
        ({"attempts": "many"}, "'attempts' is 'many'"),
        ({"template": "no/such.jinja"}, "Cannot read the template no/such.jinja"),
    ],
)
def test_options_are_checked_when_the_judge_is_opened(options, said, Reader):
    with pytest.raises(LimaError, match=said):
        Judge(Reader("x"), options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ code }} {{ reply }}", r"does not write \{\{ turns \}\}"),
        ("{% for t in turns %}{{ t.text }}{% endfor %}{{ reply }}", r"does not write \{\{ code \}\}"),
        ("{{ code }\n{{", "line 1"),
        ("{{ nothing }}", "'nothing' is undefined. It is given: turns, reply"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|is undefined|access"),
        ("{{ 1 // 0 }}", "cannot be rendered"),
    ],
)
def test_a_template_of_the_users_is_checked_when_the_judge_is_opened(text, said, Reader, tmp_path):
    file = tmp_path / "own.jinja"
    file.write_text(text)
    with pytest.raises(LimaError, match=said):
        Judge(Reader("x"), {"template": str(file)})


def test_requirements_that_cannot_be_shown_are_refused_before_anything_is_asked(Reader, judged_turn):
    judge = Judge(Reader("x"), {})
    for wrong in ({"text": " "}, {"check": {}}, {"text": "a", "must": "yes"}, {"text": "a", "quote": 1}):
        with pytest.raises(LimaError, match="Conversation 'move', turn 1: "):
            judge.verify([judged_turn("x", wrong).conversation])
    judge.verify([judged_turn("x", *BOTH).conversation])


def test_the_judges_options_are_its_own_and_the_others_are_the_models():
    spec = "openai:http://127.0.0.1:8000/v1#m?votes=3&send=seed&template=a%20b.jinja"
    assert split_options(spec) == (
        "openai:http://127.0.0.1:8000/v1#m?send=seed",
        {"votes": "3", "template": "a b.jinja"},
    )
    assert split_options("smollm2") == ("smollm2", {})


def test_every_answer_is_kept_word_for_word(Reader, judged_turn, store):
    judge = Judge(Reader("Hm.", says("met", "missed", "excellent")), {}, store)
    judge.charge_to("run-7")
    judge.grade(judged_turn(REPLY, *BOTH))
    rows = store.rows("select * from judge_votes")
    assert [(r["run"], r["vote"], r["attempt"], r["status"], r["overall"]) for r in rows] == [
        ("run-7", 0, 1, "unparsed", None),
        ("run-7", 0, 2, "parsed", "excellent"),
    ]
    assert rows[0]["answer"] == "Hm."
    assert json.loads(rows[1]["ticks"])[0] == {"requirement": "Thinks of the cat", "met": True, "quote": "the cat"}
    assert {r["judge_hash"] for r in rows} == {judge.hash}
