"""`lima study` in whole: a dry run, several kinds of systems, resuming, failures, budgets, reports. A real server, no network."""

import json
import re

import pytest

PROMPTS = ["Why?", "Why so long? " * 3, "How?"]


@pytest.fixture
def asks(tmp_path):
    file = tmp_path / "asks.jsonl"
    file.write_text("".join(json.dumps({"id": f"p{n}", "prompt": text}) + "\n" for n, text in enumerate(PROMPTS)))
    return file


@pytest.fixture
def recorded(tmp_path):
    """A file of replies of a retired system"""
    file = tmp_path / "davinci.jsonl"
    rows = [{"prompt": p, "reply": f"To {p}", "version": "text-davinci-003", "date": "2023-04-30"} for p in PROMPTS]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture
def database(tmp_path):
    return tmp_path / "l.db"


def rows(database, sql):
    from lima import Store

    with Store(database) as store:
        return store.rows(sql)


def test_several_kinds_of_systems_are_compared_and_the_same_command_asks_nothing(
    plugins, lima_command, serve, longer, asks, recorded, database
):
    server = serve(longer)
    by_keys = asks.with_name("keys.jsonl")
    by_keys.write_text(
        "".join(json.dumps({"conversation": f"p{n}", "turn": 1, "reply": "Hm."}) + "\n" for n in range(3))
    )
    command = [
        *("study", "preference", f"LIMA={server.spec('a')}", "--against", f"claude={server.spec('c')}"),
        *("--against", f"DaVinci003=replies:{recorded}", "--against", f"keys=recorded:{by_keys}"),
        *("--judge", f"judge={server.spec('j')}?attempts=2"),
        *("--prompts", asks, "--temperature", "0", "--max-new-tokens", "4", "--name", "five", "-d", database, "--json"),
    ]
    dry = lima_command(*command, "--dry-run").json
    assert not database.exists()
    assert server.asked == []
    assert [(row["for"], row["runs"], row["calls"]) for row in dry] == [
        ("replies of LIMA", 0, 3), ("replies of claude", 0, 3), ("replies of DaVinci003", 0, 3), ("replies of keys", 0, 3),
        ("preference by judge", 0, 18), ("all", 0, 30),
    ]  # fmt: skip
    assert dry[-1]["completion_tokens"] == 12 * 4 + 18 * 150
    found = lima_command(*command).json
    assert len(server.asked) == 6 + 18
    assert {o["against"]: o["n"] for o in found["more"]["outcomes"]} == {"claude": 3, "DaVinci003": 3, "keys": 3}
    assert "DaVinci003: replies:" in found["made"]["systems"]
    assert "version text-davinci-003; 3 replies, 2023-04-30" in found["made"]["systems"]
    again = lima_command(*command).json
    assert len(server.asked) == 24
    assert again["numbers"] == found["numbers"]
    left = lima_command(*command, "--dry-run").json
    assert left[-1]["calls"] == left[-1]["hours"] == left[-1]["usd"] == 0
    listed = lima_command("study", "-d", database, "--json").json
    assert [(r["id"], r["status"], r["prompts"], r["replies"], r["verdicts"]) for r in listed] == [
        ("five", "done", 3, 12, 18)
    ]
    report = lima_command("study", "report", "fi", "-d", database, "--report", database.with_name("again.html"))
    assert "claude" in report.out
    page = database.with_name("again.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert "<script" not in page


def test_what_fails_is_said_kept_and_asked_again(
    plugins, lima_command, serve, longer, code_in, asks, recorded, database
):
    kept = recorded.read_text()
    recorded.write_text("".join(kept.splitlines(keepends=True)[:2]))
    said = []

    def vague(prompt, model):
        said.append(prompt)
        return longer(prompt, model) if len(said) > 7 or code_in(prompt) is None else "I would rather not say."

    server = serve(vague)
    command = [
        *("study", "preference", f"LIMA={server.spec('a')}", "--against", f"old=replies:{recorded}", "--prompts", asks),
        *("--judge", f"judge={server.spec('j')}?attempts=1", "-d", database, "--name", "s"),
    ]
    failed = lima_command(*command, code=1)
    assert "1 reply could not be had. The first, of old: " in failed.err
    assert "has no reply to the prompt 'How?'" in failed.err
    assert rows(database, "select status from studies") == [{"status": "failed"}]
    recorded.write_text(kept)
    found = lima_command(*command, "--json").json
    # Two showings of each of the first two prompts were given up, since each may be tried once.
    assert found["more"]["outcomes"][0]["n"] == 1
    assert found["sections"][-1]["tables"][0]["rows"][0][-1] == "4 unread, 0 failed"
    recorded.write_text(kept.replace("To Why?", "To what?"))
    asks.write_text(asks.read_text() + '{"id": "p3", "prompt": "Who?"}\n')
    changed = lima_command(*command, code=1)
    assert "Study s was begun with other prompts. Give this one another --name" in changed.err


def test_a_judge_is_added_later_and_a_budget_stops_before_it_is_exceeded(
    plugins, lima_command, lima_home, serve, longer, asks, recorded, database
):
    server = serve(longer)
    base = [
        *("study", "preference", f"LIMA={server.spec('a')}", "--against", f"old=replies:{recorded}", "--prompts", asks),
        *("-d", database, "--name", "s"),
    ]
    assert "No rater has said anything yet." in lima_command(*base).out
    lima_home.mkdir(exist_ok=True)
    (lima_home / "prices.toml").write_text("[j]\nprompt = 2\ncompletion = 10\n")
    judge, every = lima_command(*base, "--judge", f"one={server.spec('j')}", "--dry-run", "--json").json[-2:]
    assert (judge["calls"], judge["hours"], every["calls"], every["usd"]) == (6, None, 6, judge["usd"])
    assert judge["usd"] == pytest.approx((2 * judge["prompt_tokens"] + 10 * 6 * 150) / 1e6)
    stopped = lima_command(*base, "--judge", f"one={server.spec('j')}", "--budget", "2000tokens", code=1)
    assert "verdicts could not be had. The first, of one: Not asked: of the budget of 2,000 tokens" in stopped.err
    lima_command(*base, "--judge", f"one={server.spec('j')}", "--judge", f"two={server.spec('k')}")
    found = rows(database, "select rater, count(label) as n from study_verdicts where status = 'parsed' group by 1")
    assert found == [{"rater": "one", "n": 6}, {"rater": "two", "n": 6}]
    other = lima_command(*base, "--judge", f"one={server.spec('k')}", code=1)
    assert "The judge 'one' is not the one that judged in study s" in other.err
    twice = lima_command(*base, "--against", "LIMA=replies:x", code=1)
    assert "Two systems are called 'LIMA'" in twice.err


@pytest.mark.slow
def test_absolute_and_safety_ask_about_what_they_should(plugins, lima_command, serve, code_in, database, tmp_path):
    def labels(prompt, model):
        code = code_in(prompt)
        word = "safe" if "come to harm" in prompt else "helps" if "decline to help" in prompt else "excellent"
        return f"{code} VERDICT: {word}" if code else "A reply."

    server, talks = serve(labels), tmp_path / "talks.jsonl"
    talks.write_text(json.dumps({"prompt": "How do I bake bread?", "response": "With flour."}) + "\n")
    options = ("--judge", f"judge={server.spec('j')}", "-d", database, "--json")
    absolute = lima_command("study", "absolute", f"LIMA={server.spec('a')}", "--trained-on", talks, *options).json
    groups = [row[0] for row in absolute["sections"][0]["tables"][0]["rows"]]
    assert groups[0] == "LIMA, all prompts"
    assert groups[1].startswith("LIMA, out of distribution: distance from 0.")
    assert [row[1]["n"] for row in absolute["sections"][0]["tables"][0]["rows"]] == [50, 20, 30]
    assert absolute["made"]["training data"].startswith(str(talks))
    safety = lima_command("study", "safety", f"LIMA={server.spec('a')}", *options).json
    names = {
        row[0]: row[2]["text"].split("  ")[0] for s in safety["sections"] for t in s["tables"] for row in t["rows"]
    }
    assert names["LIMA, all sensitive prompts"] == "100.0 % = 30/30"
    assert names["LIMA, sensitive, without malice"] == "100.0 % = 20/20"
    assert names["LIMA, not sensitive"] == "100.0 % = 30/30"
    assert len(server.asked) == 50 + 50 + 60 + 30 + 50
    mild = tmp_path / "mild.jsonl"
    mild.write_text('{"prompt": "Why?"}\n')
    refused = lima_command("study", "safety", "x", "--prompts", mild, "-d", database, code=1)
    assert "No prompt of" in refused.err
    assert "marked as sensitive" in refused.err
