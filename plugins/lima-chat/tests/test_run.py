"""The plugin in a real training: files in, a conversation that stops out, and the plugin's own rows in the store."""

import json

import pytest


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a file of OpenAI messages, its store's rows, and the loaded plugins"""
    import lima_chat
    from lima import Recipe, Store
    from lima.testing import only_plugins, tiny_base
    from lima.train.start import fine_tune

    folder = tmp_path_factory.mktemp("run")
    talk = [
        {"role": r, "content": c}
        for r, c in (("user", "Hi"), ("assistant", "Yo"), ("user", "Why?"), ("assistant", "So."))
    ]
    silent = [*talk[:1], {**talk[1], "train": False}, *talk[2:]]
    rows = [{"id": "one", "messages": talk[:2]}, {"id": "two", "messages": talk}, {"id": "mute", "messages": silent}]
    file = folder / "talks.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    recipe = Recipe(
        base=str(tiny_base(folder / "base")),
        sources=(str(file),),
        renderer="chatml",
        out=str(folder / "out"),
        epochs=30,
        batch_size=1,
        learning_rate=1e-2,
        final_learning_rate=1e-3,
        residual_dropout=0.0,
        device="cpu",
    )
    with only_plugins(lima_chat=lima_chat) as plugins, Store(folder / "lima.db", plugins) as store:
        run = fine_tune(recipe, store, plugins)
        return run, store.rows("select * from conversations_trained order by position"), plugins


def test_the_store_says_which_conversations_a_run_learnt_from(trained):
    run, rows, _ = trained
    same = {"run": run.id, "source": "talks.jsonl", "turns": 4}
    assert [{k: v for k, v in r.items() if k != "hash"} for r in rows] == [
        {**same, "position": 1, "example": "two", "trained_turns": 2},
        {**same, "position": 2, "example": "mute", "trained_turns": 1},
    ]
    assert len({r["hash"] for r in rows}) == 2


def test_a_run_that_is_resumed_has_its_conversations_once(trained):
    import lima_chat
    from lima import Store
    from lima.data.sources import open_source
    from lima.testing import only_plugins

    run, rows, plugins = trained
    with only_plugins(lima_chat=lima_chat):
        plugins.call("before_train", run=run, examples=open_source(run.recipe.sources[0], plugins).records)
        with Store(run.database) as store:
            assert store.rows("select * from conversations_trained order by position") == rows


def test_the_checkpoint_holds_the_conversation_and_stops(trained):
    from lima import CheckpointModel, Sampling
    from lima_chat import Turn

    run, _, plugins = trained
    settings = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=12)
    turns = (Turn("user", "Hi"), Turn("assistant", "Yo"), Turn("user", "Why?"))
    for renderer in ("chatml", "template"):
        model = CheckpointModel(run.folder, plugins.registry("renderers")[renderer], device="cpu")
        replies = model.reply([turns[:1], turns], settings, seed=0)
        assert [(r.text, r.stop) for r in replies] == [("Yo", "eot"), ("So.", "eot")]


def test_plain_transformers_holds_it_too(trained):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run, _, _ = trained
    tokenizer = AutoTokenizer.from_pretrained(run.folder)
    model = AutoModelForCausalLM.from_pretrained(run.folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    out = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0]
    assert tokenizer.decode(out) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>"
