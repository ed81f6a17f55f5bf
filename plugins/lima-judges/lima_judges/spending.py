"""What calls cost: tokens, prices that the user wrote down, and a purse that lets no call begin which could exceed the budget.

Prices are in US dollars per million tokens, from `prices.toml` in lima's user folder; none are built in, because they change.
Knows nothing of who answers.
"""

import math
import os
import re
import threading
import tomllib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lima import LimaError, user_folder

if TYPE_CHECKING:
    from lima import Prompt

BYTES_PER_TOKEN = 4
"How many bytes of English count as a token until a server tells"
_BUDGET = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>tokens?|usd)?", re.IGNORECASE)


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens"""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What a call costs, in US dollars"""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6


@dataclass(frozen=True)
class Estimate:
    """What a batch would take; nothing is asked for it"""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    "None where the price is not known"

    def __add__(self, other: "Estimate") -> "Estimate":
        known = self.usd is not None and other.usd is not None
        return Estimate(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            (self.usd or 0.0) + (other.usd or 0.0) if known else None,
        )


def tokens_about(text: str) -> int:
    """About how many tokens a text has: a quarter of its bytes"""
    return math.ceil(len(text.encode("utf-8", "surrogatepass")) / BYTES_PER_TOKEN)


def prompt_text(prompt: "Prompt") -> str:
    """All that a prompt says; LimaError for token ids, which only a model on this machine can be given"""
    if isinstance(prompt, str):
        return prompt
    texts = [getattr(part, "content", None) for part in prompt]
    if not all(isinstance(text, str) for text in texts):
        raise LimaError("A model behind an API is asked with messages or a text; token ids are of one tokenizer only.")
    return "\n".join(map(str, texts))


def estimated(prompts: "Sequence[Prompt]", completion_tokens: int, price: Price | None) -> Estimate:
    """What these prompts take if each is answered with that number of tokens"""
    asked = sum(tokens_about(prompt_text(prompt)) for prompt in prompts)
    answered = completion_tokens * len(prompts)
    return Estimate(len(prompts), asked, answered, price.of(asked, answered) if price else None)


def known_price(model: str) -> Price | None:
    """The price of a model by its name in prices.toml; None where the file or the name is missing, LimaError for a wrong file"""
    file = user_folder() / "prices.toml"
    if not file.is_file():
        return None
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise LimaError(f"Cannot read {file}: {e}. Correct it, or remove it.") from None
    row: Any = rows.get(model)
    if row is None:
        return None
    keys = ("prompt", "completion")
    values = [row.get(key) for key in keys] if isinstance(row, dict) and set(row) == set(keys) else [None]
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v < math.inf for v in values):
        raise LimaError(
            f"{file}: the price of {model!r} is {row!r}; expected prompt = … and completion = …, dollars per million tokens."
        )
    return Price(float(row["prompt"]), float(row["completion"]))


class Purse:
    """How much may still be spent, in US dollars or tokens; shared by all threads, and all models, of one command"""

    def __init__(self, limit: float = math.inf, unit: str = "usd") -> None:
        self.limit, self.unit = limit, unit
        self.spent = 0.0
        self._reserved = 0.0
        self._changed = threading.Condition()

    @classmethod
    def of(cls, text: str) -> "Purse":
        """From a budget as it is written: '5', '5 usd' or '200000 tokens'; empty means without a limit; LimaError for others"""
        if not text.strip():
            return cls()
        match = _BUDGET.fullmatch(text.strip())
        if match is None or not float(match["number"]):
            raise LimaError(f"The budget is {text!r}; expected US dollars, such as 5, or tokens, such as 200000tokens.")
        tokens = (match["unit"] or "").lower().startswith("token")
        return cls(float(match["number"]), "tokens" if tokens else "usd")

    def check(self, model: str, price: Price | None) -> None:
        """LimaError where the budget is in dollars, and the price of a model is not known"""
        if self.unit == "usd" and math.isfinite(self.limit) and price is None:
            raise LimaError(
                f"The budget is in dollars, and the price of {model!r} is not known: write it into "
                f'{user_folder() / "prices.toml"} as ["{model}"] with prompt = … and completion = … (dollars per million '
                "tokens), or give the budget in tokens, such as 200000tokens."
            )

    def amount(self, prompt_tokens: int, completion_tokens: int, usd: float | None) -> float:
        """What a call counts in the purse's unit"""
        return float(prompt_tokens + completion_tokens) if self.unit == "tokens" else (usd or 0.0)

    def reserve(self, amount: float, stop: threading.Event) -> None:
        """Set an amount aside before a call, waiting for calls under way that may leave some; LimaError if it is not left"""
        with self._changed:
            while self.spent + self._reserved + amount > self.limit:
                if not self._reserved or stop.is_set():
                    raise LimaError(
                        f"Not asked: of the budget of {self.said(self.limit)}, {self.said(self.spent)} are spent, and the next "
                        f"call may take {self.said(amount)}. What was answered is kept; give a larger budget to continue."
                    )
                self._changed.wait(1.0)
            self._reserved += amount

    def settle(self, reserved: float, spent: float) -> None:
        """Replace what was set aside for a call by what it took"""
        with self._changed:
            self._reserved = max(0.0, self._reserved - reserved) if self._reserved - reserved > 1e-9 else 0.0
            self.spent += spent
            self._changed.notify_all()

    def said(self, amount: float) -> str:
        """'$0.25' or '1,200 tokens'"""
        return f"{amount:,.0f} tokens" if self.unit == "tokens" else f"${amount:,.4g}"


_PURSES: "weakref.WeakKeyDictionary[Any, Purse]" = weakref.WeakKeyDictionary()
"The purse of each open database: the model and the judge of one command share it"


def purse_of(store: Any, budget: str | None = None) -> Purse:
    """The purse of a command, by the database that it has open; its budget is LIMA_JUDGES_BUDGET unless one is given"""
    if store is None or (budget is not None or store not in _PURSES):
        purse = Purse.of(os.environ.get("LIMA_JUDGES_BUDGET", "") if budget is None else budget)
        if store is None:
            return purse
        _PURSES[store] = purse
    return _PURSES[store]
