"""What is unusual: misspelt names, judges that cannot be read, prompts that are there twice, people who grade from 1 to 6."""

import json

import pytest

ASKS = "".join(json.dumps({"prompt": f"Question {n}?"}) + "\n" for n in (1, 2, 2, 3))


@pytest.fixture
def asks(tmp_path):
    file = tmp_path / "asks.jsonl"
    file.write_text(ASKS)
    return file


@pytest.fixture
def said(tmp_path):
    """Recorded replies"""
    file = tmp_path / "said.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"Question {n}?", "reply": f"So {n}."}) + "\n" for n in (1, 2, 3)))
    return f"old=replies:{file}"


def test_what_is_not_there_is_said_before_a_study_begins(plugins, lima_command, serve, longer, asks, said, tmp_path):
    server, database = serve(longer), tmp_path / "l.db"
    wrong = {
        "absent": "'absent' is not a model",
        "alpaca:absent": "No such folder: absent",
        "in-context:absent": "The base model 'absent'",
        f"replies:{tmp_path / 'absent'}": "Cannot read",
    }
    place = ("--prompts", asks, "-d", database)
    for spec, problem in wrong.items():
        for more in ([], ["--dry-run"]):
            assert problem in lima_command("study", "likert", server.spec("a"), f"x={spec}", *place, *more, code=1).err
        assert problem in lima_command("study", "token-shift", f"x={spec}", "--base", "y", *place, code=1).err
    for judge in ("absent", f"{server.spec('j')}?attempts=0"):
        lima_command("study", "likert", said, "--judge", judge, *place, code=1)
    assert server.asked == []
    assert lima_command("study", "-d", database, "--json").json == []
    twice = lima_command("study", "likert", said, "--judge", "j=a", "--judge", "j=b", *place, code=1).err
    assert "Two judges are called 'j'. Give one of them another name: write NAME=b in its place." in twice


def test_recordings_and_this_machine_cost_nothing_in_an_estimate(
    plugins, lima_command, lima_base, asks, said, tmp_path
):
    rows = lima_command(
        "study", "likert", said, f"here={lima_base}", "--prompts", asks, "-d", tmp_path / "l.db", "--dry-run", "--json"
    ).json
    assert [(row["hours"], row["usd"], row["completion_tokens"]) for row in rows] == [
        (0.0, 0.0, 15 * 300), (None, 0.0, 15 * 300), (None, 0.0, 30 * 300),
    ]  # fmt: skip


def test_a_prompt_that_is_there_twice_is_asked_once(asks, caplog):
    from lima_studies.prompts.files import read_prompts

    assert [p.text for p in read_prompts(str(asks))] == [f"Question {n}?" for n in (1, 2, 3)]
    (message,) = (record.message for record in caplog.records)
    assert message.startswith(f"{asks}, line 3 has the prompt of {asks}, line 2. Each prompt is asked once")


@pytest.mark.parametrize(("kind", "label"), [("absolute", "pass"), ("likert", "4"), ("safety", "safe")])
def test_answers_that_cannot_be_read_are_counted_whatever_is_asked(
    kind, label, plugins, lima_command, serve, code_in, said, tmp_path
):
    def say(prompt, model):
        readable = model == "good" and ("Question 2" not in prompt)
        return f"{code_in(prompt)} VERDICT: {label}" if readable else "Das sage ich nicht."

    server, asks = serve(say), tmp_path / "s.jsonl"
    rows = [{"prompt": f"Question {n}?", "sensitive": True, "malice": "explicit"} for n in (1, 2, 3)]
    asks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["study", kind, said, "--prompts", asks, "-d", tmp_path / "l.db", "--json"]
    judges = ["--judge", f"good={server.spec('good')}?attempts=1", "--judge", f"bad={server.spec('bad')}?attempts=2"]
    samples = 5 if kind == "likert" else 1
    found = lima_command(*command, *judges).json
    table = next(s["tables"][0] for s in found["sections"] if s["title"] == "The judges")
    assert table["rows"] == [
        ["good", f"{2 * samples}", f"{samples}", "0"],
        ["bad", "0", f"{3 * samples}", "0"],
    ]
    alone = lima_command(*command, "--name", "alone", *judges[2:]).json
    assert [section["title"] for section in alone["sections"]] == ["The judges"]


