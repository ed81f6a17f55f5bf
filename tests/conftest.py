"""Fixtures of the core's tests: one thread, no network, a user folder of the test's own, bases, a store, a run that is done."""

import gc
import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace

# Before torch is imported anywhere: two cores run the suite in parallel, and nothing may reach a hub.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


def pytest_collection_finish(session):
    """Let collections of garbage pass over the half million objects of the libraries, which cost each half a second"""
    if "torch" in sys.modules:
        import lima.answer.checkpoint_model
        import lima.train.start  # noqa: F401 - what these import no test needs to import again

        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def own_user_folder(lima_home):
    return lima_home


@pytest.fixture(scope="module")
def core_alone(tmp_path_factory):
    """The core without the plugins that are installed: what a module claims of the core need not run their hooks each time"""
    from lima import plugins

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugins, "_current", [])
        with pytest.MonkeyPatch.context() as loading:
            loading.setenv("LIMA_LOAD_PLUGINS", "")
            loading.setenv("LIMA_USER_PATH", str(tmp_path_factory.mktemp("user")))
            plugins.load_plugins()
        yield


@pytest.fixture(scope="session")
def base(lima_base):
    return lima_base


@pytest.fixture(scope="session")
def seeing(tmp_path_factory):
    """A Gemma 3 with a vision tower and the files that say how a picture is prepared for it"""
    from transformers import AutoConfig, AutoModelForCausalLM

    from lima.testing import ARCHITECTURES, tiny_tokenizer

    folder, tokenizer = tmp_path_factory.mktemp("seeing"), tiny_tokenizer()
    text = {**ARCHITECTURES["gemma3_text"], "vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": 0}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 28, "patch_size": 14}
    config = AutoConfig.for_model("gemma3", text_config=text, vision_config=vision, mm_tokens_per_image=4)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_processor_type": "Gemma3ImageProcessor"}')
    (folder / "processor_config.json").write_text('{"processor_class": "Gemma3Processor"}')
    return folder


@pytest.fixture
def pairs(tmp_path):
    rows = [{"prompt": f"What is {i}?", "response": f"It is {i}, the number{' so' * (i % 7)}."} for i in range(40)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return file


@pytest.fixture
def store(lima_store):
    return lima_store


@pytest.fixture
def dev(tmp_path):
    from dev_runs import ASKED, file_of

    return file_of(tmp_path / "dev.jsonl", ASKED)


@pytest.fixture
def few(tmp_path):
    from dev_runs import FEW, file_of

    return file_of(tmp_path / "few.jsonl", FEW)


@pytest.fixture
def judges():
    from dev_runs import Judges
    from lima.testing import only_plugins

    mine = Judges()
    with only_plugins(lima_judges=mine):
        yield mine.judge


@pytest.fixture(scope="session")
def trained(base, tmp_path_factory):
    """A folder with a run of three epochs, trained once for all tests, and the run"""
    from dev_runs import ASKED, FEW, Judges, file_of, recipe
    from lima.record.store import Store
    from lima.testing import only_plugins
    from lima.train.start import fine_tune

    folder = tmp_path_factory.mktemp("trained")
    few, dev = file_of(folder / "few.jsonl", FEW), file_of(folder / "dev.jsonl", ASKED)
    with only_plugins(lima_judges=Judges()), Store(folder / "l.db") as store:
        return folder, fine_tune(recipe(base, few, dev, folder / "out"), store)


@pytest.fixture
def done(trained, few, dev, tmp_path, judges):
    """A run of three epochs as if trained here, whose replies are then put in its mouth: (store, run, say)"""
    from lima.record.store import Store

    there, run = trained
    shutil.copytree(there / "out", tmp_path / "out")
    with closing(sqlite3.connect(there / "l.db")) as old, closing(sqlite3.connect(tmp_path / "l.db")) as new:
        new.executescript("\n".join(old.iterdump()).replace(str(there), str(tmp_path)))
    with Store(tmp_path / "l.db") as store:

        def say(*epochs):
            with store.write() as db:
                for epoch, replies in enumerate(epochs, 1):
                    for position, reply in enumerate(replies):
                        db.execute(
                            "update generations set reply = ? where epoch = ? and position = ?",
                            [reply, epoch, position],
                        )

        yield store, replace(run, folder=tmp_path / "out", database=tmp_path / "l.db"), say


@pytest.fixture
def lima(lima_command):
    return lima_command
