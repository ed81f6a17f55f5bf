"""What a recipe leaves to lima: which renderer and which learning rates are chosen, said, recorded and kept."""

import json

import pytest
import torch
from transformers import LlamaConfig

from lima import hookimpl
from lima.answer.checkpoint_model import open_checkpoint
from lima.data.automatic import chosen, precision, settle
from lima.data.rendering import PlainRenderer
from lima.errors import LimaError
from lima.model import processor
from lima.plugins import load_plugins
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import only_plugins, tiny_base, tiny_model, tiny_tokenizer
from lima.train.start import fine_tune, resume

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]

TEMPLATE = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"


class Own(PlainRenderer):
    """Stands for a plugin's renderer that takes the base's template"""

    name = "own"

    def suits(self, tokenizer):
        return bool(tokenizer.chat_template)


class Plugin:
    def __init__(self, *names):
        self.names = names

    @hookimpl
    def register_renderers(self, register):
        for name in self.names:
            register(name, Own())


def a_base(folder, template=TEMPLATE, **config):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    return tiny_base(folder, tokenizer=tokenizer, **config)


def recipe(base, pairs, out, **changes):
    fast = {"epochs": 1, "batch_size": 20, "residual_dropout": 0.0}
    return Recipe(base=str(base), sources=(str(pairs),), out=str(out)).with_values(fast | changes)


@pytest.mark.parametrize(
    ("template", "names", "wanted"),
    [
        (None, (), "plain"),
        (None, ("own",), "plain"),
        ("", ("own",), "plain"),
        (TEMPLATE, ("own",), "own"),
        ({"default": TEMPLATE, "rag": "{{ documents }}"}, ("own",), "own"),
    ],
)
def test_the_bases_own_template_is_chosen_where_a_plugin_renders_with_it_else_plain(
    template, names, wanted, pairs, tmp_path
):
    base = a_base(tmp_path / "base", template)
    with only_plugins(ours=Plugin(*names)) as plugins, Store(tmp_path / "l.db", plugins) as store:
        run = fine_tune(recipe(base, pairs, tmp_path / "out"), store, plugins)
        row = store.run(run.id)
        assert (run.renderer, run.recipe.renderer, row["renderer"], row["recipe"]["renderer"]) == (wanted,) * 4
        named = fine_tune(recipe(base, pairs, tmp_path / "named", renderer="plain"), store, plugins)
        assert named.renderer == "plain"


@pytest.mark.parametrize("template", [TEMPLATE, {"default": TEMPLATE}, {"rag": TEMPLATE, "tool_use": TEMPLATE}])
def test_a_base_with_a_template_that_no_plugin_takes_is_an_error_that_names_both_ways(template, pairs, tmp_path):
    base = a_base(tmp_path / "base", template)
    with only_plugins() as plugins, Store(tmp_path / "l.db", plugins) as store:
        with pytest.raises(LimaError, match=r"has a chat_template.*`pip install lima-chat`.*--renderer plain\.$"):
            fine_tune(recipe(base, pairs, tmp_path / "out"), store, plugins)
        assert store.rows("select * from runs") == []
        assert fine_tune(recipe(base, pairs, tmp_path / "out", renderer="plain"), store, plugins).renderer == "plain"


def test_two_renderers_that_suit_are_an_error_that_names_them(pairs, tmp_path):
    with only_plugins(ours=Plugin("own", "other")) as plugins, Store(tmp_path / "l.db", plugins) as store:
        asked = recipe(a_base(tmp_path / "base"), pairs, tmp_path / "out")
        with pytest.raises(LimaError, match="suits several renderers, own, other: name one with --renderer own"):
            fine_tune(asked, store, plugins)
        assert fine_tune(asked.with_values({"renderer": "own"}), store, plugins).renderer == "own"


def test_a_renderer_that_fails_to_say_whether_it_suits_is_named_with_its_plugin(pairs, tmp_path):
    class Broken(Own):
        def suits(self, tokenizer):
            raise ZeroDivisionError

    class Ours:
        @hookimpl
        def register_renderers(self, register):
            register("broken", Broken())

    asked = recipe(a_base(tmp_path / "base"), pairs, tmp_path / "out")
    with only_plugins(ours=Ours()) as plugins, Store(tmp_path / "l.db", plugins) as store:
        with pytest.raises(
            LimaError, match=r"Plugin 'ours' failed in suits\(\) of the renderer 'broken': ZeroDivisionError"
        ):
            fine_tune(asked, store, plugins)
        assert store.rows("select * from runs") == []