def test_a_judge_that_failed_once_stops_no_later_command(
    plugins, lima_command, serve, longer, code_in, asks, said, tmp_path
):
    server = serve(lambda prompt, model: f"{code_in(prompt)} VERDICT: pass")
    command = ["study", "absolute", said, "--prompts", asks, "-d", tmp_path / "l.db"]
    failed = lima_command(*command, "--judge", f"no={said.partition('=')[2]}", code=1)
    assert "3 verdicts could not be had. The first, of no: " in failed.err
    told = lima_command(*command, "--judge", f"yes={server.spec()}", "--json").json
    assert told["sections"][-1]["tables"][0]["rows"] == [["no", "0", "0", "3"], ["yes", "3", "0", "0"]]


def test_the_advice_to_skip_bad_rows_of_training_data_can_be_followed(plugins, lima_command, asks, said, tmp_path):
    talks = tmp_path / "talks.jsonl"
    talks.write_text('{"prompt": "Why?", "response": "So."}\n{"prompt": "How?"}\n')
    command = ["study", "absolute", said, "--prompts", asks, "--trained-on", talks, "-d", tmp_path / "l.db"]
    assert "To leave out this row: --skip-bad" in lima_command(*command, code=1).err
    assert "Distance" in lima_command(*command, "--skip-bad").out


def test_people_grade_from_1_to_6_and_a_study_without_a_question_says_so(made, store):
    from lima import LimaError
    from lima_studies import System
    from lima_studies.known import kind_of
    from lima_studies.people.assigning import invite
    from lima_studies.people.desk import Desk
    from lima_studies.prompts.prompt import StudyPrompt
    from lima_studies.record.study import Study

    study = made("likert", ["p", "q"], ["a", "b"]).study
    kind = kind_of(study)
    invite(study, kind, {"crowd": ["ana"]}, 50, 1, False)
    desk = Desk(study, "ana")
    assert len(desk.items) == 4
    for place in range(1, 5):
        desk.take(place, "5" if desk.at(place)[1].key.first == "a" else "2", "", f"e{place}")
    assert [mean["value"] for mean in kind.document(study).more["ana"]["means"]] == [5.0, 2.0]
    with pytest.raises(LimaError, match="'ana' is of the group 'crowd', not 'authors'. Write crowd:ana, or"):
        invite(study, kind, {"authors": ["ana"]}, 50, 1, False)
    shift = Study.begin(store, "token-shift", {}, [StudyPrompt("p", "Why?")], [System("a", "a"), System("b", "b")])
    with pytest.raises(LimaError, match="is a token-shift study: nobody is asked anything in it"):
        invite(shift, kind_of(shift), {"crowd": ["ben"]}, 50, 1, False)


def test_the_paper_stands_beside_its_systems_and_not_beside_folders_or_parts_of_words():
    from lima_studies.paper import system_like

    known = {
        "GPT-4": "GPT-4",
        "openai:http://h/v1#gpt-4o": "GPT-4",
        "text-davinci-003": "DaVinci003",
        "anthropic/claude-2": "Claude",
    }
    unknown = ("/home/claude/out", "hubbard", "replies:/home/gemini/x.jsonl", "claude-and-bard", "")
    assert {name: system_like(name) for name in known} == known
    assert [system_like(name) for name in unknown] == [None] * len(unknown)


def test_one_prompt_shows_no_plateau():
    from lima_studies.likert.question import HELPFULNESS
    from lima_studies.scores.curves import curve_of
    from lima_studies.scores.scores import Scores

    for prompts, plateau in ((1, None), (3, 2)):
        arms = [(n, Scores(f"{n}", {"s": {f"p{i}": 4.0 for i in range(prompts)}})) for n in (2, 4)]
        assert curve_of(arms, HELPFULNESS).plateau == plateau
