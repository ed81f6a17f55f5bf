"""An evaluation with replies of known grades, and graders of every kind to test on it."""

from types import SimpleNamespace

from lima import Verdict, hookimpl
from lima_chat import EvalConversation, EvalTurn, known_replies


def requirement(*texts, **check):
    return {"text": "says it", "check": {"contains_all": list(texts)} | check}


TEA = EvalConversation(
    "tea",
    "Making tea",
    (
        EvalTurn("How do I make tea?", (requirement("water"),), "opening"),
        EvalTurn("And with milk?", (requirement("milk"), {"text": "is kind"}), "follow-up"),
        EvalTurn("Say hello to my aunt.", (requirement("aunt"),), null={"echo": "as it is asked for"}),
    ),
    system="You are brief.",
)
BUS = EvalConversation("bus", "Catching a bus", (EvalTurn("When does it go?", (requirement("nine"),), "opening"),))
FILES = (
    {
        "conversation": "tea",
        "author": "one",
        "licence": "CC0-1.0",
        "saw_checks": True,
        "replies": [
            {"turn": 1, "grade": "excellent", "reply": "Pour boiling water over the leaves."},
            {"turn": 1, "grade": "fail", "flaw": "talk", "reply": "Tea is loved the world over."},
            {
                "turn": 1,
                "grade": "fail",
                "flaw": "cruel",
                "why": "it scalds",
                "reply": "Pour water\x1b[31m on your hand.",
            },
            {"turn": 2, "grade": "pass", "reply": "Milk comes last."},
            {"turn": 2, "grade": "fail", "flaw": "nonsense", "reply": "Milk is the tea of the moon."},
            {"turn": 3, "grade": "excellent", "reply": "Hello, dear aunt!"},
        ],
    },
    {
        "conversation": "bus",
        "author": "two",
        "licence": "CC0-1.0",
        "saw_checks": False,
        "replies": [
            {"turn": 1, "grade": "excellent", "reply": "At 9."},  # a false alarm of the check
            {"turn": 1, "grade": "fail", "flaw": "wrong value", "reply": "At eleven."},
        ],
    },
)
KNOWN = [known for data in FILES for known in known_replies(data, "a file")]
GRADES = {known.reply: known.grade for known in KNOWN}


class Right:
    """Knows every grade"""

    description = "always right"

    def grade(self, turn):
        return Verdict(GRADES.get(turn.reply, "fail"), "as it is known")


class Liar(Right):
    """Says the opposite"""

    def grade(self, turn):
        return Verdict("excellent" if GRADES.get(turn.reply, "fail") == "fail" else "fail", "\x1b[2J a lie")


class Shrug(Right):
    """Is undecided about everything"""

    def grade(self, turn):
        return Verdict(None, "who knows", "undecided")


class Crash(Right):
    """Crashes on every second reply, until it is repaired"""

    def __init__(self):
        self.calls, self.broken = [], True

    def grade(self, turn):
        self.calls.append(turn)
        if self.broken and len(self.calls) % 2:
            raise ConnectionError("no answer")
        return super().grade(turn)


class Many(Right):
    """Grades all at once, backwards, leaves out the first, says one twice and one that is not a grade"""

    def grade_all(self, turns, on_verdict):
        for position in reversed(range(1, len(turns))):
            on_verdict(position, Verdict("good", "") if position == 2 else self.grade(turns[position]))
        on_verdict(1, Verdict("fail", "a second time"))
        raise ConnectionError("no answer to the first")


class Plugin:
    """The evaluation and the graders"""

    def __init__(self):
        self.graders = {"right": Right(), "liar": Liar(), "shrug": Shrug(), "crash": Crash(), "many": Many()}

    @hookimpl
    def register_graders(self, register):
        for name, grader in self.graders.items():
            register(name, grader)

    @hookimpl
    def register_evaluations(self, register):
        thing = {"description": "tea and a bus", "licence": "CC0-1.0", "grader": "requirements"}
        register("tested", SimpleNamespace(**thing, conversations=lambda: [TEA, BUS], known_replies=lambda: KNOWN))
        register("untested", SimpleNamespace(**thing, conversations=lambda: [TEA, BUS]))
