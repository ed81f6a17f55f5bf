"""Run by test_resume: fork a training process, kill −9 it at a random moment, and again, until the last one may finish.

Forked and not started anew, so that torch is loaded once for all twenty. Arguments: one JSON object.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from lima import LimaError, Recipe, Store
from lima.train import fine_tune, resume

job = json.loads(sys.argv[1])
recipe, database, out = Recipe().with_values(job["recipe"]), Path(job["database"]), Path(job["recipe"]["out"])
random.seed(job["seed"])


def work() -> None:
    with Store(database) as store:
        runs = store.rows("select id from runs")
        resume(runs[0]["id"], store) if runs else fine_tune(recipe, store)


def child() -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except LimaError as e:
            print(e, file=sys.stderr, flush=True)
        finally:
            os._exit(code)
    return pid


kills = 0
while kills < job["kills"]:
    pid = child()
    time.sleep(random.uniform(0.02, job["longest"]))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        kills += 1
    elif os.waitstatus_to_exitcode(status) == 0:
        # It was quicker than the blow: begin anew, so that every kill hits a run at work.
        shutil.rmtree(out)
        for file in database.parent.glob(f"{database.name}*"):
            file.unlink()
    else:
        sys.exit("a resumed run ended with an error")
_, status = os.waitpid(child(), 0)
sys.exit(os.waitstatus_to_exitcode(status))
