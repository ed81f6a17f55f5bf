"""Run by tests: several command lines of lima, each in a process of its own, forked so that torch is loaded once for all.

Argument: a JSON list of [environment, arguments]. Prints a JSON list of [exit code, standard output, standard error].
"""

import json
import os
import sys
import tempfile
import traceback

import lima.train.plan
import lima.train.start  # noqa: F401 - what these import no child needs to import again
from lima.cli import main

if "BASE" in os.environ:  # nor what loading it imports
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoTokenizer.from_pretrained(os.environ["BASE"])
    AutoModelForCausalLM.from_pretrained(os.environ["BASE"])


def child(environment: dict[str, str], arguments: list[str], files: list[int]) -> None:
    os.environ |= environment
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
    code = 1
    try:
        main(arguments)
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


done = []
for environment, arguments in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            child(environment, arguments, [out.fileno(), err.fileno()])
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = [os.pread(file.fileno(), 1_000_000, 0).decode() for file in (out, err)]
        done.append([code, *texts])
print(json.dumps(done))
