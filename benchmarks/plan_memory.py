"""What `lima plan` estimates beside the peak memory of a real step, on CPU; prints one JSON object.

    python benchmarks/plan_memory.py llama | qwen2 | mistral | lora | wide [--tokens N] [--bfloat16] [--checkpointing]
                                     [--chunk BYTES]

`--chunk` is another limit on the logits of a chunk of the head than lima's, to see what chunks save.

The peak is the process's resident memory during the second step (the optimizer's state exists by then), less what the process
held before the model was made. Linux only: the kernel's high-water mark is reset in between, and the C library is told to give
every freed tensor back at once, so that fragments of its heap do not count as memory that the step needs.
"""

import argparse
import ctypes
import json
import time

import torch

from lima.contract.rendered import Rendered
from lima.model import attention
from lima.model.adapter import add_lora
from lima.model.build import recompute_activations
from lima.model.dropout import set_residual_dropout
from lima.model.onednn import use_onednn
from lima.recipe import Recipe
from lima.train import head
from lima.train.batching import micro_batch
from lima.train.loss import weighted_loss
from lima.train.plan import activations

SHAPES = {
    "llama": (
        {
            "vocab_size": 8000,
            "hidden_size": 256,
            "intermediate_size": 704,
            "num_hidden_layers": 6,
            "num_attention_heads": 8,
        },
        4000,
    ),
    "qwen2": (
        {
            "vocab_size": 32000,
            "hidden_size": 512,
            "intermediate_size": 1536,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
        },
        2000,
    ),
    "mistral": (
        {
            "vocab_size": 16000,
            "hidden_size": 384,
            "intermediate_size": 1024,
            "num_hidden_layers": 10,
            "num_attention_heads": 6,
            "num_key_value_heads": 6,
        },
        2000,
    ),
    "lora": (  # llama with an adapter of rank 32, its dropout and LIMA's
        {
            "vocab_size": 8000,
            "hidden_size": 256,
            "intermediate_size": 704,
            "num_hidden_layers": 6,
            "num_attention_heads": 8,
        },
        2000,
    ),
    "wide": (  # a vocabulary for which the head goes over chunks
        {
            "vocab_size": 150_000,
            "hidden_size": 128,
            "intermediate_size": 352,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
        },
        5120,
    ),
}


def resident(kind: str) -> int:
    """Bytes, from the kernel's account of this process"""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(kind))


def main(shape: str, tokens: int, bfloat16: bool, checkpointing: bool) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.set_num_threads(1)
    ctypes.CDLL("libc.so.6").mallopt(-3, 1 << 16)  # M_MMAP_THRESHOLD
    attention.register()
    values, usual = SHAPES[shape]
    tokens = tokens or usual
    architecture = "llama" if shape in ("lora", "wide") else shape
    config = AutoConfig.for_model(architecture, **values)

    def dressed(model):
        model.set_attn_implementation(attention.NAME)
        if checkpointing:
            recompute_activations(model)
        if shape != "lora":
            return model
        set_residual_dropout(model, 0.3)
        return add_lora(model, Recipe(lora_rank=32, lora_dropout=0.05), [7])

    def step(model, batch) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16, cache_enabled=not checkpointing):
            loss, _ = weighted_loss(model, batch, "cpu")
        loss.backward()

    def batch_of(length: int, count: int):
        one = Rendered([1] * length, [0.0] * (length // 5) + [1.0] * (length - length // 5), [])
        return micro_batch([one] * count, range(count))

    with torch.device("meta"):
        ghost = dressed(AutoModelForCausalLM.from_config(config))
    batch = batch_of(500, tokens // 500)
    parameters = sum(p.numel() for p in ghost.parameters())
    trained = sum(p.numel() for p in ghost.parameters() if p.requires_grad)
    needed = activations(ghost, batch, bfloat16)
    estimated = 4 * parameters + 8 * trained + max(4 * trained + needed.recomputed, needed.all)
    small = {**values, "vocab_size": 100, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
    warm = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **small))
    warm.set_attn_implementation(attention.NAME)
    step(warm, batch_of(50, 2))  # libraries allocate on first use
    before = resident("VmRSS")
    model = dressed(AutoModelForCausalLM.from_config(config)).train()
    use_onednn(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5, fused=True)
    for number in range(2):
        if number:
            with open("/proc/self/clear_refs", "w") as marks:
                marks.write("5")
        began = time.perf_counter()
        step(model, batch)
        optimizer.step()
        seconds = time.perf_counter() - began
        optimizer.zero_grad()
    measured = resident("VmHWM") - before
    print(
        json.dumps(
            {
                "shape": shape,
                "parameters": parameters,
                "tokens": tokens,
                "bfloat16": bfloat16,
                "checkpointing": checkpointing,
                "seconds": round(seconds, 1),
                "estimated": estimated,
                "measured": measured,
                "ratio": round(estimated / measured, 3),
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--chunk", type=int, default=head.CHUNK_BYTES["cpu"])
    chosen = parser.parse_args()
    head.CHUNK_BYTES["cpu"] = chosen.chunk
    main(chosen.shape, chosen.tokens, chosen.bfloat16, chosen.checkpointing)
