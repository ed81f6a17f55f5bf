"""Plugins that are loaded alone, and commands run with them: in this process as often as you like, or in one of its own.

Knows nothing of what the plugins register.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@contextmanager
def only_plugins(**modules: Any) -> Iterator[Any]:
    """The core and these modules or objects as the loaded plugins, whatever is installed; gives the Plugins

    Names are distribution names with '_' for '-'. Plugins that cannot be loaded are in `.broken`, as always."""
    import lima.builtin
    from lima import plugins as house

    fresh = house.Plugins()
    fresh.add(house.CORE, lima.builtin)
    for name, module in modules.items():
        fresh.add(name.replace("_", "-"), module)
    house._current.append(fresh)
    try:
        yield fresh
    finally:
        house._current.remove(fresh)


@dataclass(frozen=True)
class Printed:
    """What a command left"""

    code: int
    "Its exit code"
    out: str
    "Standard output"
    err: str
    "Standard error"

    @cached_property
    def json(self) -> Any:
        """Standard output as JSON, of a command with --json"""
        return json.loads(self.out)


def run_command(*arguments: str | Path, code: int = 0) -> Printed:
    """`lima` with these arguments in this process, with the plugins that are loaded; AssertionError for another exit code

    Commands that plugins add are gone afterwards, so that the next call, in another test perhaps, begins as the first one."""
    from lima.cli import cli, main
    from lima.commands import AsNow

    before = AsNow(cli)
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True) for _ in range(2))
    ended: Any = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main([str(one) for one in arguments])
    except SystemExit as e:
        ended = e.code
    finally:
        before.put_back()
    ended = ended if isinstance(ended, int) else int(ended is not None)
    texts = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return _expected(Printed(ended, *texts), arguments, code)


ALONE = """
import sys
from importlib import import_module
from lima.cli import main
from lima.testing import only_plugins
names = sys.argv.pop(1).split(",")
with only_plugins(**{name: import_module(name) for name in names if name}):
    main(sys.argv[1:])
"""


def run_process(
    *arguments: str | Path,
    code: int = 0,
    plugins: Sequence[str] | None = None,
    timeout: float = 120,
    environment: Mapping[str, str] | None = None,
) -> Printed:
    """`lima` with these arguments in a process of its own; AssertionError for another exit code, or after `timeout` seconds

    It loads what is installed; with `plugins` these modules alone, installed or not. `environment` is added to this one's."""
    start = ["-m", "lima"] if plugins is None else ["-c", ALONE, ",".join(plugins)]
    command = [sys.executable, *start, *map(str, arguments)]
    given = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | dict(environment or {})
    try:
        done = subprocess.run(command, env=given, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired as e:
        said = (e.stderr or b"").decode(errors="replace")
        raise AssertionError(f"{_shown(arguments)} had not ended after {timeout:g} s. It said: {said}") from None
    texts = (stream.decode(errors="backslashreplace") for stream in (done.stdout, done.stderr))
    return _expected(Printed(done.returncode, *texts), arguments, code)


def _expected(printed: Printed, arguments: Sequence[str | Path], code: int) -> Printed:
    assert printed.code == code, (
        f"{_shown(arguments)} ended with {printed.code}; expected {code}.\n{printed.err}{printed.out[-2000:]}"
    )
    return printed


def _shown(arguments: Sequence[str | Path]) -> str:
    return f"`{' '.join(['lima', *map(str, arguments)])}`"
