"""A base model's folder: checked, and its configuration, tokenizer and weights loaded.

safetensors only; code that comes with a model runs only when asked for. torch and transformers load with the first thing that
needs them: whether a folder is whole, and its hash, need neither. Knows nothing of examples or of the loop.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima.errors import LimaError
from lima.model.values import AGAIN, check_ids, check_json, check_sizes, check_tokenizer
from lima.paths import check_readable, entries, is_file, is_folder, read_bytes, shown

if TYPE_CHECKING:
    import torch


def pick_device(wanted: str) -> str:
    """'cpu' or 'cuda'; 'auto' takes a GPU if the machine has one. LimaError for 'cuda' without a GPU"""
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise LimaError("The recipe asks for device 'cuda', but torch sees no GPU here. Use device=cpu or device=auto.")
    if not there or wanted == "cpu":
        return "cpu"
    # Micro-batches differ in length. PyTorch's notes on memory advise this if sizes vary: otherwise it may find no free block
    # of the right size, and ask the driver for gigabytes again. It is read when memory is first asked for.
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    return "cuda"


def check_folder(folder: str | Path, weights: bool = True) -> Path:
    """The folder of a model, with weights in safetensors if they are wanted, or LimaError saying which part is missing"""
    path = Path(folder)
    if not is_folder(path):
        raise LimaError(
            f"{shown(folder)} is not a folder. Expected a Hugging Face folder with config.json, *.safetensors and a tokenizer."
        )
    names = {entry.name for entry in entries(path)}
    for name in names:
        check_readable(path / name)
    if "adapter_config.json" in names:
        raise LimaError(
            f"{folder} has an adapter (adapter_config.json), which lima does not put on a model. Merge it into its base with "
            "peft (`merge_and_unload`) and save that; or, to use the model without it, move adapter_config.json and "
            "adapter_model.safetensors out of the folder."
        )
    if "config.json" not in names:
        raise LimaError(
            f"{folder} has no config.json, so it is not a Hugging Face model folder, or it was copied only in part."
        )
    if not weights:
        return path
    if not any(name.endswith(".safetensors") for name in names):
        pickled = sorted(name for name in names if name.endswith(".bin"))
        hint = (
            f" It has {pickled[0]}, which is a pickle and can run code: convert it to safetensors first."
            if pickled
            else ""
        )
        raise LimaError(f"{folder} has no *.safetensors weights.{hint}")
    index = path / "model.safetensors.index.json"
    if index.name in names:
        try:
            wanted = set(json.loads(read_bytes(index))["weight_map"].values())
            missing = sorted(n for n in wanted if not is_file(path / n))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
            raise LimaError(
                f"{index} is malformed ({type(e).__name__}: {e}). Copy it from the base model again."
            ) from None
        if missing:
            raise LimaError(
                f"{folder} lacks {len(missing)} of its {len(wanted)} weight files, first {missing[0]}. Copy them again."
            )
    return path


def check_weights(folder: str | Path) -> Path:
    """`check_folder`, and that every file of weights is as long as its header says, or LimaError naming the one that is not"""
    from safetensors import SafetensorError, safe_open

    path = check_folder(folder)
    for file in sorted(path.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except (SafetensorError, OSError) as e:
            raise LimaError(f"{file} is damaged: {e}. Choose another epoch, or restore it from a backup.") from None
    return path


@contextmanager
def _loading(what: str, folder: str | Path, trust_remote_code: bool) -> Iterator[None]:
    """Turn any failure of transformers into a sentence: it checks little, and what a damaged folder makes it raise is endless

    `what` is what it reads. Of a folder with code that nobody has agreed to run, the sentence says how to agree."""
    try:
        yield
    except Exception as e:
        if not trust_remote_code and "trust_remote_code" in str(e):
            raise LimaError(
                f"{folder} comes with Python code, which lima runs only if you allow it. Read it; if you trust it, add "
                "--trust-remote-code."
            ) from None
        raise LimaError(f"{what} does not load: {type(e).__name__}: {_short(str(e))} {AGAIN}") from e


def _short(text: str) -> str:
    """The first line of an error of transformers that says anything, and the one that it announces; it may be long"""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return f"{said[:300].rstrip('.:')}."


def load_config(folder: Path, trust_remote_code: bool = False) -> Any:
    """A folder's configuration as transformers has it; LimaError when it does not load, or has values that no model can have"""
    from transformers import AutoConfig

    file = Path(folder) / "config.json"
    check_json(file)
    with _loading(str(file), folder, trust_remote_code):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
        text = config.get_text_config()
    check_sizes(file, text)
    check_ids(file, config)
    return config


