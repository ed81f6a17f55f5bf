"""A reply is kept when it is there; models that fail in part, or give what is no reply, cost their own turn and no other."""

import sqlite3
import threading
from contextlib import closing

import pytest

from lima.contract.answers import Reply, Sampling
from lima_dialogue_eval import resume_evaluation, run_evaluation
from lima_dialogue_eval.record.log import conversations, find_run, replies, summary

GOOD = Reply("fine", [1], "eot", 0.5, [1, 2])


def evaluate(store, model, **more):
    return run_evaluation(store, "small", model, arm="a", seeds=[0], sampling=Sampling(), **more)


def told(store, id):
    """{(conversation, turn): reply or what went wrong}"""
    return {
        (r["conversation"], r["turn"]): r["reply"] if r["status"] == "answered" else f"{r['status']}: {r['message']}"
        for r in replies(store, id, "requirements")
    }


class OneByOne:
    """Hands over each reply as soon as it is there, and asks for none twice; `act` is called with each (place, reply) before"""

    name = "one by one"

    def __init__(self, act=lambda place, reply: None, lose=()):
        self.act, self.lose, self.asked = act, lose, []

    def reply(self, prompts, settings, seed, on_progress=None, on_reply=None):
        assert on_progress is None
        found = []
        for place, prompt in enumerate(prompts):
            self.asked.append(prompt[-1].content)
            if prompt[-1].content in self.lose:
                self.lose = [one for one in self.lose if one != prompt[-1].content]
                raise ConnectionError("the line is dead")
            found.append(Reply(f"on {prompt[-1].content}", [1], "eot", 0.5, [1]))
            self.act(place, found[-1])
            on_reply(place, found[-1])
        return found


def test_each_reply_is_in_the_database_before_the_next_one_is_there(store):
    def count(place, reply):
        with closing(sqlite3.connect(store.path)) as other:
            seen.append(other.execute("select count(*) from dialogue_turns").fetchone()[0])

    seen, heard = [], []
    id = evaluate(store, OneByOne(count), on_progress=lambda done, total: heard.append((done, total)))
    assert seen == [0, 1, 2, 3, 4]
    assert heard == [(n, 5) for n in range(1, 6)]
    assert told(store, id)["bus", 2] == "on And back?"


def test_a_batch_that_fails_half_way_is_asked_again_only_for_what_did_not_come(store):
    model = OneByOne(lose=["When does it go?"])
    id = evaluate(store, model)
    assert model.asked[:3] == ["How do I make tea?", "When does it go?", "When does it go?"]
    assert len(model.asked) == 6
    assert summary(store, id)["errors"] == 0


def test_an_exception_in_a_place_is_the_error_of_that_conversation_and_nothing_is_asked_twice(store, Model):
    class Partly(Model):
        def reply(self, prompts, *rest):
            found = super().reply(prompts, *rest)
            return [
                TimeoutError("too slow") if p[-1].content == "And back?" else r
                for p, r in zip(prompts, found, strict=True)
            ]

    model = Partly()
    id = evaluate(store, model)
    assert model.calls == [2, 2, 1]
    assert told(store, id)["bus", 2] == "error: TimeoutError: too slow"
    assert [c["status"] for c in conversations(store, id)] == ["complete", "error"]
    assert (summary(store, id)["errors"], summary(store, id)["turns"]) == (1, 4)
    assert resume_evaluation(store, id, Model()) == id
    assert (summary(store, id)["errors"], summary(store, id)["turns"]) == (0, 5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "None; expected a Reply"),
        ("fine", "'fine'; expected a Reply"),
        ({"text": "x" * 200}, f"{repr({'text': 'x' * 200})[:80]} …; expected a Reply"),
        (Reply(None, [], "eot", 0.0, []), "a reply whose text is None; expected text"),
        (Reply(b"fine", [], "eot", 0.0, []), "a reply whose text is b'fine'; expected text"),
        (Reply("fine", [], None, 0.0, []), "a reply whose stop is None; expected text"),
        (Reply("fine", [], "eot", 0.0, [], None), "a reply whose thoughts is None; expected text"),
        (Reply("fine", [0.5], "eot", 0.0, []), "a reply whose ids are [0.5]; expected a list of whole numbers"),
        (Reply("fine", None, "eot", 0.0, []), "a reply whose ids are None; expected a list of whole numbers"),
        (Reply("fine", [], "eot", 0.0, "12"), "a reply whose prompt_ids are '12'; expected a list of whole numbers"),
        (Reply("fine", [], "eot", float("nan"), []), "a reply whose seconds are nan; expected a number"),
        (Reply("fine", [], "eot", "1 s", []), "a reply whose seconds are '1 s'; expected a number"),
    ],
)
def test_what_is_no_reply_is_an_error_of_its_turn(store, Model, given, said):
    class Lies(Model):
        def reply(self, prompts, *rest):
            super().reply(prompts, *rest)
            return [given if p[-1].content == "And back?" else GOOD for p in prompts]

    id = evaluate(store, Lies())
    assert told(store, id)["bus", 2] == f"error: parrot gave {said}"
    assert summary(store, id)["turns"] == 4


