"""The fixtures of `lima.testing`, loaded by pytest itself wherever lima is installed (`-p no:lima.testing.pytest` turns it off).

All names begin with `lima_`. Loading this imports neither torch nor transformers. Knows nothing of what is tested.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def lima_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user folder of the test's own (LIMA_USER_PATH): its database, what is fetched, marks of plugins"""
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "user"))
    return tmp_path / "user"


@pytest.fixture
def lima_plugins() -> Iterator[Callable[..., Any]]:
    """lima_plugins(**modules): from now on the core and these are loaded, by distribution name; gives the `lima.Plugins`"""
    from lima.testing import only_plugins

    with ExitStack() as stack:
        yield lambda **modules: stack.enter_context(only_plugins(**modules))


@pytest.fixture
def lima_tokenizer() -> Any:
    """A tiny tokenizer that knows every byte"""
    from lima.testing import tiny_tokenizer

    return tiny_tokenizer()


@pytest.fixture
def lima_model() -> Any:
    """A tiny Llama with random weights, as a model of torch"""
    from lima.testing import tiny_model

    return tiny_model()


@pytest.fixture(scope="session")
def lima_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny base model, to train from: one for all tests, which leave it as it is"""
    from lima.testing import tiny_base

    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def lima_store(lima_home: Path, tmp_path: Path) -> Iterator[Any]:
    """A `lima.Store` with the tables of the plugins that are loaded, in a file of the test's own, `.path`"""
    from lima.record.store import Store

    with Store(tmp_path / "lima.db") as store:
        yield store


@pytest.fixture
def lima_command(lima_home: Path) -> Callable[..., Any]:
    """lima_command(*arguments, code=0): runs `lima` in this process; gives .out, .err, .code and .json"""
    from lima.testing import run_command

    return run_command


@pytest.fixture
def lima_process(lima_home: Path) -> Callable[..., Any]:
    """lima_process(*arguments, code=0, plugins=None, timeout=120, environment=None): the same in a process of its own"""
    from lima.testing import run_process

    return run_process
