"""Run by test_resume: fork a training process, kill −9 it at a random moment, and again, until the last one may go on to `stop`.

Every other blow falls while a state is being written; the rest in a step, or before the first. Forked and not started anew, so
that torch is loaded once for all. Argument: one JSON object. Prints after how many blows a state was left half written.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from lima import LimaError, Recipe, Store, load_plugins
from lima.data.dataset import prepare
from lima.model.adapter import add_lora
from lima.model.folder import load_model
from lima.train.start import fine_tune, resume

job = json.loads(sys.argv[1])
recipe, database, out = Recipe().with_values(job["recipe"]), Path(job["database"]), Path(job["recipe"]["out"])
random.seed(job["seed"])


class Stop(BaseException):
    """What a run ends with that came to its `stop`"""


def on_step(step: int, steps: int, metrics: dict[str, Any]) -> None:
    if step == job["stop"]:
        raise Stop


def work() -> None:
    with Store(database) as store:
        runs = store.rows("select id from runs")
        resume(runs[0]["id"], store, on_step=on_step) if runs else fine_tune(recipe, store, on_step=on_step)


def child() -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
        except Stop:
            code = 0
        except LimaError as e:
            print(e, file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return pid


def states(pattern: str) -> set[Path]:
    return set(out.parent.glob(f".{out.name}-*/{pattern}"))


def wait(pid: int, seconds: float, new: str = "") -> None:
    """For so long, or until the child is through or has something new of this pattern among its states"""
    before, until = states(new) if new else set(), time.monotonic() + seconds
    while time.monotonic() < until and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if new and states(new) - before:
            break
        time.sleep(0.001)


# What these import no child needs to import again.
os.environ["TOKENIZERS_PARALLELISM"] = "false"
prepare(recipe, load_plugins())
add_lora(load_model(recipe.base), Recipe(lora_rank=1), [])

kills = torn = 0
while kills < job["kills"]:
    pid = child()
    if kills % 2:
        for _ in range(random.randint(0, 2)):
            wait(pid, 20, "step-*")
        wait(pid, 20, ".building-*")
    else:
        wait(pid, 20 * random.randint(0, 1), "step-*")
        wait(pid, random.uniform(0, 0.3))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        kills += 1
        torn += bool(states(".building-*"))
    elif os.waitstatus_to_exitcode(status) == 0:
        # It was quicker than the blow: begin anew, so that every kill hits a run at work.
        for left in (out, *states("")):
            shutil.rmtree(left, ignore_errors=True)
        for file in database.parent.glob(f"{database.name}*"):
            file.unlink()
    else:
        sys.exit("a resumed run ended with an error")
_, status = os.waitpid(child(), 0)
print(torn)
sys.exit(os.waitstatus_to_exitcode(status))