def check_trainable(config: Any) -> None:
    """Raise LimaError for a base whose weights are quantized: they cannot take small updates"""
    quantized = getattr(config, "quantization_config", None)
    if quantized:
        how = quantized.get("quant_method") if isinstance(quantized, dict) else type(quantized).__name__
        raise LimaError(
            f"The base model is quantized ({how}). Use the model that it was quantized from, in bfloat16, float16 or float32."
        )


def check_vocabulary(tokenizer: Any, config: Any) -> None:
    """Raise LimaError for a tokenizer with more tokens in its vocabulary than the model's embedding has rows

    Tokens added after the vocabulary may lack a row: Gemma 3 has one, for images, that never occurs in text."""
    rows = config.get_text_config().vocab_size
    beyond = [i for i in tokenizer.get_vocab().values() if i >= rows and i not in tokenizer.added_tokens_decoder]
    if beyond:
        raise LimaError(
            f"The tokenizer has {len(tokenizer)} tokens, but the model's embedding only {rows} rows: they do not belong "
            "together. Take the tokenizer that was published with these weights."
        )


def load_tokenizer(folder: str | Path, trust_remote_code: bool = False) -> Any:
    """The folder's fast tokenizer; LimaError if it has none"""
    from transformers import AutoTokenizer

    path = Path(folder)
    files = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
    if not any(is_file(path / f) for f in files):
        raise LimaError(
            f"{folder} has no tokenizer. Expected tokenizer.json next to the weights: copy it from the base model."
        )
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        check_json(path / name)
    with _loading(f"The tokenizer of {folder}", folder, trust_remote_code):
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=trust_remote_code)
    check_tokenizer(path / "tokenizer_config.json", tokenizer)
    with _loading(f"The tokenizer of {folder}", folder, trust_remote_code):
        tokenizer.decode(tokenizer("a").input_ids)  # as it is used later: what is wrong with it is wrong here
    if not tokenizer.is_fast:
        raise LimaError(
            f"The tokenizer of {folder} is not a fast one, so it gives no offsets. Save it with a tokenizer.json."
        )
    return tokenizer


def load_model(
    folder: str | Path, dtype: str = "float32", trust_remote_code: bool = False, weights: bool = True
) -> Any:
    """The causal LM of a folder on the CPU, or without `weights` on the meta device; `dtype` 'auto' keeps the saved one"""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.utils import GENERATION_CONFIG_NAME, logging

    logging.disable_progress_bar()  # the command line has its own progress bar, and a library should not print one
    path = check_folder(folder, weights)
    trust: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    config = load_config(path, trust_remote_code)
    check_json(path / GENERATION_CONFIG_NAME)
    with _loading(f"The model in {folder}", folder, trust_remote_code):
        if not weights:
            kind = config.dtype or torch.float32 if dtype == "auto" else getattr(torch, dtype)
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(config, dtype=kind, **trust)
            if is_file(path / GENERATION_CONFIG_NAME):
                model.generation_config = GenerationConfig.from_pretrained(path, local_files_only=True)
            check_ids(path / GENERATION_CONFIG_NAME, model.generation_config)
            return model
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True, **trust
        )
    model, found = loaded
    check_ids(path / GENERATION_CONFIG_NAME, model.generation_config)
    # transformers would fill them with random numbers, and continue.
    if missing := sorted(found["missing_keys"]):
        raise LimaError(
            f"The weights in {folder} lack {len(missing)} that its config.json asks for, first {missing[0]}. "
            "Copy the base model again, or correct its config.json."
        )
    return model


def folder_hash(folder: str | Path) -> str:
    """SHA-256 over the names and bytes of a folder's weights, config and tokenizer"""
    digest = hashlib.sha256()
    for file in sorted(Path(folder).iterdir()):
        if file.suffix in (".safetensors", ".json", ".model", ".jinja", ".txt"):
            digest.update(file.name.encode() + b"\0")
            with open(file, "rb") as f:
                digest.update(hashlib.file_digest(f, "sha256").digest())
    return digest.hexdigest()


def saved_dtype(base: Path, trust_remote_code: bool = False) -> "torch.dtype":
    """The dtype of the base's weights, which the checkpoint keeps: as its config says, else as its first matrix is"""
    import torch
    from safetensors import safe_open

    dtype = load_config(base, trust_remote_code).dtype
    if isinstance(dtype, torch.dtype):
        return dtype
    for path in sorted(base.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dict
                if len(file.get_slice(name).get_shape()) > 1:
                    return file.get_tensor(name).dtype
    return torch.float32
