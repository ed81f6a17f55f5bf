"""What calls cost: the table of calls, prices, and a budget that is never exceeded."""

import time

import pytest

from lima import LimaError, Reply, Sampling
from lima_judges.openai_server import OpenAIServers
from lima_judges.spending import Price, Purse, estimated, known_price, tokens_about

SHORT = Sampling(max_new_tokens=5)


@pytest.fixture
def priced(tmp_path):
    """Prices of a dollar per prompt token and two per token of the reply"""
    (tmp_path / "user").mkdir(exist_ok=True)
    (tmp_path / "user" / "prices.toml").write_text('["m"]\nprompt = 1e6\ncompletion = 2e6\n')


def open_model(server, store):
    return OpenAIServers().open(server.spec, store)


def calls(store):
    return store.rows("select model, purpose, run, prompt_tokens, completion_tokens, usd from api_calls")


def test_each_answered_call_is_written_with_tokens_and_price(serve, store, priced):
    server = serve()
    model = open_model(server, store)
    model.charge_to("run-1", "judge")
    model.reply(["a"], SHORT, 0)
    assert calls(store) == [
        {
            "model": f"openai:{server.spec}",
            "purpose": "judge",
            "run": "run-1",
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "usd": 20.0,
        }
    ]
    assert store.rows("select calls, usd from api_spending") == [{"calls": 1, "usd": 20.0}]


def test_what_the_server_says_that_it_charges_comes_before_the_price_list(serve, store, priced, completion):
    body = completion("yes")
    body["usage"]["cost"] = 0.125
    open_model(serve(lambda h, b: h.answer(body=body)), store).reply(["a"], SHORT, 0)
    assert [row["usd"] for row in calls(store)] == [0.125]


def test_without_a_price_or_usage_nothing_is_made_up(serve, store, completion):
    body = completion("yes")
    del body["usage"]
    open_model(serve(lambda h, b: h.answer(body=body)), store).reply(["a"], SHORT, 0)
    assert [(r["prompt_tokens"], r["completion_tokens"], r["usd"]) for r in calls(store)] == [(None, None, None)]


@pytest.mark.parametrize("wrong", [-1, True, "7", 10**400, 1.5, None])
def test_what_a_server_claims_about_tokens_and_cost_is_checked(wrong, serve, store, completion):
    body = completion("yes")
    body["usage"] = {"prompt_tokens": wrong, "completion_tokens": wrong, "cost": wrong if wrong != 1.5 else -1.5}
    (reply,) = open_model(serve(lambda h, b: h.answer(body=body)), store).reply(["a"], SHORT, 0)
    assert reply.text == "yes"
    assert [(r["prompt_tokens"], r["completion_tokens"], r["usd"]) for r in calls(store)] == [(None, None, None)]


def test_a_cost_that_is_not_a_number_is_not_one(serve, store):
    text = b'{"choices": [{"message": {"content": "yes"}}], "usage": {"cost": NaN}}'
    open_model(serve(lambda h, b: h.answer(body=text)), store).reply(["a"], SHORT, 0)
    assert [r["usd"] for r in calls(store)] == [None]


def test_failed_calls_are_not_written(serve, store):
    open_model(serve(lambda h, b: h.answer(400, {})), store).reply(["a"], SHORT, 0)
    assert calls(store) == []


def test_what_was_answered_is_in_the_database_when_it_is_handed_over(serve, store):
    written = []
    open_model(serve(), store).reply(["a", "b"], SHORT, [0, 1], on_reply=lambda i, r: written.append(len(calls(store))))
    assert written == [1, 2]


def test_what_is_kept_with_a_call_is_there_if_and_only_if_the_call_is(serve, store):
    """`keep` writes in the transaction that notes the cost: what it raises undoes both"""
    model, seen = open_model(serve(), store), []

    def keep(db, place, reply):
        seen.append((place, reply.text, db.execute("select count(*) from api_calls").fetchone()[0]))
        if place == 1:
            raise LimaError("The disk is full.")

    model.reply(["a"], SHORT, 0, keep=keep)
    assert seen == [(0, "You said: a", 1)]
    with pytest.raises(LimaError, match="The disk is full"):
        model.reply(["b", "c"], SHORT, 0, keep=keep)
    assert len(calls(store)) == len([one for one in seen if one[0] != 1])


