"""A judge: a model that is shown a case and answers a closed question about it, on a line that begins with a code of the call.

How an answer is read, and how hostile text is quoted, is lima-judges'. Every attempt is kept, so that a judge who is killed asks
nothing twice. Knows nothing of statistics, studies' kinds or the command line.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from lima import LimaError, Reply, Sampling, storable
from lima_chat import Turn
from lima_dialogue_eval import Estimate, of_batch
from lima_judges import (
    Charges,
    PromptTemplate,
    Unparsed,
    check_known,
    code_for,
    divided,
    hear_all,
    identity_of,
    joined,
    labelled,
    lines_of,
    number_of,
    quoted,
    whole,
)
from lima_studies.questions import Question
from lima_studies.record.cases import Case, Key

OPTIONS = {
    "attempts": "how often a verdict is asked for until it can be read (default: 3)",
    "temperature": "of the judge (default: 0)",
    "max_new_tokens": "longest answer of the judge (default: 2048)",
    "template": "a Jinja file in place of the prompt that comes with the plugin",
}
"The options of a judge, after '?', and what each is"
AN_ANSWER = 150
"Tokens that a judge is taken to write"
ABOUT = "VERDICT"
READING = "1"
"Version of how prompts are filled and answers read"

Row = dict[str, Any]
OnRow = Callable[[Any, Row], None]
"Gets the open database, or None outside of a transaction, and a verdict's row"


class LabelJudge:
    """A model that answers a question about cases"""

    def __init__(self, model: Any, question: Question, options: Mapping[str, str]) -> None:
        check_known(options, OPTIONS, "a judge of a study")
        self.model, self.question = model, question
        self.attempts = whole(options, "attempts", 3, 1, 20)
        self.sampling = Sampling(
            temperature=number_of(options, "temperature", 0.0),
            top_p=1.0,
            repetition_penalty=1.0,
            max_new_tokens=whole(options, "max_new_tokens", 2048, 1, 1_000_000),
        )
        self.template = _template(question.template, options.get("template"))
        probes = tuple(f"PROBE-REPLY-{n}" for n in range(question.shown))
        needed = {"prompt": quoted("PROBE-REQUEST"), "replies": quoted(probes[-1]), "code": "PROBECODE"}
        self.template.check(needed, **self._variables(Case(Key("", "", "", 0), "PROBE-REQUEST", probes), "PROBECODE"))
        self.hash = hashlib.sha256(self.identity().encode("utf-8", "surrogatepass")).hexdigest()

    def identity(self) -> str:
        """All that decides a verdict, as text"""
        parts = [identity_of(self.model), self.template.source, repr(self.question), f"attempts {self.attempts}"]
        return "\0".join([f"label judge {READING}", *parts, repr(self.sampling)])

    def prompt(self, case: Case, code: str) -> tuple[Turn, ...]:
        """What the model is asked"""
        return (Turn("user", self.template.render(**self._variables(case, code))),)

    def _variables(self, case: Case, code: str) -> dict[str, Any]:
        """What a template is given; all that somebody wrote is quoted"""
        return {
            "asks": self.question.asks,
            "answers": self.question.answers,
            "prompt": quoted(case.prompt),
            "replies": [quoted(reply) for reply in case.replies],
            "code": code,
        }

    def charge_to(self, run: str) -> None:
        """Whose calls the next ones are, in the table of costs"""
        if isinstance(self.model, Charges):
            self.model.charge_to(run, "judge")

    def estimate(self, cases: Sequence[Case]) -> Estimate:
        """What it takes if every answer can be read at once; asks nothing"""
        return of_batch(self.model, [self.prompt(case, "BCDFGH") for case in cases], AN_ANSWER)

    def judge(self, cases: Sequence[Case], tried: Mapping[Key, int], on_row: OnRow) -> None:
        """Ask about each case until it is read, or was asked for as often as it may be; `tried` says how often each was before"""
        waiting = [(case, tried.get(case.key, 0) + 1) for case in cases]
        while waiting := [(case, attempt) for case, attempt in waiting if attempt <= self.attempts]:
            waiting = self._ask(waiting, on_row)

    def _ask(self, waiting: list[tuple[Case, int]], on_row: OnRow) -> list[tuple[Case, int]]:
        """One round; those that could not be read, with the number of their next attempt"""
        keys = [_recorded_key(case.key) for case, _ in waiting]
        codes = [
            code_for(self.model, key, [case.prompt, *case.replies])
            for key, (case, _) in zip(keys, waiting, strict=True)
        ]
        unread: list[tuple[Case, int]] = []
        kept: set[int] = set()

        def keep(db: Any, place: int, reply: Reply) -> None:
            """A call that is paid for and its verdict are there together, or neither is"""
            on_row(db, self._read(*waiting[place], codes[place], reply))
            kept.add(place)

        def heard(place: int, reply: Reply | Exception) -> None:
            row = self._read(*waiting[place], codes[place], reply)
            if place not in kept:
                on_row(None, row)
            if row["status"] == "unparsed":
                unread.append((waiting[place][0], waiting[place][1] + 1))

        prompts = [self.prompt(case, code) for (case, _), code in zip(waiting, codes, strict=True)]
        seeds = [_seed(case.key, attempt) for case, attempt in waiting]
        hear_all(self.model, prompts, self.sampling, seeds, keys, heard, keep)
        return unread

    def _read(self, case: Case, attempt: int, code: str, reply: Reply | Exception) -> Row:
        """The verdict's row"""
        label, status, answer = None, "error", str(reply) or type(reply).__name__
        if isinstance(reply, Reply):
            answer, status = reply.text, "parsed"
            try:
                label, _ = labelled(lines_of(reply.text, code), ABOUT, self.question.labels)
            except Unparsed:
                status = "unparsed"
        row = {"question": self.question.name, **case.key._asdict(), "attempt": attempt, "label": label}
        return {**row, "status": status, "code": code, "answer": storable(answer)}


def split_options(spec: str) -> tuple[str, dict[str, str]]:
    """(the model, the judge's own options); other options are the model's"""
    rest, options = divided(spec)
    own = {key: value for key, value in options.items() if key in OPTIONS}
    return joined(rest, {key: value for key, value in options.items() if key not in own}), own


def _template(shipped: str, file: str | None) -> PromptTemplate:
    if file is None:
        found = resources.files("lima_studies") / "asking" / "templates" / shipped
        return PromptTemplate(found.read_text(encoding="utf-8"), shipped)
    try:
        return PromptTemplate(Path(file).read_text(encoding="utf-8"), file)
    except (OSError, UnicodeDecodeError) as e:
        raise LimaError(f"Cannot read the template {file}: {e}. Name a Jinja file in UTF-8.") from None


def _recorded_key(key: Key) -> tuple[str, int, int]:
    """By which a recorded judge knows a case: the prompt's id and the systems in their order, 1, the sample"""
    return " ".join(filter(None, key[:3])), 1, key.sample


def _seed(key: Key, attempt: int) -> int:
    text = "\0".join(map(str, (*key, attempt)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")
