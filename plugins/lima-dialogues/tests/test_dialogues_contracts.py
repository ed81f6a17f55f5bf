"""The thirty dialogues and the two sets of ten conversations keep the contracts of a source and of an evaluation."""

import lima_chat
import lima_dialogue_eval
import lima_dialogues
from lima.testing import SourceContract
from lima_dialogue_eval.testing import EvaluationContract


class TestDialogues(SourceContract):
    plugin, requires, name = lima_dialogues, (lima_chat, lima_dialogue_eval), "dialogues"


class TestConversations(EvaluationContract):
    plugin, requires, name = lima_dialogues, (lima_chat, lima_dialogue_eval), "dialogues"
    known = True


class TestFurtherConversations(EvaluationContract):
    plugin, requires, name = lima_dialogues, (lima_chat, lima_dialogue_eval), "dialogues-b"
    known = True
