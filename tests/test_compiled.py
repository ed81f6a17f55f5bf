"""Compiled blocks: the same gradients, a bounded number of graphs, and resumed to the same bits.

What is counted goes through a backend of the tests' own; inductor itself is asked once.
"""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from lima.contract.rendered import Rendered
from lima.errors import LimaError
from lima.model import attention, compiled
from lima.model.adapter import add_lora
from lima.model.build import recompute_activations
from lima.model.dropout import set_residual_dropout
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import ARCHITECTURES, tiny_model
from lima.train.batching import micro_batch
from lima.train.loss import score_chunk, weighted_loss
from lima.train.start import fine_tune, resume

# The compiler looks at each tensor's gradient and hides that warning by itself, where warnings are not errors.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
    pytest.mark.usefixtures("core_alone"),
]


@pytest.fixture
def graphs(monkeypatch):
    """The graphs made so far, run as they are"""
    torch._dynamo.reset()
    made = []

    def backend(graph, inputs):
        made.append(graph)
        return graph.forward

    monkeypatch.setattr(compiled, "BACKEND", backend)
    yield made
    torch._dynamo.reset()


def batches():
    """Rows of different segments and token counts, one of a single segment"""
    draw = torch.Generator().manual_seed(1)
    for lengths in ((9, 40, 23), (30,), (5, 5, 5, 5), (40,), (39, 30, 9), (7, 9)):
        made = []
        for n in lengths:
            ids = torch.randint(1, 400, (n,), generator=draw).tolist()
            made.append(Rendered(ids, [0.0] * 2 + [0.5] * (n - 2), []))
        yield micro_batch(made, range(len(made)))


def model_of(architecture, compile, dropout=0.0, recompute=False, lora=0, **values):
    model = tiny_model(architecture, **values)
    set_residual_dropout(model, dropout)
    attention.register()
    model.set_attn_implementation(compiled.register() if compile else attention.NAME)
    if recompute and not compile:
        recompute_activations(model)
    if lora:
        model = add_lora(model, Recipe(lora_rank=lora), [7])
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.normal_(0, 0.1, generator=torch.Generator().manual_seed(4))
    model.train()
    if compile:
        compiled.compile_blocks(model, recompute)
    return model


def losses_and_gradient(model, given, autocast=False):
    model.zero_grad()
    found = []
    for number, batch in enumerate(given):
        torch.manual_seed(number)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss, _ = weighted_loss(model, batch, "cpu")
        loss.backward()
        found.append(loss.item())
    return found, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_close(one, other, tolerance=1e-5):
    assert other[0] == pytest.approx(one[0], rel=tolerance)
    assert other[1].keys() == one[1].keys()
    for name, gradient in one[1].items():
        scale = gradient.abs().max().item() or 1.0
        torch.testing.assert_close(
            other[1][name], gradient, rtol=0, atol=tolerance * scale, msg=lambda m, n=name: f"{n}: {m}"
        )


FAST = ("llama", "gpt2", "gemma2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("architecture", "dropout"),
    [
        ("llama", 0.0),
        *(pytest.param(name, 0.3, marks=[] if name in FAST else [pytest.mark.slow]) for name in sorted(ARCHITECTURES)),
    ],
)
def test_gradients_are_those_of_the_model_as_it_is_and_graphs_are_few(architecture, dropout, graphs):
    """With dropout too: it stays outside of the graphs, and draws as before"""
    given = list(batches())
    assert len({b.ids.shape[1] for b in given}) == 6
    plain = model_of(architecture, False, dropout)
    wanted = losses_and_gradient(plain, given)
    model = model_of(architecture, True, dropout)
    # Two token counts, one of them in a row of a single segment.
    assert_close(losses_and_gradient(model, given[:2]), losses_and_gradient(plain, given[:2]), 1e-4)
    count = len(graphs)
    assert 0 < count <= 10  # the parts of a block around attention and dropout
    assert_close(wanted, losses_and_gradient(model, given), 1e-4)
    assert len(graphs) == count
    assert list(model.state_dict()) == list(plain.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "olmo2"])
def test_one_graph_serves_all_layers(architecture, graphs):
    given = list(batches())[:2]
    counts = []
    for layers in (2, 5):
        torch._dynamo.reset()
        del graphs[:]
        deep = {"n_layer" if architecture == "gpt2" else "num_hidden_layers": layers}
        losses_and_gradient(model_of(architecture, True, 0.3, **deep), given)
        counts.append(len(graphs))
    assert counts[0] == counts[1] > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lora", "lora recomputed", "recomputed", "recomputed with dropout", "bfloat16"])
