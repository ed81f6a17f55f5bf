"""Published model shapes with random weights, and a base folder for each: nothing is downloaded, no weights are written.

Knows nothing of what is measured.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
import lima_like

EXAMPLES = 320
"Ten steps of 32, in LIMA's lengths"


def qwen(kind: str, width: int, inner: int, layers: int, heads: int, groups: int, tied: bool = True) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": 151_936,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "max_position_embeddings": 32_768,
        "tie_word_embeddings": tied,
        **({"head_dim": 128} if kind == "qwen3" else {}),
    }


LLAMA_8B = qwen("llama", 4096, 14_336, 32, 32, 8, tied=False) | {"vocab_size": 128_256}
SHAPES = {
    "full 0.5B": qwen("qwen2", 896, 4864, 24, 14, 2),
    "full 1.5B": qwen("qwen2", 1536, 8960, 28, 12, 2),
    "full 8B": LLAMA_8B,
    "full 8B, 8 of 32 layers": LLAMA_8B | {"num_hidden_layers": 8},
    "lora 0.6B": qwen("qwen3", 1024, 3072, 28, 16, 8),
    "lora 1.7B": qwen("qwen3", 2048, 6144, 28, 16, 8),
    "lora 8B": qwen("qwen3", 4096, 12_288, 36, 32, 8, tied=False),
    "answer 0.5B": qwen("qwen2", 896, 4864, 24, 14, 2),
    "answer 8B": LLAMA_8B,
}
"Qwen 2 (2.5 has its shapes), Llama 3 and Qwen 3"

TINY = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 9000,
}


def tiny(shape: dict[str, Any]) -> dict[str, Any]:
    """The same architecture, small enough for a CPU"""
    return shape | TINY | {"num_key_value_heads": 2} | ({"head_dim": 8} if "head_dim" in shape else {})


def make_folder(folder: Path, shape: dict[str, Any], length: float = 1.0) -> Path:
    """A base folder without its weights, and `pairs.jsonl`; examples `length` times as long as LIMA's"""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig

    from lima.testing import tiny_tokenizer

    folder.mkdir(parents=True)
    talks = [t for t in lima_like.conversations(length=length) if len(t) == 2][:EXAMPLES]
    sample = " ".join(m["content"] for t in talks[:100] for m in t)
    tokenizer = tiny_tokenizer(text=sample, vocabulary=8000)
    tokenizer.pad_token = "<|endoftext|>"
    values = {k: v for k, v in shape.items() if k != "model_type"} | {"bos_token_id": None, "eos_token_id": 0}
    # A published base is saved in bfloat16.
    AutoConfig.for_model(shape["model_type"], **values, dtype="bfloat16").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file({"lm_head.weight": torch.zeros(1, dtype=torch.bfloat16)}, folder / "model.safetensors")
    rows = [{"prompt": t[0]["content"], "response": t[1]["content"]} for t in talks]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return folder


def random_model(folder: str | Path, device: str, dtype: str = "float32") -> Any:
    """The causal LM of a folder's configuration with random weights, made where it will be used"""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=getattr(torch, dtype))