@pytest.mark.parametrize(("template", "names"), [(None, ()), (TEMPLATE, ("own",))])
def test_a_folder_that_no_run_knows_is_asked_as_it_would_be_trained(template, names, pairs, tmp_path):
    base = a_base(tmp_path / "base", template)
    with only_plugins(ours=Plugin(*names)) as plugins:
        with Store(tmp_path / "l.db", plugins) as store:
            folder = fine_tune(recipe(base, pairs, tmp_path / "out"), store, plugins).folder
        with Store(tmp_path / "other.db", plugins) as other:
            assert open_checkpoint(str(folder), other).renderer.name == "own" if names else "plain"
    with only_plugins() as plugins, Store(tmp_path / "third.db", plugins) as other:
        assert open_checkpoint(str(folder), other).renderer.name == "plain"  # the saved template is plain's, either way
        with pytest.raises(LimaError, match=r"The model .* has a chat_template.*-d FILE\.$"):
            open_checkpoint(str(a_base(tmp_path / "strange")), other)


def rates(config=None, **values):
    from lima.plugins import load_plugins

    found = settle(Recipe(renderer="plain", **values), None, config, load_plugins().registry("renderers"))
    return found.learning_rate, found.final_learning_rate


@pytest.mark.parametrize(
    ("values", "width", "wanted"),
    [
        ({}, 64, (1e-5, 1e-6)),
        ({}, 16384, (1e-5, 1e-6)),
        ({"freeze": "embeddings"}, 64, (1e-5, 1e-6)),
        ({"lora_rank": 32}, 8192, (1e-4, 1e-5)),
        ({"lora_rank": 1}, 4096, (1.7e-4, 1.7e-5)),
        ({"lora_rank": 256}, 2048, (3e-4, 3e-5)),
        ({"lora_rank": 32}, 576, (8e-4, 8e-5)),
        ({"learning_rate": 3e-4}, 64, (3e-4, 3e-5)),
        ({"learning_rate": 3e-4, "lora_rank": 4}, 64, (3e-4, 3e-5)),
        ({"final_learning_rate": 0.0}, 64, (1e-5, 0.0)),
        ({"final_learning_rate": 2e-5, "lora_rank": 8}, 8192, (1e-4, 2e-5)),
        ({"learning_rate": 1, "final_learning_rate": 0, "lora_rank": 8}, 8192, (1.0, 0.0)),
        ({"learning_rate": 0}, 8192, (0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_learning_rates_are_the_papers_or_by_the_models_width_for_lora_and_numbers_win(
    values, width, wanted, architecture
):
    from transformers import AutoConfig

    key = "n_embd" if architecture == "gpt2" else "hidden_size"
    assert rates(AutoConfig.for_model(architecture, **{key: width}), **values) == wanted


def test_the_width_of_a_model_with_a_vision_tower_is_its_decoders(seeing):
    from lima.model.folder import load_config

    assert rates(load_config(seeing), lora_rank=4)[0] == Recipe(lora_rank=4).rates(32)[0] == 7.6e-3


def test_a_full_fine_tune_with_auto_is_the_one_with_the_papers_numbers_to_the_bit(pairs, tmp_path, base):
    numbers = {"learning_rate": 1e-5, "final_learning_rate": 1e-6, "renderer": "plain"}
    with Store(tmp_path / "l.db") as store:
        runs = [
            fine_tune(recipe(base, pairs, tmp_path / n, **c), store) for n, c in (("auto", {}), ("numbers", numbers))
        ]
        steps = [store.rows("select loss, learning_rate from steps where run = ? order by step", [r.id]) for r in runs]
    assert steps[0] == steps[1]
    files = [(run.folder / "model.safetensors").read_bytes() for run in runs]
    assert files[0] == files[1]


def test_lora_alone_learns(pairs, tmp_path, base):
    """With the paper's rate for all weights the loss hardly moves"""
    with Store(tmp_path / "l.db") as store:
        fell = []
        for name, changes in (("auto", {}), ("paper", {"learning_rate": 1e-5})):
            run = fine_tune(recipe(base, pairs, tmp_path / name, lora_rank=32, epochs=6, **changes), store)
            losses = [r["loss"] for r in store.rows("select loss from steps where run = ? order by step", [run.id])]
            fell.append(losses[0] - losses[-1])
    assert fell[0] > 0.3 > 0.03 > fell[1]


def test_what_was_chosen_is_a_sentence_and_nothing_where_all_was_named():
    settled = Recipe(renderer="own", learning_rate=1.7e-4, final_learning_rate=1.7e-5)
    assert chosen(Recipe(), settled) == "Chosen: renderer own, learning rate 0.00017 to 1.7e-05."
    assert chosen(Recipe(renderer="own"), settled) == "Chosen: learning rate 0.00017 to 1.7e-05."
    assert chosen(settled.with_values({"renderer": "auto"}), settled) == "Chosen: renderer own."
    assert chosen(settled, settled) == ""


def test_every_command_says_what_was_chosen(pairs, tmp_path, lima):
    base = a_base(tmp_path / "base", None, hidden_size=64)
    about = ["--base", str(base), "--source", str(pairs), "--set", "lora_rank=2", "--set", "epochs=1"]
    first, last = Recipe(lora_rank=2).rates(64)
    said = f"Chosen: renderer plain, learning rate {first:g} to {last:g}."
    settled = {"renderer": "plain", "learning_rate": first, "final_learning_rate": last}
    for command in (["plan"], ["train", "--dry-run"]):
        assert said in lima(*command, *about).out
    assert lima("preview", "-n", "1", *about).out.endswith("\nChosen: renderer plain.\n")
    planned = json.loads(lima("plan", *about, "--json").out)
    assert {key: planned[key] for key in settled} == settled
    database = ["-d", str(tmp_path / "l.db")]
    trained = lima("train", *about, "--out", str(tmp_path / "out"), *database, "--json")
    assert said in trained.err
    found = json.loads(trained.out)
    assert {key: found[key] for key in settled} == settled
    shown = json.loads(lima("runs", "show", found["run"], *database, "--json").out)
    assert {key: shown["recipe"][key] for key in settled} == settled
    named = [*about, "--renderer", "plain", "--set", "learning_rate=1e-3", "--set", "final_learning_rate=1e-4"]
    assert "Chosen" not in lima("train", *named, "--out", str(tmp_path / "two"), *database).err


class Stop(Exception):
    pass


def stop_at(step):
    def on_step(done, steps, metrics):
        if done == step:
            raise Stop

    return on_step


@pytest.mark.parametrize("changes", [{}, {"renderer": "auto", "learning_rate": "auto", "final_learning_rate": "auto"}])
def test_a_resumed_run_keeps_what_was_chosen_for_it(changes, pairs, tmp_path):
    """Even when lima would choose otherwise by now, and where its file still says 'auto'"""
    base = a_base(tmp_path / "base")
    asked = recipe(base, pairs, tmp_path / "out", lora_rank=2, epochs=3, save_every=1)
    with only_plugins(ours=Plugin("own")) as plugins, Store(tmp_path / "l.db", plugins) as store:
        with pytest.raises(Stop):
            fine_tune(asked, store, plugins, stop_at(3))
        before = store.rows("select id, recipe from runs")[0]
    with only_plugins(ours=Plugin("own", "other")) as plugins, Store(tmp_path / "l.db", plugins) as store:
        run = resume(before["id"], store, plugins, changes=changes)
        assert run.recipe.as_dict() == Recipe().with_values(json.loads(before["recipe"])).as_dict()
        rates = [r["learning_rate"] for r in store.rows("select learning_rate from steps order by step")]
    assert (rates[0], rates[-1]) == asked.rates(32)
    assert run.renderer == "own"
    with only_plugins(ours=Plugin("own")) as plugins, Store(tmp_path / "l.db", plugins) as store:
        store.db.execute("update runs set status = 'interrupted'")
        with pytest.raises(
            LimaError, match=r"was started with learning_rate = 0\.0076; it cannot be resumed with 0\.1"
        ):
            resume(before["id"], store, plugins, changes={"learning_rate": 0.1})


def test_a_run_of_an_older_lima_is_resumed_as_it_was_started(base, tmp_path):
    """Its recipe has numbers, a renderer's name, and no word of `trim`: a first answer that is too long was trimmed"""
    file = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"What is {i}?", "response": "It is. " * (1 + 20 * (i % 2))} for i in range(8)]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows))
    numbers = {"renderer": "plain", "learning_rate": 1e-3, "final_learning_rate": 1e-6, "max_tokens": 30, "trim": True}
    asked = recipe(base, file, tmp_path / "whole", **numbers, epochs=3, batch_size=4, save_every=1)
    with Store(tmp_path / "l.db") as store:
        whole = fine_tune(asked, store)
        with pytest.raises(Stop):
            fine_tune(asked.with_values({"out": str(tmp_path / "cut")}), store, None, stop_at(3))
        row = store.rows("select id, recipe from runs where folder like '%/cut'")[0]
        old = {k: v for k, v in json.loads(row["recipe"]).items() if k != "trim"}
        store.db.execute("update runs set recipe = ? where id = ?", [json.dumps(old), row["id"]])
        (owner,) = tmp_path.glob(f".cut-{row['id']}/*.json")
        note = json.loads(owner.read_text())
        del note["recipe"]["trim"]
        owner.write_text(json.dumps(note))
        resumed = resume(row["id"], store)
    assert resumed.recipe.trim
    files = [(run.folder / "model.safetensors").read_bytes() for run in (whole, resumed)]
    assert files[0] == files[1]


