"""Fixtures of the core's tests: one thread, no network, a user folder of the test's own, a tiny base model, a store."""

import json
import os

# Before torch is imported anywhere: two cores run the suite in parallel, and nothing may reach a hub.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


@pytest.fixture(autouse=True)
def own_user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "user"))


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    from lima.testing import tiny_base

    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def pairs(tmp_path):
    rows = [{"prompt": f"What is {i}?", "response": f"It is {i}, the number{' so' * (i % 7)}."} for i in range(40)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return file


@pytest.fixture
def store(tmp_path):
    from lima.store import Store

    with Store(tmp_path / "lima.db") as opened:
        yield opened
