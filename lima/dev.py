"""Dev prompts: held-out examples that every epoch's model answers, so that a checkpoint can be chosen by what it says (LIMA §3).

A dev prompt is what comes before the last answer of an example; that answer is the reference. Perplexity is over the tokens of
all its answers, and is there to be seen beside the replies: it does not track their quality (LIMA App. B). Knows nothing of
grades, of choosing or of the store.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lima.errors import LimaError
from lima.example import Record
from lima.recipe import Recipe
from lima.rendering import Rendered

OnDev = Callable[[int, int], None]
"Hears (replies of this epoch so far, all of them)"

ROWS = 16
"Replies at once: room for their keys and values beside a training's weights and moments"


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
    found: Iterable[tuple[str, Record, Rendered]],
    trained: Sequence[tuple[Record, Rendered]],
    tokenizer: Any,
    max_tokens: int,
) -> list[DevPrompt]:
    """Rendered examples of (source, record, rendered) as dev prompts; LimaError for one that is trained on, or too long to ask"""
    hashes = {record.content_hash: record for record, _ in trained}
    texts = {tuple(rendered.ids): record for record, rendered in trained}
    prompts = []
    for source, record, rendered in found:
        twin = hashes.get(record.content_hash) or texts.get(tuple(rendered.ids))
        if twin is not None:
            raise LimaError(
                f"The dev example {record.id!r} of {source!r} is the example {twin.id!r} that is trained on. "
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


def answers(
    folder: Path, prompts: Sequence[DevPrompt], recipe: Recipe, on_dev: OnDev | None = None
) -> tuple[list[dict[str, Any]], float]:
    """(rows of generations in the order of the prompts, perplexity) of the model in a checkpoint folder

    Replies are drawn as in LIMA §4.1, each epoch's from the same seeds. What is asked is the folder and not the model in memory:
    that is what will be chosen. With the recipe's `shard` it is divided over all processes, which must all ask."""
    from lima.memory import give_back, too_large

    give_back()  # the gradients are gone between steps: a second copy of the weights needs no more than their room
    try:
        return _answers(folder, prompts, recipe, on_dev)
    except (RuntimeError, MemoryError) as e:
        if not too_large(e):
            raise
        raise LimaError(
            f"The model in {folder} does not fit beside the training to answer the dev prompts. Train on more or larger "
            "devices, with shard=true where there are several, or leave them out: `lima train --resume RUN --set dev=[]`."
        ) from None
    finally:
        give_back()


def _answers(
    folder: Path, prompts: Sequence[DevPrompt], recipe: Recipe, on_dev: OnDev | None
) -> tuple[list[dict[str, Any]], float]:
    from lima.generate import CheckpointModel, Sampling

    done = 0

    def heard(more: int) -> None:
        nonlocal done
        done += more
        if on_dev:
            on_dev(done, len(prompts))

    heard(0)
    model = CheckpointModel(
        folder,
        device=recipe.device,
        batch_size=ROWS,
        trust_remote_code=recipe.trust_remote_code,
        kept_bytes=0,
        shard=recipe.shard,
    )
    longest = min(Sampling.max_new_tokens, recipe.max_tokens)
    replies = model.reply([p.ids for p in prompts], Sampling(max_new_tokens=longest), recipe.seed, heard)
    found = perplexity(model.model, [p.rendered for p in prompts], model.device)
    return [{"reply": r.text, "stop": r.stop, "tokens": len(r.ids), "seconds": r.seconds} for r in replies], found


def perplexity(model: Any, examples: Sequence[Rendered], device: str) -> float:
    """exp of the mean loss over the examples' answer tokens, one example at a time and never all logits"""
    import torch

    from lima.batching import micro_batch
    from lima.loss import weighted_loss

    total, tokens = 0.0, 0.0
    with torch.inference_mode():
        for i in range(len(examples)):
            batch = micro_batch(examples, [i])
            total += float(weighted_loss(model, batch, device)[0])
            tokens += float(batch.weights.sum())
    return float(torch.tensor(total / tokens).exp())