def test_a_width_that_a_configuration_does_not_tell_is_taken_for_the_papers():
    class Config:
        def get_text_config(self):
            return self

    assert rates(Config(), lora_rank=2) == (1e-4, 1e-5)
    assert tiny_model().config.hidden_size == 32


def test_a_processor_that_multiplies_bfloat16_is_told_by_its_features(monkeypatch, tmp_path):
    """And by what the user allows oneDNN; the conftest allows it less than any of these tests has"""
    found = {}
    for flags in ("avx512f avx512_bf16", "avx512f amx_bf16", "avx512f avx512_vnni", "fpu"):
        for allowed in ("", "ALL", "AVX512_CORE_BF16", "avx512_core"):
            monkeypatch.setattr(processor, "about_the_processor", lambda flags=flags: f"flags\t\t: fpu {flags} rdpid")
            monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
            monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", allowed)
            monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
            found[flags, allowed] = processor.bfloat16_is_native.__wrapped__()
            monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
            monkeypatch.setenv("DNNL_MAX_CPU_ISA", allowed)  # its older name
            assert found[flags, allowed] == processor.bfloat16_is_native.__wrapped__()
    native = [key for key, answer in found.items() if answer]
    expected = [(f, a) for f, a in found if "bf16" in f and a != "avx512_core"]
    assert native == (expected if torch.backends.mkldnn.is_available() else [])


