"""From a GGUF file to a Hugging Face folder: weights dequantised to float16, and the tokenizer as the model learnt it.

transformers reads the file with the gguf package. What it does not read is added here: that the tokenizer cuts out every digit
(`tokenizer.ggml.pre`), and the longest text. Knows nothing of wheels, nor where the folder will be.
"""

import json
from pathlib import Path
from typing import Any

from lima import LimaError
from lima_smollm2.origin import SAMPLE, Origin


def convert(gguf: Path, folder: Path, origin: Origin) -> None:
    """Write weights, configurations and tokenizer of a GGUF into a folder; LimaError unless they have the origin's facts"""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    file: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, dtype=torch.float16, quantization_config=GgufConfig(dequantize=True), **file
    )
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **file)
    config = model.config
    _cut_as_learnt(tokenizer)
    tokenizer.model_max_length = config.max_position_embeddings
    config.rms_norm_eps = float(f"{config.rms_norm_eps:.6g}")  # the file has it in float32
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    found = facts(model, tokenizer)
    for name, expected in origin.facts.items():
        if found[name] != expected:
            raise LimaError(
                f"The model was read wrongly: {name} is {found[name]!r}; expected {expected!r}. Install the versions of "
                "transformers and gguf in lima's constraints.txt, and fetch it again."
            )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _forget(folder / "config.json", "_model_name_or_path")
    _forget(folder / "tokenizer_config.json", "is_local", "local_files_only")


def facts(model: Any, tokenizer: Any) -> dict[str, Any]:
    """What tells that a model and its tokenizer were read as they were trained"""
    config = model.config
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    return {
        "architecture": config.model_type,
        "parameters": sum(p.numel() for p in model.parameters()),
        "context": config.max_position_embeddings,
        "rope_theta": config.rope_parameters["rope_theta"],
        "tied": bool(tied and config.tie_word_embeddings),
        "vocabulary": len(tokenizer),
        "bos": (tokenizer.bos_token, tokenizer.bos_token_id),
        "eos": (tokenizer.eos_token, tokenizer.eos_token_id),
        "special": sum(token.special for token in tokenizer.added_tokens_decoder.values()),
        "sample": tuple(tokenizer(SAMPLE, add_special_tokens=False).input_ids),
    }


def _cut_as_learnt(tokenizer: Any) -> None:
    """Cut out every digit before words are cut, as SmolLM's tokenizers do; transformers leaves that out

    Without it white space before a number has other ids: in "1.\n\n2." the two line breaks are one token."""
    from tokenizers import pre_tokenizers

    digits = pre_tokenizers.Digits(individual_digits=True)
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words])


def _forget(file: Path, *keys: str) -> None:
    """Take out of a JSON file what tells of the conversion and not of the model"""
    values = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({k: v for k, v in values.items() if k not in keys}, indent=2) + "\n", encoding="utf-8")
