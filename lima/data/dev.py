"""Dev prompts: held-out examples that every epoch's model answers, so that a checkpoint can be chosen by its replies (LIMA §3).

A dev prompt is what comes before the last answer of an example; that answer is the reference. Knows nothing of models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lima.contract.examples import Record
from lima.contract.rendered import Rendered
from lima.data.training_set import TrainingSet
from lima.errors import LimaError


@dataclass(frozen=True)
class DevPrompt:
    """One held-out example as the model will see it"""

    source: str
    record: Record
    rendered: Rendered
    "Cut to the recipe's max_tokens; weight 1 on every answer"
    prompt: str
    "The ids before the last answer as text, format tokens included"
    reference: str
    "That answer"

    @property
    def ids(self) -> list[int]:
        """What the model is prompted with"""
        return self.rendered.ids[: self.rendered.spans[-1].start]

    def row(self) -> dict[str, Any]:
        """Its row of dev_prompts"""
        about = {"source": self.source, "example": self.record.id, "hash": self.record.content_hash}
        return {**about, "prompt": self.prompt, "reference": self.reference}


def dev_prompts(
    found: Sequence[tuple[str, Record, list[Rendered]]], trained: TrainingSet, tokenizer: Any, max_tokens: int
) -> list[DevPrompt]:
    """Rendered examples of (source, record, rows) as dev prompts, each of its last row

    LimaError for one that is trained on, or too long to ask"""
    twins = trained.twins({record.content_hash for _, record, _ in found}, {tuple(rows[-1].ids) for *_, rows in found})
    prompts = []
    for source, record, rows in found:
        rendered = rows[-1]
        twin = twins.get(record.content_hash) or twins.get(tuple(rendered.ids))
        if twin is not None:
            raise LimaError(
                f"The dev example {record.id!r} of {source!r} is the example {twin!r} that is trained on. "
                "Take it out of one of them: what a model has learnt by heart says nothing of what it can do."
            )
        start = rendered.spans[-1].start
        if start + 2 > max_tokens:
            raise LimaError(
                f"The dev example {record.id!r} of {source!r} has a prompt of {start} tokens, and max_tokens is {max_tokens}: "
                "there is no room for an answer. Shorten it, leave it out, or raise max_tokens."
            )
        weights = [1.0 if w else 0.0 for w in rendered.weights]
        whole = replace(rendered, ids=rendered.ids[:max_tokens], weights=weights[:max_tokens])
        prompt = tokenizer.decode(rendered.ids[:start], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        prompts.append(DevPrompt(source, record, whole, prompt, rendered.spans[-1].text))
    return prompts
