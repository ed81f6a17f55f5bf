"""Linear layers by packed weights: the same bits, only where they are meant to serve, and a model that answers through them."""

import pytest
import torch

from lima import CheckpointModel, LimaError, Sampling
from lima.model import packed
from lima.model.packed import OPERATION, PACK, PackedLinear, pack_weights
from lima.testing import tiny_base

GREEDY = Sampling(temperature=0, max_new_tokens=12)

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, n) for n in (OPERATION, PACK)),
    reason="this torch cannot pack weights",
)


@pytest.fixture
def native(monkeypatch):
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("oneDNN packs no bfloat16 on this processor")
    monkeypatch.setattr(packed, "bfloat16_is_native", lambda: True)


def layer(*shape, bias=False, dtype=torch.bfloat16):
    torch.manual_seed(0)
    return torch.nn.Linear(*shape, bias=bias, dtype=dtype)


@pytest.mark.parametrize("bias", [False, True])
def test_a_packed_layer_gives_the_bits_of_the_plain_one(native, bias):
    for shape in ((256, 256), (300, 260), (64, 1027)):
        plain, other = layer(*shape, bias=bias), layer(*shape, bias=bias)
        assert pack_weights(other) == 1
        for rows in ((1, 1), (1, 10), (7, 1), (3, 33), (0, 5)):
            x = torch.randn(*rows, shape[0]).bfloat16()
            with torch.inference_mode():
                assert torch.equal(other(x), plain(x))
            turned = torch.randn(shape[0], rows[1]).bfloat16().t()  # lies otherwise in memory
            with torch.no_grad():
                assert torch.equal(other(turned), plain(turned))


def test_elsewhere_torch_multiplies_by_the_weights(native, monkeypatch):
    assert pack_weights(layer(256, 256, dtype=torch.float32)) == 0
    assert pack_weights(layer(32, 32)) == 0
    made, x = layer(256, 256), torch.randn(2, 256).bfloat16()
    assert pack_weights(made) == 1
    assert made(x).requires_grad
    with torch.no_grad():
        assert torch.equal(made.float()(x.float()), torch.nn.functional.linear(x.float(), made.weight))
    monkeypatch.setattr(packed, "bfloat16_is_native", lambda: False)
    assert pack_weights(layer(256, 256)) == 0


def test_a_large_model_in_float32_answers_by_packed_weights_where_mkl_is_slow(monkeypatch):
    plain, other, x = *(layer(256, 300, dtype=torch.float32) for _ in "ab"), torch.randn(10, 256)
    monkeypatch.setattr(packed, "mkl_is_slow", lambda: True)
    assert pack_weights(other) == 0  # so small models answer with the bits of before
    monkeypatch.setattr(packed, "is_large", lambda model: True)
    assert pack_weights(other) == 1
    with torch.inference_mode():
        torch.testing.assert_close(other(x), plain(x))
    monkeypatch.setattr(packed, "MOST", 256)
    assert pack_weights(layer(256, 300, dtype=torch.float32)) == 0


def test_a_model_answers_in_bfloat16_as_it_does_unpacked(native, monkeypatch, tmp_path):
    folder = tiny_base(tmp_path / "base", hidden_size=256, intermediate_size=300, num_key_value_heads=4)
    prompts = [[5, 9, 2], [7, 7, 1, 3, 8, 2, 2], [4]]
    found = CheckpointModel(folder, device="cpu", precision="bfloat16")
    assert any(isinstance(module, PackedLinear) for module in found.model.modules())
    monkeypatch.setattr(packed, "bfloat16_is_native", lambda: False)
    plain = CheckpointModel(folder, device="cpu", precision="bfloat16")
    assert not any(isinstance(module, PackedLinear) for module in plain.model.modules())
    for model in (found, plain):
        assert model.model.dtype == torch.bfloat16
    assert [r.ids for r in found.reply(prompts, GREEDY, 0)] == [r.ids for r in plain.reply(prompts, GREEDY, 0)]
    assert CheckpointModel(folder, device="cpu").model.dtype == torch.float32
    with pytest.raises(LimaError, match="precision is 'float16'"):
        CheckpointModel(folder, device="cpu", precision="float16")