def test_compiled_blocks_and_whatever_else_is_there(kind, graphs):
    given = list(batches())
    about = {
        "lora": 2 if "lora" in kind else 0,
        "recompute": "recomputed" in kind,
        "dropout": 0.3 * ("dropout" in kind),
    }
    half = kind == "bfloat16"
    plain = losses_and_gradient(model_of("llama", False, **about), given, half)
    model = model_of("llama", True, **about)
    assert_close(plain, losses_and_gradient(model, given, half), 0.02 if half else 1e-4)
    assert 0 < len(graphs) <= 16


def test_without_gradients_nothing_is_compiled(graphs):
    model = model_of("llama", True)
    with torch.no_grad():
        weighted_loss(model, next(batches()), "cpu")
    assert graphs == []


KEYS = {
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "residual_dropout": 0.0,
    "micro_batch_tokens": 100,
    "save_every": 2,
    "device": "cpu",
}


def run(base, pairs, tmp_path, name, stop=0, **changes):
    """(weights, losses) of a run, stopped after a step and resumed if asked for"""

    def on_step(step, steps, metrics):
        if step == stop:
            raise RuntimeError("stop")

    recipe = Recipe(base=str(base), sources=(str(pairs),), out=str(tmp_path / name)).with_values(KEYS | changes)
    with Store(tmp_path / f"{name}.db") as store:
        if stop:
            with pytest.raises(RuntimeError, match="stop"):
                fine_tune(recipe, store, on_step=on_step)
            torch._dynamo.reset()  # a new process has no graphs
            resume(store.rows("select id from runs")[0]["id"], store)
        else:
            fine_tune(recipe, store)
        losses = [r["loss"] for r in store.rows("select loss from steps order by step")]
    return load_file(tmp_path / name / "model.safetensors"), losses


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"lora_rank": 4, "gradient_checkpointing": True}], ids=["full", "lora"])
def test_a_run_with_compiled_blocks_is_the_run_without(base, pairs, tmp_path, graphs, monkeypatch, changes):
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    plain, wanted = run(base, pairs, tmp_path, "plain", **changes)
    weights, losses = run(base, pairs, tmp_path, "compiled", compile=True, **changes)
    assert losses == pytest.approx(wanted, rel=1e-4)
    for name in plain:
        torch.testing.assert_close(weights[name], plain[name], rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of inductor's own imports
def test_inductor_compiles_and_resumes_to_the_same_bits(base, pairs, tmp_path):
    torch._dynamo.reset()
    about = {"compile": True, "residual_dropout": 0.3, "epochs": 1, "micro_batch_tokens": 1000}
    weights, losses = run(base, pairs, tmp_path, "whole", **about)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    again, found = run(base, pairs, tmp_path, "again", stop=3, **about)
    assert found == losses
    assert [n for n in weights if not torch.equal(again[n], weights[n])] == []
    _, plain = run(base, pairs, tmp_path, "plain", **about | {"compile": False, "residual_dropout": 0.0})
    _, close = run(base, pairs, tmp_path, "close", **about | {"residual_dropout": 0.0})
    assert close == pytest.approx(plain, rel=1e-4)


def test_the_loss_of_a_chunk_is_compiled_once_for_all_lengths(graphs):
    score = compiled.compile_score(score_chunk)
    draw = torch.Generator().manual_seed(0)
    for rows in (64, 17, 5, 1, 300):
        logits = torch.randn(rows, 400, generator=draw)
        about = torch.randint(400, (rows,), generator=draw), torch.rand(rows, generator=draw)
        found = []
        for how in (score, score_chunk):
            given = logits.clone().requires_grad_()
            loss, right = how(given, *about)
            found.append((loss, right, torch.autograd.grad(loss, given)[0]))
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other)
    assert len(graphs) == 1


def test_what_cannot_be_compiled_is_said(monkeypatch):
    cpu, gpu = torch.device("cpu"), SimpleNamespace(type="cuda")
    for device in (cpu, gpu):
        assert not any(compiled.wanted(recipe, device) for recipe in (Recipe(), Recipe(compile="auto")))
    with pytest.raises(LimaError, match=r"compile = true and micro_batch_tokens = 1.*Set compile=false"):
        compiled.wanted(Recipe(compile=True, micro_batch_tokens=1), cpu)

    def broken(graph, inputs):
        raise OSError("no compiler here")

    monkeypatch.setattr(compiled, "BACKEND", broken)
    with pytest.raises(LimaError, match=r"does not work on this machine: .*no compiler here.*set compile=false"):
        compiled.wanted(Recipe(compile=True), cpu)
    with pytest.raises(LimaError, match=r"compile is 'sometimes'; expected true, false or 'auto'"):
        Recipe(compile="sometimes")
