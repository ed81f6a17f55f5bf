"""Models of the `llm` library and its plugins, `llm:NAME`; it brings its own keys (`llm keys set`).

The library is optional (`pip install 'lima-judges[llm]'`) and loads when a model is opened. Its models decide themselves how long
they wait for a connection; the timeout counts between two pieces of an answer. Knows nothing of retries.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lima import LimaError, Sampling, did_you_mean
from lima_judges.api_model import Answer, ApiModel, Ask, Question
from lima_judges.failures import failure, hidden, shortened
from lima_judges.options import check_known, divided
from lima_judges.policy import Passing, Policy, Stopped
from lima_judges.spending import purse_of

LENGTHS = ("max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "num_predict")
"What models of the library call the longest reply"
OPTIONS = {"skip": "settings that are not sent although the model has them, with commas between, such as temperature"}


class LlmModels:
    """`llm:NAME`, a model of the `llm` library"""

    description = "a model of the llm library and its plugins: llm:NAME, such as llm:gpt-4o (`llm models` lists them)"

    def open(self, argument: str | None, store: Any) -> ApiModel:
        """The model; LimaError if the library or the model is missing"""
        try:
            import llm
        except ImportError:
            raise LimaError(
                "The llm library is not installed. Install it with `pip install 'lima-judges[llm]'`."
            ) from None
        name, options = divided(argument or "")
        check_known(options, OPTIONS, "llm:NAME")
        known = llm.get_model_aliases()
        if name not in known:
            raise LimaError(f"The llm library has no model {name!r}.{did_you_mean(name, known)}")
        return ApiModel(LlmModel(known[name], options), store, purse_of(store))


class LlmModel:
    """One model of the library"""

    def __init__(self, model: Any, options: Mapping[str, str]) -> None:
        self.library, self.model = model, str(model.model_id)
        self.name = f"llm:{self.model}"
        skipped = {name.strip() for name in options.get("skip", "").split(",")}
        self.sent = [name for name in type(model.Options()).model_fields if name not in skipped]

    def identity(self) -> str:
        """Its name, and which settings are sent"""
        return f"{self.name} send={','.join(sorted(self._settings(Sampling(), 0)))}"

    @contextmanager
    def session(self, policy: Policy) -> Iterator[Ask]:
        """The library keeps no connection that would have to be closed"""
        yield self._ask

    def _settings(self, sampling: Sampling, seed: int) -> dict[str, Any]:
        """The settings that the model has, of those that lima has"""
        values = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "repetition_penalty": sampling.repetition_penalty,
            "seed": seed % 2**31,
        }
        longest = [name for name in LENGTHS if name in self.sent][:1]
        return {n: v for n, v in values.items() if n in self.sent} | dict.fromkeys(longest, sampling.max_new_tokens)

    def _ask(self, question: Question, seconds: float, stop: threading.Event) -> Answer:
        import llm

        roles = {"system": llm.system, "user": llm.user, "assistant": llm.assistant}
        said = [roles[role](content) for role, content in question.messages]
        until = time.monotonic() + seconds
        try:
            response = self.library.prompt(messages=said, options=self._settings(question.sampling, question.seed))
            pieces = []
            for piece in response:
                pieces.append(piece)
                if stop.is_set():
                    raise Stopped
                if time.monotonic() > until:
                    raise Passing(f"{self.name} did not finish an answer within {seconds:g} seconds.")
            usage = response.usage()
        except (Passing, Stopped):
            raise
        except Exception as e:
            raise self._failure(e) from e
        return Answer(
            hidden("".join(pieces), self._key()), _stop(response.response_json), "", usage.input, usage.output
        )

    def _key(self) -> str:
        """The key that the library sends, where the model takes one"""
        try:
            return str(self.library.get_key() or "")
        except Exception:  # a model without keys, or one whose key is missing, which asking has said
            return ""

    def _failure(self, error: Exception) -> Exception:
        """What a failure of some plugin's library means: by its HTTP status where it has one, else by its name"""
        import llm

        if isinstance(error, llm.NeedsKeyException):
            return LimaError(f"{self.name} needs a key: set it with `llm keys set`, or in the environment. {error}")
        response = getattr(error, "response", None)
        status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
        words = f"{type(error).__name__}: {shortened(hidden(str(error), self._key()))}"
        if isinstance(status, int):
            headers = getattr(response, "headers", None)
            error_object = getattr(error, "body", None)
            known = error_object if isinstance(error_object, dict) else {}
            said = {k: hidden(v, self._key()) if isinstance(v, str) else v for k, v in known.items()}
            return failure(self.name, status, dict(headers or {}), words, said)
        names = " ".join(c.__name__ for c in type(error).__mro__)
        if isinstance(error, OSError) or "Timeout" in names or "Connection" in names or "TransportError" in names:
            return Passing(f"{self.name} cannot be reached, or broke off: {words}.")
        return LimaError(f"{self.name} failed: {words}.")


def _stop(details: Any) -> str:
    """Why a reply ended, where the model's own answer tells; 'stop' where it does not"""
    places = [details] if isinstance(details, dict) else []
    for key in ("choices", "candidates"):
        rows = places[0].get(key) if places else None
        places += [row for row in rows[:1] if isinstance(row, dict)] if isinstance(rows, list) else []
    for place in places:
        for key in ("finish_reason", "stop_reason", "finishReason", "done_reason"):
            if isinstance(place.get(key), str):
                said = str(place[key]).lower()
                return "length" if said in ("length", "max_tokens") else said
    return "stop"
