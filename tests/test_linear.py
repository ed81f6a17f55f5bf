"""Linear layers by oneDNN: the same numbers as torch's own, only where they are meant to serve, and the same twice."""

import json
from collections import Counter
from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F

from lima import Recipe, Store, fine_tune
from lima.errors import Interrupted
from lima.model import onednn as linear
from lima.model import processor
from lima.model.memory import is_out_of_memory
from lima.model.onednn import use_onednn
from lima.testing import tiny_model, tiny_tokenizer
from lima.train.start import resume


@pytest.fixture(params=[True, False], ids=["this processor", "any other"])
def quicker(request, monkeypatch):
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: request.param)
    return request.param


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(linear, "onednn_is_faster", lambda: True)


@pytest.fixture(params=[True, False], ids=["of a large model", "of another"])
def large(request, monkeypatch):
    monkeypatch.setattr(linear, "LARGE", 0 if request.param else 2**40)
    return request.param


@pytest.fixture
def counted(monkeypatch):
    """The rows that each layer by oneDNN had"""
    seen, before = [], linear._Linear.apply

    def apply(rows, *rest):
        seen.append(len(rows))
        return before(rows, *rest)

    monkeypatch.setattr(linear._Linear, "apply", apply)
    return seen


def drawn(*shapes):
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=draw, requires_grad=True) for s in shapes]


def layer(weight, bias=None):
    """One that was sent by oneDNN where that is quicker"""
    made = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    made.weight = torch.nn.Parameter(weight.detach(), requires_grad=weight.requires_grad)
    if bias is not None:
        made.bias = torch.nn.Parameter(bias.detach())
    use_onednn(made)
    return made


@contextmanager
def onednn(enabled):
    """As torch.backends.mkldnn.flags does it, which warns of Intel's GPUs"""
    torch._C._set_mkldnn_enabled(enabled)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(True)


@pytest.mark.parametrize("rows", [256, 257, 319, 1527])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(256, 256), (256, 704), (300, 260)])
def test_a_layer_and_its_gradients_are_those_of_torch(quicker, large, counted, rows, bias, shape):
    x, weight, b = drawn((1, rows, shape[0]), shape[::-1], (shape[1],))
    inputs = [x, weight, b] if bias else [x, weight]
    given = torch.randn(1, rows, shape[1], generator=torch.Generator().manual_seed(1))
    expected, ours = F.linear(*inputs), layer(*inputs[1:])
    found = ours(x)
    assert counted == ([rows] if quicker else [])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    by_ours = torch.autograd.grad(found, [x, *ours.parameters()], given)
    for one, other in zip(by_ours, torch.autograd.grad(expected, inputs, given), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-4)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
@pytest.mark.parametrize("threads", [1, 2])
def test_torch_does_ask_onednn_however_many_threads_there_are(here, threads):
    x, weight = drawn((linear.ROWS, 256), (256, 256))
    before, ours = torch.get_num_threads(), layer(weight)
    torch.set_num_threads(threads)
    try:
        with torch.profiler.profile() as seen:
            ours(x).sum().backward()
    finally:
        torch.set_num_threads(before)
    names = Counter(e.name for e in seen.events() if "conv" in e.name and "aten" in e.name)
    # Both products, and the matrix's gradient; torch's own convolutions are the slow ones.
    assert (names["aten::mkldnn_convolution"], names["aten::convolution_backward"]) == (2, 1)
    assert not [name for name in names if "slow" in name]


def test_a_large_model_goes_by_the_operation_for_layers_where_torch_has_it(here, large, monkeypatch):
    x, weight = drawn((300, 300), (260, 300))
    called, operation = [], getattr(torch.ops.mkldnn, linear.OPERATION)
    monkeypatch.setattr(
        torch.ops.mkldnn, linear.OPERATION, lambda *about: called.append(1) or operation(*about), raising=False
    )
    layer(weight)(x).sum().backward()
    assert len(called) == 3 * large
    monkeypatch.setattr(linear, "OPERATION", "_no_such_operation")
    torch.testing.assert_close(layer(weight)(x), F.linear(x, weight), rtol=1e-4, atol=1e-4)
    assert len(called) == 3 * large


@pytest.mark.parametrize("rows", [256, 257])
def test_what_a_layer_gives_may_be_changed_in_place(here, large, counted, rows):
    x, weight = drawn((1, rows, 256), (256, 256))
    found = {}
    for name, made in (("ours", layer(weight)(x)), ("torch", F.linear(x, weight))):
        made.clamp_(-8.0, 8.0)
        made += 1.0
        found[name] = torch.autograd.grad(made.square().sum(), x)[0]
    assert counted == [rows]
    torch.testing.assert_close(found["ours"], found["torch"], rtol=1e-4, atol=1e-2)


def test_what_lies_otherwise_in_memory_is_read_right(here, counted):
    x, weight = drawn((256, 3, 100), (300, 256))
    turned = x.transpose(0, 2).transpose(1, 2)  # (100, 256, 3), its rows apart
    rows = turned.reshape(100, 3, 256).transpose(0, 1)
    found, expected = layer(weight)(rows), F.linear(rows, weight)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    (by_x,) = torch.autograd.grad(found.sum(), x)  # the gradient of a sum is one number, seen from every row
    torch.testing.assert_close(by_x, torch.autograd.grad(expected.sum(), x)[0], rtol=1e-4, atol=1e-4)
    assert counted == [300]