@pytest.mark.parametrize("returned", [None, [], [GOOD], [GOOD] * 3, (GOOD for _ in range(7)), 5])
def test_what_is_not_a_reply_for_each_prompt_is_no_reply_at_all(store, Model, returned):
    class Lies(Model):
        def reply(self, prompts, *rest):
            if prompts[0][-1].content == "Is it kind?":
                return returned if returned != [GOOD] else [GOOD] * 2
            return super().reply(prompts, *rest)

    id = evaluate(store, Lies())
    assert told(store, id)["tea", 3].startswith("error: ")
    assert told(store, id)["bus", 2].startswith("And back? after")


def test_replies_may_be_handed_over_by_another_thread_twice_and_contradicted_at_the_end(store):
    class Threads:
        name = "threads"

        def reply(self, prompts, settings, seed, on_progress=None, on_reply=None):
            def work():
                for place in (*range(len(prompts)), 0):
                    on_reply(place, Reply(f"first, {len(prompts)}", [], "eot", 0.0, []))

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            return [Reply("second", [], "eot", 0.0, [])] * len(prompts)

    assert set(told(store, evaluate(store, Threads())).values()) == {"first, 2", "first, 1"}


@pytest.mark.parametrize("place", [2, -1, "0", None, True])
def test_a_place_that_was_not_asked_for_is_the_models_error(store, place):
    class Misplaces(OneByOne):
        def reply(self, prompts, settings, seed, on_progress=None, on_reply=None):
            if len(prompts) == 1:
                return [GOOD]
            on_reply(place, GOOD)

    # Asked alone, it answers.
    assert set(told(store, evaluate(store, Misplaces())).values()) == {"fine"}


def test_what_a_listener_raises_ends_the_run_even_if_the_model_catches_it(store):
    class Catches(OneByOne):
        def reply(self, prompts, settings, seed, on_progress=None, on_reply=None):
            def quiet(place, reply):
                try:
                    on_reply(place, reply)
                except ValueError:
                    caught.append(place)

            return super().reply(prompts, settings, seed, on_progress, quiet)

    def listener(done, total):
        raise ValueError("no room")

    caught = []
    with pytest.raises(ValueError, match="no room"):
        evaluate(store, Catches(), on_progress=listener)
    (run,) = store.rows("select id, status, message from dialogue_runs")
    assert (caught, run["status"], run["message"]) == ([0], "failed", "no room")
    assert len(replies(store, run["id"], "requirements")) == 1  # it was there before the listener heard of it


def test_an_empty_reply_is_a_fail_also_where_the_model_only_thought(store, Model):
    class Thinks(Model):
        def reply(self, prompts, *rest):
            shapes = {
                "How do I make tea?": ("", "water, of course"),
                "Shorter.": (" \n\u200b", ""),
                "Is it kind?": ("", ""),
            }
            said = [shapes.get(p[-1].content, ("nine, ten", "")) for p in prompts]
            return [Reply(text, [], "context" if thoughts else "eot", 0.0, [1], thoughts) for text, thoughts in said]

    id = evaluate(store, Thinks())
    graded = [(r["turn"], r["status"], r["grade"], r["reason"]) for r in replies(store, id, "requirements")][2:]
    assert graded == [(n, "answered", "fail", "The reply is empty.") for n in (1, 2, 3)]
    assert find_run(store, id)["status"] == "done"


def test_progress_is_told_while_a_slow_grader_grades(store, Model, monkeypatch):
    import lima_dialogue_eval.run.evaluation_run as evaluation_run
    import lima_dialogue_eval.run.judging as judging

    monkeypatch.setattr(evaluation_run, "ALIVE_SECONDS", 0.0)
    monkeypatch.setattr(judging, "FLUSH_SECONDS", 0.0)
    heard = []
    evaluate(store, Model(), on_progress=lambda done, total: heard.append(done))
    assert heard == [2, 2, 2, 4, 4, 4, 5, 5]
