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
from lima_dialogue_eval import Estimate, tokens_about

if TYPE_CHECKING:
    from lima import Prompt

_BUDGET = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?) ?(?P<unit>tokens?|usd)?", re.IGNORECASE)


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens"""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What a call costs, in US dollars"""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / 1e6


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
        purse = cls()
        if text.strip():
            purse.limit_to(text)
        return purse

    def limit_to(self, text: str) -> None:
        """Set the limit, for all who share the purse, to a budget as it is written; LimaError for anything else"""
        match = _BUDGET.fullmatch(text.strip())
        if match is None or not float(match["number"]):
            raise LimaError(f"The budget is {text!r}; expected US dollars, such as 5, or tokens, such as 200000tokens.")
        tokens = (match["unit"] or "").lower().startswith("token")
        self.limit, self.unit = float(match["number"]), "tokens" if tokens else "usd"

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
