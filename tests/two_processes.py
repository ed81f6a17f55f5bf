"""Run by test_shard in each of two processes: fine-tunes and resumptions one after the other, as many as it is given.

Argument: a JSON file of jobs. Each process leaves for each job what went wrong, and how much of it it held: NAME-RANK.json.
"""

import json
import os
import resource
import sys
from functools import partial
from pathlib import Path
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from lima import LimaError, Recipe, Store
from lima.model import compiled
from lima.model.shard import local_part
from lima.train import dev_answers as dev
from lima.train import gradients, head
from lima.train.loss import weighted_loss
from lima.train.start import fine_tune, resume

RANK = int(os.environ["RANK"])
CHUNK_BYTES, CHUNK_ROWS, BACKEND = head.CHUNK_BYTES["cpu"], head.CHUNK_ROWS, compiled.BACKEND


class Stop(BaseException):
    """What a job ends with that came to its `stop`"""


class Watch:
    """Counts an optimizer's steps and what this process has of its weights and moments; stops every process at one step"""

    def __init__(self, stop: int) -> None:
        self.stop, self.steps, self.held = stop, 0, dict[str, int]()

    def __call__(self, optimizer: Any, *rest: Any) -> None:
        self.steps += 1
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        moments = [v for p in parameters for k, v in optimizer.state[p].items() if k != "step"]
        self.held = {
            "weights": sum(local_part(p).untyped_storage().nbytes() // 4 for p in parameters),
            "gradients": sum(local_part(p.grad).numel() for p in parameters),
            "moments": sum(local_part(m).numel() for m in moments),
        }
        if self.steps == self.stop:
            raise Stop


def work(job: dict[str, Any], store: Store) -> None:
    if "resume" in job:
        resume(job["resume"], store, changes=job["changes"])
    else:
        fine_tune(Recipe().with_values(job["recipe"]), store)


def fails(*rest: Any) -> Any:
    raise RuntimeError("one process alone")


def tight(tokens: int, *about: Any) -> Any:
    """The loss of a micro-batch whose backward pass finds no memory where it has more than so many tokens"""
    loss, right = weighted_loss(*about)
    if RANK == 1 and about[1].ids.shape[1] > tokens:
        loss.register_hook(no_memory)
    return loss, right


def no_memory(gradient: Any) -> None:
    raise MemoryError


for job in json.loads(Path(sys.argv[1]).read_text()):
    watch, error = Watch(job.get("stop", 0)), ""
    head.CHUNK_BYTES["cpu"], compiled.BACKEND = job.get("chunk_bytes", CHUNK_BYTES), job.get("backend", BACKEND)
    head.CHUNK_ROWS = 1 if "chunk_bytes" in job else CHUNK_ROWS
    gradients.weighted_loss = partial(tight, job["room"]) if "room" in job else weighted_loss
    if RANK == 1 and "fail_in" in job:
        setattr(dev, job["fail_in"], fails)
    hook = register_optimizer_step_post_hook(watch)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (job.get("disk", before[0]), before[1]))
    try:
        with Store(job["database"]) as store:
            work(job, store)
    except (LimaError, Stop) as e:
        error = str(e) or type(e).__name__
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    hook.remove()
    about = {"error": error, "steps": watch.steps, "held": watch.held}
    Path(sys.argv[1]).with_name(f"{job['name']}-{RANK}.json").write_text(json.dumps(about))