@pytest.mark.parametrize("frozen", ["input", "weight"])
def test_only_wanted_gradients_are_made(here, counted, frozen):
    x, weight = drawn((256, 256), (256, 256))
    (x if frozen == "input" else weight).requires_grad_(False)
    ours = layer(weight)
    ours(x).sum().backward()
    by_x, by_weight = weight.sum(0).expand(256, 256), x.sum(0).expand(256, 256)
    found, left = (ours.weight.grad, x.grad) if frozen == "input" else (x.grad, ours.weight.grad)
    assert left is None
    assert counted == [256]
    torch.testing.assert_close(found, by_weight if frozen == "input" else by_x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("rows", "shape", "changed"),
    [
        (255, (256, 256), "few rows"),
        (512, (128, 256), "a small matrix"),
        (256, (256, 20_000), "a large matrix for the rows"),
        (512, (256, 256), "no gradient"),
        (512, (256, 256), "autocast"),
        (512, (256, 256), "float64"),
        (512, (256, 256), "oneDNN switched off"),
        (0, (256, 256), "no rows"),
    ],
)
def test_elsewhere_torch_computes_bit_for_bit(here, counted, rows, shape, changed):
    x, weight = drawn((rows, shape[0]), shape[::-1])
    if changed == "float64":
        x, weight = x.double(), weight.double()
    with (
        torch.set_grad_enabled(changed != "no gradient"),
        torch.autocast("cpu", torch.bfloat16, enabled=changed == "autocast"),
        onednn(changed != "oneDNN switched off"),
    ):
        assert torch.equal(layer(weight)(x), F.linear(x, weight))
        assert not counted


def test_no_room_for_a_kernel_is_no_room():
    """What oneDNN says where memory ends as it makes one; seen, but too rarely for a test of it"""
    assert is_out_of_memory(RuntimeError("could not create a primitive"))
    assert not is_out_of_memory(RuntimeError("could not create a primate"))


def test_one_processor_is_chosen_by_its_maker_and_not_by_time(monkeypatch, tmp_path):
    answers, slow = {}, {}
    for maker in ("AuthenticAMD", "GenuineIntel"):
        for able in ("AVX512", "AVX2"):
            info = tmp_path / maker
            info.write_bytes(b"model name\t: \xff\nvendor_id\t: " + maker.encode())
            monkeypatch.setattr(processor, "Path", lambda _, info=info: info)
            monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda able=able: able)
            linear.mkl_is_slow.cache_clear()
            linear.onednn_is_faster.cache_clear()
            answers[maker, able], slow[maker, able] = linear.onednn_is_faster(), linear.mkl_is_slow()
    linear.mkl_is_slow.cache_clear()
    linear.onednn_is_faster.cache_clear()
    has_both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    assert [key for key, answer in answers.items() if answer] == [("AuthenticAMD", "AVX512")] * has_both
    assert {key[0] for key, answer in slow.items() if answer} == ({"AuthenticAMD"} if has_both else set())


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A base of layers that are wide enough, and pairs long enough"""
    folder = tmp_path_factory.mktemp("wide")
    model = tiny_model("llama", hidden_size=256, intermediate_size=300, num_key_value_heads=4)
    model.save_pretrained(folder / "base")
    tiny_tokenizer().save_pretrained(folder / "base")
    pairs = [{"prompt": f"what is {i}", "response": "the quick brown fox " * (40 + 9 * i)} for i in range(6)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pairs))
    return folder


def recipe_of(wide, out, **values):
    return Recipe(
        base=str(wide / "base"),
        sources=(str(wide / "pairs.jsonl"),),
        out=str(out),
        epochs=2,
        batch_size=3,
        learning_rate=1e-3,
        micro_batch_tokens=700,
        device="cpu",
        precision="float32",
        **values,
    )


def trained(wide, out, **values):
    recipe = recipe_of(wide, out, **values)
    with Store(out.parent / f"{out.name}.db") as store:
        fine_tune(recipe, store)
        losses = [r["loss"] for r in store.rows("select loss from steps order by step")]
    return losses, (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("values", [{}, {"gradient_checkpointing": True}, {"lora_rank": 8}], ids=str)
@pytest.mark.slow
def test_a_run_gives_the_losses_that_torch_gives_and_twice_the_same(wide, tmp_path, monkeypatch, counted, values):
    found = {}
    for name, such in (("one", True), ("again", True), ("torch", False)):
        monkeypatch.setattr(linear, "onednn_is_faster", lambda such=such: such)
        counted.clear()
        found[name] = trained(wide, tmp_path / name, **values)
        assert bool(counted) == such
    assert found["one"] == found["again"]
    assert found["one"][0] == pytest.approx(found["torch"][0], rel=1e-4)


@pytest.mark.slow
def test_a_run_that_stopped_and_goes_on_ends_in_the_same_bits(wide, tmp_path, here, counted):
    def stop(step, steps, metrics):
        if step == 2:
            raise KeyboardInterrupt

    whole = trained(wide, tmp_path / "whole")
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Interrupted) as stopped:
            fine_tune(recipe_of(wide, tmp_path / "out", save_every=1), store, on_step=stop)
        counted.clear()
        resume(stopped.value.run, store)
        losses = [r["loss"] for r in store.rows("select loss from steps order by step")]
    assert counted
    assert (losses, (tmp_path / "out" / "model.safetensors").read_bytes()) == whole
