"""Two dialogue runs compared by a judge: each pair of conversations is shown in both orders, and called A, B or neither.

A judge's answer is read as in `ballots`: only lines with the call's code count. Knows nothing of statistics or the command line.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima import LimaError, Reply, Sampling, now, storable
from lima_chat import Turn
from lima_judges.asking import Charges, code_for, hear_all, identity_of
from lima_judges.ballots import lines_of
from lima_judges.judge import OPTIONS, SPEAKERS
from lima_judges.options import check_known, number_of, whole
from lima_judges.quoting import one_line, quoted
from lima_judges.templates import template

if TYPE_CHECKING:
    from lima import Store

Talk = tuple[tuple[str, str], ...]
"Roles and texts of a conversation as it was held"
LABELS = ("1", "2", "neither")
OWN_OPTIONS = {key: text for key, text in OPTIONS.items() if key != "votes"}
"The options of a judge of preferences: both orders are its votes"


@dataclass(frozen=True)
class Pair:
    """The same conversation as A and as B held it"""

    conversation: str
    seed_a: int
    seed_b: int
    a: Talk
    b: Talk


@dataclass(frozen=True)
class Showing:
    """A pair in one of its two orders"""

    pair: Pair
    first: str
    "A or B: which is shown as conversation 1"

    @property
    def key(self) -> tuple[str, int, int, str]:
        return self.pair.conversation, self.pair.seed_a, self.pair.seed_b, self.first

    def talks(self) -> tuple[Talk, Talk]:
        """Conversation 1 and conversation 2"""
        return (self.pair.a, self.pair.b) if self.first == "A" else (self.pair.b, self.pair.a)

    def preferred(self, label: str) -> str:
        """A, B or neither for a label"""
        other = "B" if self.first == "A" else "A"
        return {"1": self.first, "2": other}.get(label, "neither")


class PreferenceJudge:
    """A model that says which of two conversations is better"""

    def __init__(self, model: Any, options: Mapping[str, str]) -> None:
        check_known(options, OWN_OPTIONS, "the judge of a preference")
        self.model = model
        self.attempts = whole(options, "attempts", 3, 1, 20)
        self.sampling = Sampling(
            temperature=number_of(options, "temperature", 0.0),
            top_p=1.0,
            repetition_penalty=1.0,
            max_new_tokens=whole(options, "max_new_tokens", 2048, 1, 1_000_000),
        )
        self.template = template("prefer", options.get("template"))
        probe = Showing(Pair("c", 0, 0, (("user", "PROBE-A"),), (("user", "PROBE-B"),)), "A")
        needed = {"first": quoted("PROBE-A"), "second": quoted("PROBE-B"), "code": "PROBECODE"}
        self.template.check(needed, **_variables(probe, "PROBECODE"))
        self.hash = hashlib.sha256(self.identity().encode("utf-8", "surrogatepass")).hexdigest()

    def identity(self) -> str:
        """All that decides a preference, as text"""
        parts = [identity_of(self.model), self.template.source, f"attempts {self.attempts}", repr(self.sampling)]
        return "\0".join(["preference 1", *parts])

    def prompt(self, showing: Showing, code: str) -> tuple[Turn, ...]:
        """What the model is asked"""
        return (Turn("user", self.template.render(**_variables(showing, code))),)

    def charge_to(self, run: str, purpose: str = "preference") -> None:
        """Whose calls the next ones are, in the table of costs"""
        if isinstance(self.model, Charges):
            self.model.charge_to(run, purpose)

    def judge(self, showings: Sequence[Showing], on_row: Callable[[dict[str, Any]], None]) -> None:
        """Ask about each showing until it is read, or was asked for as often as it may be; `on_row` is given each result"""
        waiting = list(showings)
        for attempt in range(1, self.attempts + 1):
            if waiting:
                waiting = self._ask(waiting, attempt, on_row)

    def _ask(self, waiting: list[Showing], attempt: int, on_row: Callable[[dict[str, Any]], None]) -> list[Showing]:
        """One round; those that could not be read, and are asked again"""
        keys = [(s.pair.conversation, 1 if s.first == "A" else 2, s.pair.seed_a) for s in waiting]
        codes = [
            code_for(self.model, key, [text for talk in s.talks() for _, text in talk])
            for key, s in zip(keys, waiting, strict=True)
        ]
        unread: list[Showing] = []

        def heard(place: int, reply: Reply | Exception) -> None:
            showing, answer, preferred, status = waiting[place], str(reply), None, "error"
            if isinstance(reply, Reply):
                label, _ = lines_of(reply.text, codes[place]).get("BETTER", ("", ""))
                read = label in LABELS
                preferred, status = showing.preferred(label) if read else None, "parsed" if read else "unparsed"
                answer = reply.text
            if status == "unparsed" and attempt < self.attempts:
                unread.append(showing)
                return
            names = ("conversation", "seed_a", "seed_b", "first")
            row = dict(zip(names, showing.key, strict=True))
            row |= {"created": now(), "preferred": preferred, "status": status, "code": codes[place]}
            on_row(row | {"answer": storable(answer)})

        prompts = [self.prompt(showing, code) for showing, code in zip(waiting, codes, strict=True)]
        seeds = [_seed(showing, attempt) for showing in waiting]
        hear_all(self.model, prompts, self.sampling, seeds, keys, heard)
        return unread


def pairs_of(store: "Store", a: dict[str, Any], b: dict[str, Any]) -> tuple[list[Pair], list[str]]:
    """(pairs, what was left out and why) of two dialogue runs; LimaError where they are not of one evaluation

    Seeds are paired in their order. A conversation that had an error on either side is left out."""
    if a["evaluation_hash"] != b["evaluation_hash"]:
        raise LimaError(
            f"Dialogue runs {a['id']} and {b['id']} are of different evaluations ({a['evaluation']!r}, {b['evaluation']!r}), "
            "or of two versions of one: their conversations cannot be compared."
        )
    if a["id"] == b["id"]:
        raise LimaError(f"Both names mean dialogue run {a['id']}. Name two.")
    of_a, of_b = _held(store, a), _held(store, b)
    pairs, left_out = [], []
    for seed_a, seed_b in zip(a["seeds"], b["seeds"], strict=False):
        for conversation in dict.fromkeys(c for c, _ in of_a):
            talk_a, talk_b = of_a.get((conversation, seed_a)), of_b.get((conversation, seed_b))
            if talk_a and talk_b:
                pairs.append(Pair(conversation, seed_a, seed_b, talk_a, talk_b))
            else:
                left_out.append(
                    f"{conversation} (seed {seed_a})" if seed_a == seed_b else f"{conversation} ({seed_a}, {seed_b})"
                )
    if not pairs:
        raise LimaError(
            f"Dialogue runs {a['id']} and {b['id']} have no conversation that was held without an error in both."
        )
    return pairs, left_out


def _held(store: "Store", run: dict[str, Any]) -> dict[tuple[str, int], Talk]:
    """What was said in each conversation and seed of a run; without those that had an error or no reply"""
    from lima_dialogue_eval import conversations, replies

    errors = {(c["conversation"], c["seed"]) for c in conversations(store, run["id"]) if c["status"] == "error"}
    found: dict[tuple[str, int], Talk] = {}
    for row in replies(store, run["id"], run["grader"]):
        key = (row["conversation"], row["seed"])
        if row["reply"] is not None and key not in errors:
            found[key] = (*found.get(key, ()), ("user", row["user"]), ("assistant", row["reply"]))
    return found


def _variables(showing: Showing, code: str) -> dict[str, Any]:
    """What a template is given; all that somebody said is quoted"""
    first, second = (
        [{"speaker": SPEAKERS.get(role, one_line(role)), "text": quoted(text)} for role, text in talk]
        for talk in showing.talks()
    )
    return {"first": first, "second": second, "code": code}


def _seed(showing: Showing, attempt: int) -> int:
    text = "\0".join(map(str, (*showing.key, attempt)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")
