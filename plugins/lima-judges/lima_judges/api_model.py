"""A model behind an API: a batch of prompts becomes requests at once, each tried until it is answered or counts as failed.

A prompt that failed has its exception in its place in the list of replies; it is nobody else's failure. What was answered is
written to the database as it comes, with its tokens and price. Knows nothing of a particular API: see `Backend`.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lima import LimaError, Reply, now
from lima_dialogue_eval import Estimate, tokens_about
from lima_judges.failures import ContextFull
from lima_judges.many import ask_all, within
from lima_judges.policy import Passing, Patience, Policy
from lima_judges.spending import Purse, estimated, known_price, prompt_text

if TYPE_CHECKING:
    from lima import Prompt, Sampling, Store
    from lima_judges.asking import Keep

GRACE = 1.0
"Seconds beyond the timeout in which a library may say itself what was late"


@dataclass(frozen=True)
class Question:
    """One request"""

    messages: tuple[tuple[str, str], ...]
    "Role and content of each"
    sampling: "Sampling"
    seed: int


@dataclass(frozen=True)
class Answer:
    """What a server answered"""

    text: str
    stop: str = "stop"
    thoughts: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    usd: float | None = None
    "Where the server tells what it charges"


Ask = Callable[[Question, float, threading.Event], Answer]
"""Ask once, within a number of seconds, ending early when the event is set; raises Passing for what may pass, ContextFull, and
LimaError for what will not"""


class Backend(Protocol):
    """A library that reaches a model"""

    name: str
    "NAME:ARGUMENT, without options"
    model: str
    "The model's name at its server, by which its price is known"

    @property
    def sent(self) -> Collection[str]:
        """The settings that are sent, by lima's names"""

    def session(self, policy: Policy) -> AbstractContextManager[Ask]:
        """What asks during one batch; closing it ends what is still under way"""

    def identity(self) -> str:
        """What decides its answers, as far as it is known"""


