"""The grader `requirements` keeps the contract of a grader of turns."""

import lima_chat
import lima_dialogue_eval
from lima import GradesTurns
from lima_chat import EvalTurn
from lima_dialogue_eval.testing import GraderContract


class TestRequirements(GraderContract):
    plugin, requires = lima_dialogue_eval, (lima_chat,)
    name = "requirements"
    abilities = (GradesTurns,)
    asked = EvalTurn(
        "How do I boil an egg?",
        (
            {"text": "says how long", "check": {"contains_any": ["seven", "7"]}},
            {"text": "short", "check": {"max_words": 30}},
        ),
        "opening",
    )
    good = ("For seven minutes in boiling water.",)
    bad = ("As long as you like.",)
