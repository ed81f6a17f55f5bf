"""A tiny tokenizer, tiny models of every architecture, and a folder of one to train from.

Nothing here is trained: weights are random and seeded. Knows nothing of plugins.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

TEXT = (
    "The quick brown fox jumps over the lazy dog. What is the capital of France? Paris is the capital of France. "
    "How do I boil an egg? Put it into boiling water for seven minutes, then cool it. Why? Shorter, please."
)


def tiny_tokenizer(special: Iterable[str] = ("<|endoftext|>",), text: str = TEXT, vocabulary: int = 400) -> Any:
    """A byte-level BPE fast tokenizer that knows every byte; the first special token is its EOS"""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = list(special)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=special[0] if special else None)


_SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
_GROUPED = {**_SMALL, "num_key_value_heads": 2, "max_position_embeddings": 512}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": _GROUPED,
    "mistral": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 8},
    "gemma": {**_GROUPED, "head_dim": 8},
    "gemma2": {**_GROUPED, "head_dim": 8, "sliding_window": 16, "query_pre_attn_scalar": 8},
    "gemma3_text": {**_GROUPED, "head_dim": 8, "sliding_window": 16, "query_pre_attn_scalar": 8},
    "phi": _GROUPED,
    "phi3": {**_GROUPED, "pad_token_id": 0},
    "olmo2": _GROUPED,
    "mixtral": {**_GROUPED, "num_local_experts": 2, "num_experts_per_tok": 1},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 512},
    "gpt_neox": {**_SMALL, "max_position_embeddings": 512},
}
"Smallest sensible configuration of each architecture, by model_type"


def tiny_model(architecture: str = "llama", vocabulary: int = 400, seed: int = 0, **config: Any) -> Any:
    """A random causal LM with three layers of width 32"""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    values = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 0, **ARCHITECTURES[architecture], **config}
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **values))


def tiny_base(folder: str | Path, architecture: str = "llama", tokenizer: Any = None, **config: Any) -> Path:
    """A base model folder, complete with tokenizer, to train from in a test"""
    tokenizer = tokenizer or tiny_tokenizer()
    tiny_model(architecture, len(tokenizer), **config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


def starting(tokenizer: Any, bos: str = "<s>") -> Any:
    """The tokenizer, which from now on begins every text with its BOS"""
    from tokenizers.processors import TemplateProcessing

    tokenizer.bos_token = bos
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        f"{bos} $A", special_tokens=[(bos, tokenizer.convert_tokens_to_ids(bos))]
    )
    return tokenizer
