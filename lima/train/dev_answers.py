"""What an epoch's model answers to the dev prompts, its perplexity on their answers, and what plugins measure of it.

Perplexity is only shown with the replies: it does not track their quality (LIMA App. B). Knows nothing of grades, of
choosing or of the store.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lima.contract.rendered import Rendered
from lima.data.dev import DevPrompt
from lima.errors import LimaError
from lima.recipe import Recipe

OnDev = Callable[[int, int], None]
"Called with (replies of this epoch so far, all of them)"

Measure = Callable[[Any], dict[str, float]]
"What plugins measure of the epoch's model: values by name"


@dataclass(frozen=True)
class DevAnswers:
    """What one epoch's model made of the dev prompts"""

    replies: list[dict[str, Any]]
    "Rows of generations, in the order of the prompts"
    perplexity: float
    measures: dict[str, float]


ROWS = 16
"Replies at once: their cache must fit next to the training's weights and moments"


def answers(
    folder: Path,
    prompts: Sequence[DevPrompt],
    recipe: Recipe,
    renderer: Any,
    measure: Measure,
    on_dev: OnDev | None = None,
) -> DevAnswers:
    """Replies, perplexity and the measures of plugins, of the model in a checkpoint folder

    Replies are drawn as in LIMA §4.1, each epoch's from the same seeds. The folder answers and not the model in memory,
    because a folder is chosen. With the recipe's `shard` the model is sharded over all processes, which must all call this."""
    from lima.model.memory import free_memory, is_out_of_memory

    free_memory()  # between steps there are no gradients: a second copy of the weights fits into their memory
    try:
        return _answers(folder, prompts, recipe, renderer, measure, on_dev)
    except (RuntimeError, MemoryError) as e:
        if not is_out_of_memory(e):
            raise
        raise LimaError(
            f"The model in {folder} runs out of memory next to the training, answering the dev prompts. Train on more or larger "
            "devices, with shard=true where there are several, or leave them out: `lima train --resume RUN --set dev=[]`."
        ) from None
    finally:
        free_memory()


def _answers(
    folder: Path, prompts: Sequence[DevPrompt], recipe: Recipe, renderer: Any, measure: Measure, on_dev: OnDev | None
) -> DevAnswers:
    from lima.answer.checkpoint_model import CheckpointModel
    from lima.contract.answers import Sampling

    done = 0

    def heard(more: int) -> None:
        nonlocal done
        done += more
        if on_dev:
            on_dev(done, len(prompts))

    heard(0)
    model = CheckpointModel(
        folder,
        renderer,
        device=recipe.device,
        batch_size=ROWS,
        trust_remote_code=recipe.trust_remote_code,
        prefix_cache_bytes=0,
        shard=recipe.shard,
    )
    longest = min(Sampling.max_new_tokens, recipe.max_tokens)
    replies = model.reply([p.ids for p in prompts], Sampling(max_new_tokens=longest), recipe.seed, heard)
    found = perplexity(model.model, [p.rendered for p in prompts], model.device)
    rows = [
        {"reply": r.text, "thoughts": r.thoughts, "stop": r.stop, "tokens": len(r.ids), "seconds": r.seconds}
        for r in replies
    ]
    return DevAnswers(rows, found, measure(model))


def perplexity(model: Any, examples: Sequence[Rendered], device: str) -> float:
    """exp of the mean loss over the examples' answer tokens, one example at a time and never all logits"""
    import torch

    from lima.train.batching import micro_batch
    from lima.train.loss import weighted_loss

    total, tokens = 0.0, 0.0
    with torch.inference_mode():
        for i in range(len(examples)):
            batch = micro_batch(examples, [i])
            total += float(weighted_loss(model, batch, device)[0])
            tokens += float(batch.weights.sum())
    return float(torch.tensor(total / tokens).exp())
