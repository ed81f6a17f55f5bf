"""Conversations held without a store: a second try, too few replies, a system turn."""

from lima.contract.answers import Sampling
from lima_chat import EvalConversation, EvalTurn, Turn
from lima_dialogue_eval.conversation.converse import Dialogue, converse


def test_a_conversation_that_is_alone_is_tried_once_more_too(script, Model):
    class Flaky(Model):
        def reply(self, *arguments):
            found = super().reply(*arguments)
            if len(self.calls) == 2:
                raise ConnectionError("the line is dead")
            return found

    model, alone = Flaky(), Dialogue(script[1], 0)
    assert [[o.status for o in outcomes] for outcomes in converse([alone], model, Sampling())] == [["answered"]] * 2
    assert (model.calls, alone.status) == ([1, 1, 1], "complete")


def test_too_few_replies_are_an_error_of_the_model(script, Model):
    class Short(Model):
        def reply(self, *arguments):
            return super().reply(*arguments)[:-1]

    outcomes = next(iter(converse([Dialogue(c, 0) for c in script], Short(), Sampling())))
    assert [o.message for o in outcomes] == ["ValueError: parrot gave 0 replies to 1 prompts"] * 2


def test_a_system_turn_begins_every_history_and_moves_no_place(Model):
    class Hears(Model):
        def reply(self, prompts, *rest):
            heard.extend(prompts)
            return super().reply(prompts, *rest)

    heard, turns = [], (EvalTurn("Hello."), EvalTurn("And?"))
    told, plain = (Dialogue(EvalConversation("a", "", turns, system), 0) for system in ("Be brief.", ""))
    list(converse([told, plain], Hears(), Sampling()))
    roles = ["system", "user", "assistant", "user", "assistant"]
    assert [[t.role for t in prompt] for prompt in heard] == [roles[:2], roles[1:2], roles[:4], roles[1:4]]
    assert told.history[0] == Turn("system", "Be brief.")
    for dialogue in (told, plain):
        assert [dialogue.before(index) for index in (0, 1)] == [
            p for p in heard if (p[0].role == "system") is (dialogue is told)
        ]