@pytest.mark.parametrize("native", [True, False])
def test_precision_and_budget_are_chosen_for_the_machine_recorded_and_kept(native, base, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "bfloat16_is_native", lambda: native)
    chosen_here = "bfloat16" if native else "float32"
    assert precision(Recipe(), "cpu") == chosen_here
    assert [precision(Recipe(precision=named), "cpu") for named in ("float32", "bfloat16")] == ["float32", "bfloat16"]
    assert (precision(Recipe(shard=True), "cpu"), precision(Recipe(), "cuda")) == ("float32", "bfloat16")
    asked = recipe(base, pairs, tmp_path / "out", epochs=3, save_every=1, device="cpu")
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(asked, store, None, stop_at(3))
        (row,) = store.rows("select id, recipe from runs")
        recorded = json.loads(row["recipe"])
        assert (recorded["precision"], recorded["micro_batch_tokens"]) == (chosen_here, 1024)
        monkeypatch.setattr(processor, "bfloat16_is_native", lambda: not native)
        resumed = resume(row["id"], store, changes={"precision": "auto", "micro_batch_tokens": 0})
    assert (resumed.recipe.precision, resumed.recipe.micro_batch_tokens) == (chosen_here, 1024)


@pytest.mark.parametrize(("width", "device", "tokens"), [(256, "cpu", 1024), (576, "cpu", 512), (576, "cuda", 8192)])
def test_a_wide_model_takes_fewer_tokens_at_once_on_a_cpu_alone(width, device, tokens):
    tokenizer, config, registry = tiny_tokenizer(), LlamaConfig(hidden_size=width), load_plugins().registry("renderers")
    assert settle(Recipe(device=device), tokenizer, config, registry).micro_batch_tokens == tokens
    named = Recipe(device=device, micro_batch_tokens=77)
    assert settle(named, tokenizer, config, registry).micro_batch_tokens == 77


def test_a_run_whose_recipe_says_auto_is_resumed_as_the_lima_that_wrote_it_took_it(base, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "bfloat16_is_native", lambda: True)
    asked = recipe(base, pairs, tmp_path / "out", epochs=3, save_every=1, device="cpu", precision="float32")
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(asked, store, None, stop_at(3))
        (row,) = store.rows("select id, recipe from runs")
        old = json.loads(row["recipe"]) | {"precision": "auto", "micro_batch_tokens": 8192}
        store.db.execute("update runs set recipe = ? where id = ?", [json.dumps(old), row["id"]])
        (owner,) = tmp_path.glob(f".out-{row['id']}/run.json")
        note = json.loads(owner.read_text())
        note["recipe"]["precision"] = "auto"
        owner.write_text(json.dumps(note))
        resumed = resume(row["id"], store)
    assert (resumed.recipe.precision, resumed.recipe.micro_batch_tokens) == ("float32", 8192)
