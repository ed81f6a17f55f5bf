"""`--dry-run` and `--budget` of `lima dialogues run` and `regrade`: what is foretold, and what is not exceeded."""

import json
import re
import shlex

import pytest
from click.testing import CliRunner

from lima import LimaError

ROWS = [{"id": "tea", "turns": ["How do I make tea?", "Shorter."]}, {"id": "bus", "turns": ["When does it go?"]}]


@pytest.fixture
def run(tmp_path):
    """`dialogues run` of a file with three turns in two conversations, and two seeds"""
    file = tmp_path / "asks.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return ["dialogues", "run", file, "--seeds", 2, "--max-new-tokens", 5]


def lima(*arguments):
    from lima.cli import cli
    from lima.plugins import load_plugins

    load_plugins().add_commands(cli)
    return CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)


def judges(handler, body):
    """Answers, and grades when asked as a judge"""
    code = re.findall(r"^([A-Z]{6}) OVERALL: ", body["messages"][0]["content"], re.M)
    handler.say(f"{code[-1]} OVERALL: pass" if code else "Nine.")


def spent(store):
    return store.rows(
        "select count(*) as calls, coalesce(sum(prompt_tokens + completion_tokens), 0) as tokens from api_calls"
    )[0]


def rows_of(*arguments):
    found = lima(*arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_a_dry_run_asks_nothing_and_counts_what_is_then_asked(run, serve, store, tmp_path):
    server = serve(judges)
    model, grader = f"openai:{server.spec}", f"judge:openai:{server.spec}?votes=3"
    arguments = [*run, "--model", model, "--grader", grader, "-d", store.path]
    replies, verdicts = rows_of(*arguments, "--dry-run")
    assert (replies["for"], replies["calls"], replies["completion_tokens"], replies["usd"]) == (
        f"replies of {model}",
        6,
        30,
        None,
    )
    assert (verdicts["for"], verdicts["calls"], verdicts["usd"]) == (f"verdicts of {grader}", 18, None)
    assert "price not known" in lima(*arguments, "--dry-run").stdout
    (tmp_path / "user").mkdir(exist_ok=True)
    (tmp_path / "user" / "prices.toml").write_text('["m"]\nprompt = 1e6\ncompletion = 2e6\n')
    priced = rows_of(*arguments, "--dry-run")[0]
    assert priced["usd"] == priced["prompt_tokens"] + 2 * priced["completion_tokens"]
    cost = rows_of(
        "judges",
        "cost",
        run[2],
        "--model",
        model,
        "--grader",
        grader,
        "--seeds",
        2,
        "--reply-tokens",
        5,
        "-d",
        store.path,
    )
    assert cost == rows_of(*arguments, "--dry-run")
    assert (server.asked, store.rows("select * from dialogue_runs")) == ([], [])
    assert lima(*arguments).exit_code == 0
    assert len(server.asked) == replies["calls"] + verdicts["calls"] == spent(store)["calls"]
    id = store.rows("select id from dialogue_runs")[0]["id"]
    again = [
        "dialogues",
        "regrade",
        id,
        "--evaluation",
        run[2],
        "--grader",
        f"judge:openai:{server.spec}",
        "-d",
        store.path,
    ]
    assert rows_of(*again, "--dry-run")[0]["calls"] == 6
    assert spent(store)["calls"] == 24


def test_a_budget_reached_in_the_middle_keeps_what_was_paid_and_resuming_pays_for_the_rest_only(
    run, serve, store, monkeypatch
):
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", "1")
    monkeypatch.setenv("LIMA_JUDGES_BUDGET", "1tokens")  # the option comes before the environment
    server = serve()
    model = f"openai:{server.spec}"
    found = lima(*run, "--model", model, "--budget", "50tokens", "-d", store.path)
    assert found.exit_code == 1
    paid = spent(store)
    assert (paid["tokens"], paid["calls"]) == (45, 3) == (15 * len(server.asked), len(server.asked))
    id = store.rows("select id from dialogue_runs")[0]["id"]
    assert (
        "of the budget of 50 tokens"
        in store.rows("select message from dialogue_turns where status = 'error'")[0]["message"]
    )
    resume = shlex.split(re.search(r"Try again what failed: lima (.*)", found.stderr)[1])
    assert lima(*resume, "--budget", "1000tokens", "-d", store.path).exit_code == 0
    assert len(server.asked) == 6 == spent(store)["calls"]
    assert {r["status"] for r in store.rows("select status from dialogue_turns")} == {"answered"}
    grader = f"judge:openai:{server.spec}"
    judged = lima(
        "dialogues", "regrade", id, "--evaluation", run[2], "--grader", grader, "--budget", "3tokens", "-d", store.path
    )
    assert (judged.exit_code, len(server.asked)) == (1, 6)
    assert (
        "of the budget of 3 tokens"
        in store.rows("select reason from dialogue_grades where grader = ?", [grader])[0]["reason"]
    )


@pytest.mark.parametrize(
    ("budget", "model", "sentence"),
    [
        ("5", "recorded", "The budget '5' limits nothing"),
        ("much", "openai", "The budget is 'much'; expected US dollars, such as 5, or tokens"),
        ("5", "openai", "the price of 'm' is not known"),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused_before_anything_is_asked(
    budget, model, sentence, run, serve, store, tmp_path
):
    server = serve()
    (tmp_path / "r.jsonl").write_text('{"conversation": "bus", "turn": 1, "reply": "Nine."}')
    spec = f"recorded:{tmp_path / 'r.jsonl'}" if model == "recorded" else f"openai:{server.spec}"
    with pytest.raises(LimaError, match=sentence):
        lima(*run, "--model", spec, "--budget", budget, "-d", store.path)
    assert (server.asked, store.rows("select * from dialogue_runs")) == ([], [])
