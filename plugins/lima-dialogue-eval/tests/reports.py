"""What tests of the report look at: the words and the data of a page, runs that have everything, and texts that would do harm."""

import html
import json
import re

from lima_dialogue_eval.record.log import DialogueLog
from lima_dialogue_eval.statistics import PRIMARY

HOSTILE = [
    "<script>document.title = 'owned'</script>",
    "</div></template></style></script></textarea><img src=x onerror=\"document.title='owned'\">",
    "{{ 7 * 7 }}{% raw %} &lt;b&gt; &amp; <!-- <script> ]]>",
    "red \x1b[31m alarm\x07 \x9b2J",
    "user\u202etxt.exe\u2066 \u200bhidden \ufeff\U000e0041\u2028next\u00ad",
    "\ud800 lone",
    "👩‍👩‍👧 ❤️ नमस्ते \tשלום",
    'javascript:document.title="owned" \\" \\u003cscript\\u003e "},{"turn":',
]

NAMES = {"E": "excellent", "P": "pass", "F": "fail", "U": None}


def words_of(page):
    """The words of a page, without its style, script and data"""
    return " ".join(
        html.unescape(re.sub("<style.*?</style>|<script.*?</script>|<[^>]*>", " ", page, flags=re.S)).split()
    )


def data_of(page):
    """What the page's script has: the index, and the dialogues of each conversation, with texts as they are shown"""
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)
    index, *conversations = (unmarked(json.loads(block)) for block in blocks)
    return index, conversations


def unmarked(value):
    if isinstance(value, dict):
        return "".join(value["marked"]) if "marked" in value else {k: unmarked(v) for k, v in value.items()}
    return [unmarked(v) for v in value] if isinstance(value, list) else value


def replies_of(conversations):
    """Every reply that is there, in the order of the page"""
    return [r for dialogues in conversations for d in dialogues for turn in d["turns"] for r in turn["replies"] if r]


class Study:
    """Two dialogue runs, written row by row, that have everything which a report shows"""

    def __init__(self, store, model):
        self.store, self.model = store, model

    def run(self, id, grades, text=None, **values):
        """`grades`: {conversation: {seed: letters}}; `text(conversation, turn)` is said, graded, quoted and complained of"""
        said = text or (lambda conversation, turn: f"{id} says {conversation} {turn}")
        log, places = DialogueLog(self.store, id), [(c, s) for c in grades for s in grades[c]]
        row = {
            "evaluation": "small", "evaluation_hash": "h" * 64, "model": self.model, "arm": id, "seeds": "[0, 1]",
            "sampling": json.dumps({"temperature": 0.7}), "grader": "judge", "grader_hash": "a" * 64, "primary_test": PRIMARY,
            "plugins": "[]", "environment": "{}",
        } | values  # fmt: skip
        log.start(
            row, [{"conversation": c, "seed": s, "topic": self.topic(c), "turns": len(grades[c][s])} for c, s in places]
        )
        turns = [self.turn(said(c, n), c, s, n) for c, s in places for n in range(1, len(grades[c][s]) + 1)]
        log.turns(turns, [{"conversation": c, "seed": s, "status": "complete", "message": ""} for c, s in places])
        log.grades(
            self.grade(turn, NAMES[grades[turn["conversation"]][turn["seed"]][turn["turn"] - 1]]) for turn in turns
        )
        log.mark("done", "", 1.0)
        return log

    def topic(self, conversation):
        return f"About {conversation}"

    def turn(self, text, conversation, seed, turn):
        ids = list(range(20, 24 + 4 * turn))
        return {
            "conversation": conversation, "seed": seed, "turn": turn, "kind": text[:500], "user": f"turn {turn}: {text[:500]}",
            "requirements": json.dumps([{"text": text[:500], "check": {text[:500]: 1}}, {"text": "short", "must": False}]),
            "reply": text,
            "thoughts": text[:500], "prompt_ids": json.dumps(ids), "stop": "eot", "seconds": 0.5, "status": "answered",
            "message": "",
        }  # fmt: skip

    def grade(self, turn, grade, **values):
        text = turn["reply"][:500]
        key = {name: turn[name] for name in ("conversation", "seed", "turn")}
        ticks = json.dumps([{"requirement": text, "met": True, "quote": text}])
        status = "graded" if grade else "undecided"
        return {
            **key,
            "grader": "judge",
            "grader_hash": "a" * 64,
            "grade": grade,
            "reason": text,
            "status": status,
            "ticks": ticks,
            **values,
        }
