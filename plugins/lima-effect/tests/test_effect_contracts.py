"""The source `effect` keeps the contract of a source."""

import lima_chat
import lima_dialogue_eval
import lima_dialogues
import lima_effect
from lima.testing import SourceContract


class TestSingles(SourceContract):
    plugin, requires = lima_effect, (lima_chat, lima_dialogue_eval, lima_dialogues)
    name = "effect"
    argument = "singles/1/3/0/dialogues"


class TestFake(TestSingles):
    argument = "fake/1/3/0/dialogues"
