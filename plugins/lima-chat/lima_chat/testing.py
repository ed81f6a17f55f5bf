"""The contract of renderers of conversations, for tests of plugins: several answers, and nothing that is lost without a word.

It adds to that of `lima.testing`. Knows nothing of pytest, nor of templates.
"""

from collections.abc import Sequence
from typing import Any

from lima import ChatPrompts, LimaError, PluginFailed, Rendered, as_rows
from lima.testing import RendererContract as CoreRenderer
from lima.testing import check
from lima_chat.conversation import Conversation, Turn

SEVERAL = Conversation(
    id="several",
    source="contract",
    turns=(
        Turn("user", "Why?"),
        Turn("assistant", "So."),
        Turn("user", "And then?"),
        Turn("assistant", "Nothing.", weight=0.25),
        Turn("user", "Are you sure?"),
        Turn("assistant", "Perhaps not.", train=False),
        Turn("user", "What now?"),
        Turn("assistant", "We wait."),
    ),
)
"Three answers that are learnt, one with another weight, and one that is not"

CALL = {"type": "function", "function": {"name": "look_up", "arguments": {"place": "Lima"}}}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "description": "The weather", "parameters": {"type": "object"}},
}
ASKED, ANSWER = Turn("user", "How is the weather?"), Turn("assistant", "It is fine.")
RICH = (
    ("the system turn", "Be short and kind.", (Turn("system", "Be short and kind."), ASKED, ANSWER), ()),
    ("the thoughts", "I look outside.", (ASKED, Turn("assistant", "It is fine.", thoughts="I look outside.")), ()),
    ("the tools", "look_up", (ASKED, ANSWER), (TOOL,)),
    ("a call", "look_up", (ASKED, Turn("assistant", "", tool_calls=(CALL,)), Turn("tool", "Rain."), ANSWER), ()),
    (
        "what a tool answers",
        "Rain.",
        (ASKED, Turn("assistant", "", tool_calls=(CALL,)), Turn("tool", "Rain."), ANSWER),
        (),
    ),
)
"What a conversation may have besides user and assistant: what it is, a text of it, the turns, the tools"


class RendererContract(CoreRenderer):
    """A renderer of conversations; it brings records with several answers, one of which is not learnt"""

    records = (SEVERAL,)

    def unlearnt(self, record: Any) -> Sequence[str]:
        """The answers of turns that are not trained"""
        return [t.content for t in Conversation.of(record).turns if t.role == "assistant" and not t.trained]

    @check("test_masks")
    def test_each_answer_has_the_weight_of_its_turn(self) -> None:
        """Each answer is learnt with the weight of its turn, in the order of the turns"""
        expected = [(turn.content, {turn.weight}) for turn in SEVERAL.turns if turn.trained]
        for at in self.ready:
            rows = as_rows(self.thing.render(SEVERAL, *at))
            found = [(s.text.strip(), {*row.weights[s.start : s.stop]}) for row in rows for s in row.spans]
            assert found == expected, f"it learns {found}; expected {expected}"

    @check("test_messages_prompt_as_in_training", needs=(ChatPrompts,))
    def test_later_answers_prompt_as_in_training(self) -> None:
        """Asked with the turns before an answer, it prompts with the ids with which that answer was trained"""
        for at in self.ready:
            trained = self.thing.prompts(SEVERAL, *at)
            for ids, place in zip(trained, SEVERAL.trained_turns, strict=True):
                asked = self.thing.chat_prompt(SEVERAL.turns[:place], *at)
                assert asked == ids, f"turn {place + 1} is asked with {at.tokenizer.decode(asked)!r}"

    @check("test_masks")
    def test_nothing_is_lost(self) -> None:
        """System turns, thoughts, tools, calls and what tools answer are in the ids, or the conversation is a LimaError"""
        for at in self.ready:
            for what, text, turns, tools in RICH:
                rows = self._rows_or_none(Conversation(id=what, turns=turns, tools=tools), at)
                written = [at.tokenizer.decode(row.ids) for row in rows]
                assert not rows or any(text in one for one in written), f"{what} of a conversation is not in {written}"

    def _rows_or_none(self, record: Conversation, at: Any) -> list[Rendered]:
        try:
            return as_rows(self.thing.render(record, *at))
        except PluginFailed:
            raise
        except LimaError:
            return []
