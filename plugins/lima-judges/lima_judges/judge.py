"""A grader for any evaluation, `judge:MODEL`: a model reads the conversation so far and ticks each requirement with a quote.

The grade follows from the ticks (`votes.RULE`). What a prompt looks like is a template's; how an answer is read is in `ballots`.
Knows nothing of a particular model.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lima import LimaError, Reply, Sampling, Store, Verdict, blank, now, storable
from lima_chat import Turn
from lima_dialogue_eval import TakesLimit, of_batch
from lima_judges.asking import Charges, code_for, hear_all, identity_of
from lima_judges.ballots import Ballot, Unparsed, quotable, read_ballot
from lima_judges.failures import shortened
from lima_judges.options import check_known, divided, joined, number_of, whole
from lima_judges.quoting import new_code, one_line, quoted
from lima_judges.templates import PromptTemplate, template
from lima_judges.votes import CUT, RULE, verdict_of

if TYPE_CHECKING:
    from lima_chat import EvalConversation
    from lima_dialogue_eval import Estimate, GradedTurn

OPTIONS = {
    "votes": "how often each reply is judged (default: 1)",
    "attempts": "how often a vote is asked for until it can be read (default: 3)",
    "temperature": "of the judge (default: 0; 0.7 with several votes)",
    "max_new_tokens": "longest answer of the judge (default: 2048)",
    "template": "a Jinja file in place of the prompt that comes with the plugin",
}
"The options of `judge:MODEL?…`, and what each is"
A_TICK, AN_ANSWER = 60, 120
"Tokens that a judge is taken to write about one requirement, and besides"
SPEAKERS = {"system": "Instructions to the assistant", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def split_options(argument: str) -> tuple[str, dict[str, str]]:
    """(the model, the judge's own options); other options are the model's"""
    rest, options = divided(argument)
    own = {key: value for key, value in options.items() if key in OPTIONS}
    return joined(rest, {key: value for key, value in options.items() if key not in own}), own


class Judges:
    """`judge:MODEL`, a model that grades"""

    description = "a model reads the conversation and ticks each requirement with a quote: judge:MODEL of `lima models`"

    def open(self, argument: str | None, store: Store, trust_remote_code: bool = False) -> "Judge":
        """The judge; code of a folder runs only with `trust_remote_code`

        LimaError for a model, an option or a template that cannot be used."""
        from lima import open_model

        if not argument:
            raise LimaError(
                "Name the model that judges: judge:MODEL, such as judge:openai:http://127.0.0.1:8000/v1#qwen."
            )
        spec, options = split_options(argument)
        return Judge(open_model(spec, store, trust_remote_code), options, store)


class Judge:
    """One model as a judge"""

    def __init__(self, model: Any, options: Mapping[str, str], store: Store | None = None) -> None:
        check_known(options, OPTIONS, "judge:MODEL")
        self.model, self.store = model, store
        self.votes = whole(options, "votes", 1, 1, 25)
        self.attempts = whole(options, "attempts", 3, 1, 20)
        self.sampling = Sampling(
            temperature=number_of(options, "temperature", 0.0 if self.votes == 1 else 0.7),
            top_p=1.0,
            repetition_penalty=1.0,
            max_new_tokens=whole(options, "max_new_tokens", 2048, 1, 1_000_000),
        )
        if self.votes > 1 and self.sampling.temperature == 0:
            raise LimaError(f"At temperature 0 the {self.votes} votes are the same: leave one of the two options out.")
        self.template = template("judge", options.get("template"))
        self._check_template()
        self.run = ""
        self.hash = hashlib.sha256(self.identity().encode("utf-8", "surrogatepass")).hexdigest()

    def _check_template(self) -> None:
        probe = {"text": "PROBE-REQUIREMENT", "must": True}
        variables = prompt_variables([("user", "PROBE-HISTORY")], "PROBE-REPLY", [probe], {}, "eot", "PROBECODE")
        needed = {"code": "PROBECODE", "reply": quoted("PROBE-REPLY"), "turns": quoted("PROBE-HISTORY")}
        self.template.check({**needed, "requirements": "PROBE-REQUIREMENT"}, **variables)

    def identity(self) -> str:
        """All that decides a verdict, as text: the model, the template, the options and the rules"""
        parts = [identity_of(self.model), self.template.source, f"votes {self.votes}, attempts {self.attempts}"]
        return "\0".join(["judge 1", *parts, repr(self.sampling), RULE])

    def charge_to(self, run: str, purpose: str = "judge") -> None:
        """Which run the next verdicts are for, in the tables of votes and costs"""
        self.run = run
        if isinstance(self.model, Charges):
            self.model.charge_to(run, purpose)

    def limit_to(self, budget: str) -> bool:
        """How much the command may spend, the judge's model included; whether that spends anything"""
        return isinstance(self.model, TakesLimit) and self.model.limit_to(budget)

    def estimate_verdicts(self, turns: "Sequence[GradedTurn]") -> "Estimate":
        """What verdicts on these turns take, if every vote can be read at once; asks nothing"""
        total = of_batch(self.model, [], 0)
        for turn in turns:
            prompt = prompt_for(self.template, turn, new_code([]))
            total += of_batch(self.model, [prompt] * self.votes, AN_ANSWER + A_TICK * len(_requirements(turn)))
        return total

    def verify(self, conversations: "Sequence[EvalConversation]") -> None:
        """LimaError for a requirement that cannot be shown to a judge, before anything is asked"""
        for conversation in conversations:
            for number, turn in enumerate(conversation.turns, 1):
                for requirement in turn.requirements:
                    if not isinstance(requirement, dict) or not str(requirement.get("text", "")).strip():
                        raise LimaError(
                            f"Conversation {conversation.id!r}, turn {number}: a requirement is {requirement!r}; expected an "
                            "object with 'text', and optionally 'must' and 'quote'."
                        )
                    for key in ("must", "quote"):
                        if not isinstance(requirement.get(key, True), bool):
                            raise LimaError(
                                f"Conversation {conversation.id!r}, turn {number}: {key!r} of {requirement['text']!r} is "
                                f"{requirement[key]!r}; expected true or false."
                            )

    def grade(self, turn: "GradedTurn") -> Verdict:
        """The verdict on one reply"""
        found: list[Verdict] = []
        self.grade_all([turn], lambda _, verdict: found.append(verdict))
        return found[0]

    def grade_all(self, turns: "Sequence[GradedTurn]", on_verdict: Callable[[int, Verdict], None]) -> None:
        """Verdicts on many replies, asked for together; `on_verdict` is given each with its index once its votes are in"""
        Sitting(self, turns, on_verdict).hold()


class Sitting:
    """One batch under way: which votes are in, and which are still to be asked for"""

    def __init__(self, judge: Judge, turns: "Sequence[GradedTurn]", on_verdict: Callable[[int, Verdict], None]) -> None:
        self.judge, self.turns, self.on_verdict = judge, turns, on_verdict
        self.ballots: dict[int, list[Ballot]] = {i: [] for i in range(len(turns))}
        self.problems: dict[int, list[str]] = {i: [] for i in range(len(turns))}

    def hold(self) -> None:
        """Ask until every vote is read, or was asked for as often as it may be"""
        waiting = []
        for index, turn in enumerate(self.turns):
            if blank(turn.reply):
                self.on_verdict(index, Verdict("fail", "The reply is empty."))
            else:
                waiting += [(index, vote) for vote in range(self.judge.votes)]
        for attempt in range(1, self.judge.attempts + 1):
            if not waiting:
                return
            waiting = self._ask(waiting, attempt)

    def _ask(self, waiting: list[tuple[int, int]], attempt: int) -> list[tuple[int, int]]:
        """One round; the votes that could not be read, and are asked for again"""
        judge, unread = self.judge, []
        keys = [(self.turns[i].conversation.id, self.turns[i].index + 1, vote) for i, vote in waiting]
        codes = [code_for(judge.model, key, _shown(self.turns[i])) for (i, _), key in zip(waiting, keys, strict=True)]
        prompts = [prompt_for(judge.template, self.turns[i], code) for (i, _), code in zip(waiting, codes, strict=True)]

        def heard(place: int, reply: Reply | Exception) -> None:
            (index, vote), code = waiting[place], codes[place]
            found = self._read(self.turns[index], code, reply)
            self._note(index, (vote, attempt, code), reply, found)
            if isinstance(found, Ballot):
                self.ballots[index].append(found)
            elif isinstance(found, Unparsed) and attempt < judge.attempts:
                unread.append((index, vote))
                return
            else:
                self.problems[index].append(shortened(str(found)) or type(found).__name__)
            if len(self.ballots[index]) + len(self.problems[index]) == judge.votes:
                turn = self.turns[index]
                self.on_verdict(
                    index, verdict_of(self.ballots[index], self.problems[index], _requirements(turn), turn.stop)
                )

        seeds = [_seed(self.turns[index], vote, attempt) for index, vote in waiting]
        hear_all(judge.model, prompts, judge.sampling, seeds, keys, heard)
        return sorted(unread)

    def _read(self, turn: "GradedTurn", code: str, reply: Reply | Exception) -> "Ballot | Exception":
        if isinstance(reply, Exception):
            return reply
        try:
            return read_ballot(reply.text, code, _requirements(turn), turn.reply)
        except Unparsed as e:
            cut = f" (its answer was cut off: {reply.stop})" if reply.stop in CUT else ""
            return Unparsed(f"the judge's answer has no verdict: {e}{cut}")

    def _note(self, index: int, call: tuple[int, int, str], reply: Reply | Exception, found: object) -> None:
        """Write down what the judge answered, word for word"""
        store, turn = self.judge.store, self.turns[index]
        if store is None or store.readonly:
            return
        ballot = found if isinstance(found, Ballot) else None
        ticks = [{"requirement": t.requirement, "met": t.met, "quote": t.quote} for t in ballot.ticks] if ballot else []
        with store.write() as db:
            db.table("judge_votes").insert(
                {
                    "created": now(),
                    "judge": str(self.judge.model.name),
                    "judge_hash": self.judge.hash,
                    "run": self.judge.run,
                    "conversation": turn.conversation.id,
                    "turn": turn.index + 1,
                    "reply_hash": hashlib.sha256(turn.reply.encode("utf-8", "surrogatepass")).hexdigest(),
                    **dict(zip(("vote", "attempt", "code"), call, strict=True)),
                    "status": "parsed" if ballot else "unparsed" if isinstance(found, Unparsed) else "error",
                    "overall": ballot.overall if ballot else None,
                    "ticks": json.dumps(ticks, ensure_ascii=False) if ballot else None,
                    "answer": storable(reply.text if isinstance(reply, Reply) else str(reply)),
                }
            )


def prompt_for(prompts: PromptTemplate, turn: "GradedTurn", code: str) -> tuple[Turn, ...]:
    """What a judge is asked about a turn"""
    variables = prompt_variables(_said_before(turn), turn.reply, _requirements(turn), _facts(turn), turn.stop, code)
    return (Turn("user", prompts.render(**variables)),)


def prompt_variables(
    history: Sequence[tuple[str, str]],
    reply: str,
    requirements: Sequence[dict[str, Any]],
    facts: Mapping[str, Any],
    stop: str,
    code: str,
) -> dict[str, Any]:
    """What a template is given; all that somebody said is quoted, and requirements are on one line each"""
    return {
        "turns": [{"speaker": SPEAKERS.get(role, one_line(role)), "text": quoted(text)} for role, text in history],
        "reply": quoted(reply),
        "requirements": [
            {
                "name": f"R{number}",
                "text": one_line(str(r["text"])),
                "must": bool(r.get("must", True)),
                "quote": quotable(r),
            }
            for number, r in enumerate(requirements, 1)
        ],
        "facts": quoted(json.dumps(facts, ensure_ascii=False, indent=1, default=str)) if facts else "",
        "cut": stop in CUT,
        "code": code,
    }


def _requirements(turn: "GradedTurn") -> Sequence[dict[str, Any]]:
    return turn.conversation.turns[turn.index].requirements


def _facts(turn: "GradedTurn") -> Mapping[str, Any]:
    return turn.conversation.turns[turn.index].facts


def _said_before(turn: "GradedTurn") -> list[tuple[str, str]]:
    """Roles and texts before the reply, what the model was told before all else first"""
    said = [(t.role, t.content) for t in turn.history]
    system = turn.conversation.system
    return [("system", system), *said] if system and said[:1] != [("system", system)] else said


def _shown(turn: "GradedTurn") -> list[str]:
    """All texts that a judge is shown"""
    texts = [text for _, text in _said_before(turn)] + [
        turn.reply,
        json.dumps(_facts(turn), ensure_ascii=False, default=str),
    ]
    return [*texts, *(str(r["text"]) for r in _requirements(turn))]


def _seed(turn: "GradedTurn", vote: int, attempt: int) -> int:
    """A function of the turn, the vote and the attempt, and of nothing else"""
    text = f"{turn.conversation.id}\0{turn.index}\0{vote}\0{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")
