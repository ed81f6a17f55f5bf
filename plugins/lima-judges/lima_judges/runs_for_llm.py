"""Runs as models of the `llm` library: `llm -m lima/RUN`, `llm chat -m lima/RUN`. The library loads this, not lima.

The runs are those of lima's default database. Knows nothing of judges.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import llm
from pydantic import Field

from lima import Reply, Sampling, Store, default_path, finished_runs, open_model
from lima_chat import Turn


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """A model for each run that is done, newest first; none if the database is missing or cannot be read

    Only reads: that somebody lists the library's models changes no database."""
    for run in finished_runs(default_path()):
        register(RunModel(run))


class RunModel(llm.Model):
    """A run, which is loaded when it is first asked"""

    can_stream = True

    class Options(llm.Options):
        """How replies are drawn; what is left out is as in LIMA §4.1"""

        temperature: float | None = Field(default=None, ge=0, description="0 is greedy")
        top_p: float | None = Field(default=None, gt=0, le=1)
        repetition_penalty: float | None = Field(default=None, gt=0, description="on the reply")
        max_new_tokens: int | None = Field(default=None, ge=1)
        seed: int | None = None

    def __init__(self, run: str) -> None:
        self.model_id, self.run = f"lima/{run}", run
        self._model: Any = None

    def execute(self, prompt: Any, stream: bool, response: Any, conversation: Any) -> Iterator[str]:
        """The reply piece by piece, in one piece where the library does not stream"""
        if self._model is None:
            with Store(default_path()) as store:
                self._model = open_model(self.run, store)
        given = {name: value for name, value in dict(prompt.options).items() if value is not None}
        seed = given.pop("seed", 0)
        if given.get("temperature") == 0:
            given = {"repetition_penalty": 1.0} | given  # greedy is without the penalty, as in `lima ask`
        sampling = Sampling(**{f.name: given[f.name] for f in fields(Sampling) if f.name in given})
        pieces, turns = [], turns_of(prompt.messages)
        answer = self._model.stream(turns, sampling, seed)
        while True:
            try:
                piece = next(answer)
            except StopIteration as end:
                reply: Reply = end.value
                break
            pieces.append(piece)
            if stream:
                yield piece
        if reply.stop == "context" and not pieces:
            raise llm.ModelError(f"The conversation fills the context of {self.model_id}. Begin a new one.")
        if not stream:
            yield reply.text
        response.set_usage(input=len(reply.prompt_ids), output=len(reply.ids))


def turns_of(messages: Any) -> list[Turn]:
    """The library's messages as turns, what the system says first; llm.ModelError for other content"""
    system, turns = "", []
    for message in messages:
        texts = [getattr(part, "text", None) for part in message.parts]
        if message.role not in ("system", "user", "assistant") or None in texts:
            raise llm.ModelError(
                "A run of lima takes text of system, user and assistant, without tools or attachments."
            )
        text = "".join(str(one) for one in texts)
        if message.role == "system":
            system = text
        else:
            turns.append(Turn(message.role, text))
    return [Turn("system", system), *turns] if system else turns
