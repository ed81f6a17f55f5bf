"""How long a recipe's steps take on this machine, seen in two real ones: the base's weights, its examples, its optimizer.

Only memory is used: no run is recorded, no file or folder is written, and no plugin is told. Knows nothing of why a step takes
as long as it does.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from accelerate import Accelerator

from lima.contract.rendered import Rendered
from lima.data.automatic import as_settled
from lima.data.dataset import Prepared
from lima.errors import LimaError
from lima.model.folder import pick_device
from lima.recipe import Recipe
from lima.train.batching import Steps, sizes_of
from lima.train.budget import Budget
from lima.train.gradients import Gradients
from lima.train.trainee import Trainee


@dataclass(frozen=True)
class Measured:
    """What two steps took, and what all steps would; without loading, saving and the replies to dev prompts"""

    seconds_per_step: float
    "Of a step with the mean number of tokens"
    seconds: float
    "Of the whole run: in proportion to the tokens"
    device: str
    "Where the steps ran: 'cpu' or 'cuda'"


def measure(recipe: Recipe, ready: Prepared) -> Measured:
    """Train two steps of the recipe in memory and forget them; LimaError where they do not fit, or belong to several processes"""
    recipe = as_settled(recipe, ready.recipe)
    accelerator = Accelerator(cpu=pick_device(recipe.device) == "cpu", mixed_precision="no")
    if recipe.shard or accelerator.num_processes > 1:
        raise LimaError(
            "--measure runs two steps in one process, and these would be divided over several. Measure with --set shard=false "
            "and without torchrun, or leave --measure out."
        )
    steps = Steps(ready.rendered, recipe.epochs, recipe.batch_size, recipe.seed)
    chosen = typical(steps)
    trainee = Trainee(recipe, ready, accelerator, None)
    gradients = Gradients(trainee, Budget(recipe))
    gradients.rehearse(steps)  # what does not fit is known, and the token budget halved, as in a run
    for number, examples in enumerate(chosen):
        started = time.perf_counter()
        loss, _ = gradients.of(examples, number)
        accelerator.clip_grad_norm_(trainee.model.parameters(), recipe.clip or float("inf"))
        trainee.optimizer.step()
        trainee.optimizer.zero_grad()
        loss.item()  # a GPU is waited for
        taken = time.perf_counter() - started
    # The last one only: the first makes room for AdamW's moments.
    whole = taken * recipe.epochs * sum(ready.rendered.sizes) / sum(len(one.ids) for one in chosen[-1])
    return Measured(whole / len(steps), whole, accelerator.device.type)


def typical(steps: Sequence[Sequence[Rendered]]) -> list[Sequence[Rendered]]:
    """The two steps whose tokens come nearest to the mean; the same one twice where there is no other"""
    tokens = [sum(size for size, _ in sizes) for sizes in sizes_of(steps)]
    mean = sum(tokens) / len(tokens)
    nearest = sorted(range(len(tokens)), key=lambda number: abs(tokens[number] - mean))
    return [steps[nearest[min(1, len(nearest) - 1)]], steps[nearest[0]]]