@pytest.mark.parametrize("at_once", ["1", "4"])
def test_a_budget_in_dollars_is_not_exceeded(at_once, serve, store, priced, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_BUDGET", "50")
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", at_once)
    server = serve()
    found = open_model(server, store).reply(list("abcdef"), SHORT, range(6))
    # Each may take 11 dollars (one token asked, five answered), and takes 20.
    assert sum(isinstance(r, Reply) for r in found) == len(server.asked)
    assert 2 <= len(server.asked) <= 4
    refused = next(r for r in found if not isinstance(r, Reply))
    assert "of the budget of $50" in str(refused)
    assert "may take $11" in str(refused)


def test_a_budget_in_tokens_counts_what_the_server_counts(serve, store, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_BUDGET", "35 tokens")
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", "1")
    server = serve()
    found = open_model(server, store).reply(list("abcdef"), SHORT, range(6))
    assert [isinstance(r, Reply) for r in found] == [True, True, False, False, False, False]
    assert "of the budget of 35 tokens, 30 tokens are spent, and the next call may take 6 tokens" in str(found[2])


def test_model_and_judge_of_one_command_share_the_budget(serve, store, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_BUDGET", "20tokens")
    server = serve()
    assert isinstance(open_model(server, store).reply(["a"], SHORT, 0)[0], Reply)
    assert isinstance(open_model(server, store).reply(["a"], SHORT, 0)[0], LimaError)


def test_a_call_that_failed_gives_its_share_of_the_budget_back(serve, store, monkeypatch, in_turn, echo):
    monkeypatch.setenv("LIMA_JUDGES_BUDGET", "8tokens")
    server = serve(in_turn(lambda h, b: h.answer(400, {}), echo))
    model = open_model(server, store)
    assert isinstance(model.reply(["a"], SHORT, 0)[0], LimaError)
    assert isinstance(model.reply(["a"], SHORT, 0)[0], Reply)


def test_a_budget_in_dollars_needs_a_price(serve, store, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_BUDGET", "5")
    with pytest.raises(
        LimaError, match=r'the price of \'m\' is not known: write it into .*prices.toml as \["m"\] with'
    ):
        open_model(serve(), store)


@pytest.mark.parametrize("text", ["0", "-1", "a lot", "5 euros", "1e3", "5 usd tokens", "٣"])
def test_budgets_that_are_none_are_refused(text):
    with pytest.raises(LimaError, match="expected US dollars"):
        Purse.of(text)


@pytest.mark.parametrize(
    ("text", "limit", "unit"), [("5", 5.0, "usd"), ("0.25 USD", 0.25, "usd"), ("200000tokens", 2e5, "tokens")]
)
def test_budgets_as_they_are_written(text, limit, unit):
    purse = Purse.of(text)
    assert (purse.limit, purse.unit) == (limit, unit)


@pytest.mark.parametrize(
    "row", ["1", "{prompt = 1}", '{prompt = "a", completion = 1}', "{prompt = -1, completion = 1}"]
)
def test_a_wrong_price_is_said_with_its_file(row, tmp_path):
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "prices.toml").write_text(f"m = {row}\n")
    with pytest.raises(LimaError, match=r"prices.toml: the price of 'm' is .*dollars per million tokens"):
        known_price("m")
    assert known_price("other") is None


def test_a_file_of_prices_that_is_not_toml_is_said(tmp_path):
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "prices.toml").write_text("m = {")
    with pytest.raises(LimaError, match=r"Cannot read .*prices.toml"):
        known_price("m")


def test_an_estimate_counts_calls_tokens_and_dollars():
    found = estimated(["four", "é" * 4], 10, Price(1.0, 2.0))
    assert (found.calls, found.prompt_tokens, found.completion_tokens) == (2, 3, 20)
    assert found.usd == pytest.approx(43e-6)
    assert (found + estimated(["four"], 1, None)).usd is None
    assert tokens_about("") == 0


def test_many_at_once_never_reserve_more_than_the_budget(serve, store, priced, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_BUDGET", "12")
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", "8")

    def slowly(handler, body):
        time.sleep(0.1)
        handler.say("yes")

    server = serve(slowly)
    found = open_model(server, store).reply(list("abcdefgh"), SHORT, range(8))
    assert (len(server.asked), server.most_at_once) == (1, 1)
    assert sum(isinstance(r, Reply) for r in found) == 1