class ApiModel:
    """A `Model` of lima's over a backend"""

    def __init__(self, backend: Backend, store: "Store | None", purse: Purse, policy: Policy | None = None) -> None:
        self.backend, self.store, self.purse = backend, store, purse
        self.name = backend.name
        self.policy = policy or Policy.from_environment()
        self.price = known_price(backend.model)
        self.purpose, self.run = "reply", ""
        self._noted = False
        purse.check(backend.model, self.price)

    def identity(self) -> str:
        """What decides its answers: address, name and what is sent; the weights behind an API are not known"""
        return self.backend.identity()

    def charge_to(self, run: str, purpose: str) -> None:
        """Whose calls the next ones are, for the table of costs"""
        self.run, self.purpose = run, purpose

    def limit_to(self, budget: str) -> bool:
        """How much the command may spend, with all models that share its purse; LimaError for what is not a budget"""
        self.purse.limit_to(budget)
        self.purse.check(self.backend.model, self.price)
        return True

    def estimate(self, prompts: "Sequence[Prompt]", completion_tokens: int) -> Estimate:
        """Calls, tokens and price of a batch that is answered with this number of tokens each; asks nothing"""
        return estimated(prompts, completion_tokens, self.price)

    def reply(
        self,
        prompts: "Sequence[Prompt]",
        settings: "Sampling",
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
        on_reply: Callable[[int, Reply], None] | None = None,
        further: "Callable[[int], tuple[Prompt, int] | None] | None" = None,
        keep: "Keep | None" = None,
    ) -> list[Reply | Exception]:
        """One reply for each prompt, or the exception that is this prompt's failure

        `on_reply` is given each reply with its index as it arrives; then `on_progress` is called with 1, and `further` gives the
        prompt and the seed that follow it, under the next index: a conversation goes on while others still wait. `keep` is given
        the database in the transaction that notes what the call cost: what it writes there is there if, and only if, the call is
        paid for."""
        seeds = [seed] * len(prompts) if isinstance(seed, int) else list(seed)
        questions = [Question(messages(p), settings, s) for p, s in zip(prompts, seeds, strict=True)]
        self._note_unsent(settings)
        stop = threading.Event()
        patience = Patience(self.policy, stop)

        def done(index: int, found: tuple[Answer, float] | Exception) -> bool:
            if isinstance(found, Exception):
                return False
            replies[index] = self._record(*found, index, keep)
            if on_reply:
                on_reply(index, replies[index])
            if on_progress:
                on_progress(1)
            next_one = further(index) if further else None
            if next_one:
                questions.append(Question(messages(next_one[0]), settings, next_one[1]))
            return next_one is not None

        replies: dict[int, Reply] = {}
        with self.backend.session(self.policy) as ask:
            results = ask_all(
                len(questions),
                lambda index: self._ask(ask, questions[index], patience, stop),
                self.policy.at_once,
                stop,
                done,
            )
        return [found if isinstance(found, Exception) else replies[i] for i, found in enumerate(results)]

    def _note_unsent(self, settings: "Sampling") -> None:
        """Say once which settings the server is not told"""
        neutral = {"top_p": 1.0, "repetition_penalty": 1.0}
        unsent = [n for n, value in neutral.items() if n not in self.backend.sent and getattr(settings, n) != value]
        if unsent and not self._noted:
            self._noted = True
            told = ", ".join(f"{name} {getattr(settings, name):g}" for name in unsent)
            logging.getLogger("lima").info(f"{self.name} is not told {told}: its own default holds.")

    def _ask(self, ask: Ask, question: Question, patience: Patience, stop: threading.Event) -> tuple[Answer, float]:
        """The answer and how many seconds it took; runs in a thread"""
        said = tokens_about("\n".join(content for _, content in question.messages))
        most = question.sampling.max_new_tokens
        reserved = self.purse.amount(said, most, self.price.of(said, most) if self.price else None)
        self.purse.reserve(reserved, stop)
        spent = 0.0
        try:
            started = time.monotonic()
            try:
                answer = patience.ask(lambda: self._once(ask, question, stop))
            except ContextFull:
                return Answer("", "context", prompt_tokens=said, completion_tokens=0), time.monotonic() - started
            used = self._tokens(question, answer)
            spent = self.purse.amount(*used, self._usd(answer, *used))
            return answer, time.monotonic() - started
        finally:
            self.purse.settle(reserved, spent)

    def _once(self, ask: Ask, question: Question, stop: threading.Event) -> Answer:
        """One attempt, which is late after the policy's timeout, whatever the library makes of it"""
        seconds = self.policy.timeout
        late = Passing(f"{self.name} did not finish an answer within {seconds:g} seconds.")
        return within(seconds + GRACE, lambda: ask(question, seconds, stop), late)

    @staticmethod
    def _tokens(question: Question, answer: Answer) -> tuple[int, int]:
        """Tokens of prompt and answer; about, where the server does not tell"""
        said = tokens_about("\n".join(content for _, content in question.messages))
        return (
            said if answer.prompt_tokens is None else answer.prompt_tokens,
            tokens_about(answer.text + answer.thoughts)
            if answer.completion_tokens is None
            else answer.completion_tokens,
        )

    def _usd(self, answer: Answer, prompt_tokens: int, completion_tokens: int) -> float | None:
        if answer.usd is not None:
            return answer.usd
        return self.price.of(prompt_tokens, completion_tokens) if self.price else None

    def _record(self, answer: Answer, seconds: float, index: int, keep: "Keep | None") -> Reply:
        """The reply, once its call is in the database, and with it what `keep` writes"""
        reply = Reply(answer.text, [], answer.stop, seconds, [], answer.thoughts)
        if self.store is not None and not self.store.readonly and (keep or answer.stop != "context"):
            with self.store.write() as db:
                if answer.stop != "context":
                    db.table("api_calls").insert(self._row(answer, seconds))
                if keep:
                    keep(db, index, reply)
        return reply

    def _row(self, answer: Answer, seconds: float) -> dict[str, Any]:
        """A call, as the database has it"""
        known = answer.prompt_tokens is not None and answer.completion_tokens is not None
        usd = self._usd(answer, answer.prompt_tokens or 0, answer.completion_tokens or 0) if known else answer.usd
        return {
            "created": now(),
            "model": self.name,
            "purpose": self.purpose,
            "run": self.run,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "usd": usd,
            "seconds": seconds,
        }


def messages(prompt: "Prompt") -> tuple[tuple[str, str], ...]:
    """Role and content of each message of a prompt; LimaError for token ids and for what APIs do not have"""
    if isinstance(prompt, str):
        return (("user", prompt),)
    prompt_text(prompt)
    found = tuple((str(getattr(m, "role", "")), str(getattr(m, "content", ""))) for m in prompt)
    for role, _ in found:
        if role not in ("system", "user", "assistant"):
            raise LimaError(
                f"A message's role is {role!r}; a model behind an API is asked with system, user and assistant."
            )
    return found
