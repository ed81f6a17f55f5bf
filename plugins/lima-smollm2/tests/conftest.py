"""Fixtures: no network, a user folder of the test's own, and a toy GGUF in a toy wheel, with what it must become."""

import hashlib
import json
import os
import zipfile
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WIDTH, INNER, LAYERS, HEADS, GROUPS = 64, 96, 2, 4, 2
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(autouse=True)
def own_user_folder(lima_home):
    return lima_home


def tensors(rows):
    """A tiny llama's matrices by their names in a GGUF; a multiple of 32 wide, as Q4_1 needs"""
    random, keys = np.random.default_rng(0), WIDTH * GROUPS // HEADS
    layer = {"attn_q": (WIDTH, WIDTH), "attn_k": (keys, WIDTH), "attn_v": (keys, WIDTH), "attn_output": (WIDTH, WIDTH)}
    layer |= {"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)}
    shapes = {"token_embd": (rows, WIDTH), **{f"blk.{i}.{n}": s for i in range(LAYERS) for n, s in layer.items()}}
    return {n: random.normal(0, 0.05, s).astype(np.float32) for n, s in shapes.items()}


def write_gguf(path, tokenizer):
    """A tiny llama in Q4_1 with this tokenizer; its matrices as they come out of the file"""
    import gguf
    from gguf import quants

    backend = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    writer, four = gguf.GGUFWriter(path, "llama"), gguf.GGMLQuantizationType.Q4_1
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in backend["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    read = {}
    for name, matrix in tensors(len(tokens)).items():
        packed = quants.quantize(matrix, four)
        writer.add_tensor(f"{name}.weight", packed, raw_dtype=four)
        read[name] = quants.dequantize(packed, four)
    for name in ["output_norm", *(f"blk.{i}.{n}_norm" for i in range(LAYERS) for n in ("attn", "ffn"))]:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A toy's origin, its wheel, GGUF, tokenizer and matrices"""
    from tokenizers import pre_tokenizers

    from lima.testing import TEXT, tiny_tokenizer
    from lima_smollm2.origin import SAMPLE, Origin

    folder = tmp_path_factory.mktemp("toy")
    tokenizer = tiny_tokenizer(SPECIAL, TEXT + " Lists:\n\n1. One\n\n2. Two\n\n" * 3)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), tokenizer.backend_tokenizer.pre_tokenizer]
    )
    gguf = folder / "toy.gguf"
    matrices = write_gguf(gguf, tokenizer)
    wheel = folder / "toy_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as out:
        out.write(gguf, "toy_model/toy.gguf")
        out.writestr("toy_model/__init__.py", "raise SystemExit('imported')")
    facts = {
        "architecture": "llama",
        "parameters": sum(m.size for m in matrices.values()) + WIDTH * (1 + 2 * LAYERS),
        "context": 512,
        "rope_theta": 100_000.0,
        "tied": True,
        "vocabulary": len(tokenizer),
        "bos": ("<|im_start|>", 1),
        "eos": ("<|im_end|>", 2),
        "special": 3,
        "sample": tuple(tokenizer(SAMPLE, add_special_tokens=False).input_ids),
    }
    origin = Origin(
        package="toy-model",
        version="1.0",
        wheel=wheel.name,
        member="toy_model/toy.gguf",
        size=gguf.stat().st_size,
        sha256=hashlib.sha256(gguf.read_bytes()).hexdigest(),
        facts=facts,
    )
    return SimpleNamespace(origin=origin, wheel=wheel, gguf=gguf, tokenizer=tokenizer, matrices=matrices)
