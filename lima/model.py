"""Load a base model and its tokenizer, give them the end-of-turn token (EOT), and save them as a plain Hugging Face folder.

safetensors only; code that comes with a model runs only when asked for. Knows nothing of examples or of the loop.
"""

import glob
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lima.errors import LimaError
from lima.shard import like

_logger = logging.getLogger("lima")


def pick_device(wanted: str) -> str:
    """'cpu' or 'cuda'; 'auto' takes the GPU when there is one. LimaError for a GPU that is not there"""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise LimaError("The recipe asks for device 'cuda', but torch sees no GPU here. Use device=cpu or device=auto.")
    return "cuda" if there and wanted != "cpu" else "cpu"


def check_folder(folder: str | Path, weights: bool = True) -> Path:
    """The folder of a model, with weights in safetensors where they are wanted, or LimaError saying which part is missing"""
    path = Path(folder)
    if not path.is_dir():
        raise LimaError(
            f"{folder} is no folder. Expected a Hugging Face folder with config.json, *.safetensors and a tokenizer."
        )
    if not (path / "config.json").is_file():
        raise LimaError(f"{folder} has no config.json, so it is no Hugging Face model folder (or one half-copied).")
    if not weights:
        return path
    if not any(path.glob("*.safetensors")):
        pickled = sorted(p.name for p in path.glob("*.bin"))
        hint = (
            f" It has {pickled[0]}, which is a pickle and can run code: convert it to safetensors first."
            if pickled
            else ""
        )
        raise LimaError(f"{folder} has no *.safetensors weights.{hint}")
    index = path / "model.safetensors.index.json"
    if index.is_file():
        try:
            wanted = set(json.loads(index.read_text())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise LimaError(
                f"{index} is malformed ({type(e).__name__}: {e}). Copy it from the base model again."
            ) from None
        missing = sorted(n for n in wanted if not (path / n).is_file())
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
            raise LimaError(f"{file} is torn: {e}. Choose another epoch, or restore it from a backup.") from None
    return path


def load_config(folder: Path, trust_remote_code: bool = False) -> Any:
    """A folder's configuration as transformers has it; LimaError when it does not load"""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=trust_remote_code)
    except (ValueError, OSError, KeyError, TypeError, ImportError, StrictDataclassError) as e:
        raise LimaError(f"{folder}/config.json does not load: {_first_line(e)}") from e


def _first_line(e: Exception) -> str:
    """What went wrong in transformers, which explains itself at length"""
    return f"{type(e).__name__}: {(str(e).splitlines() or [''])[0]}"


def check_trainable(config: Any) -> None:
    """Raise LimaError for a base whose weights are quantized: there is nothing to add a small step to"""
    quantized = getattr(config, "quantization_config", None)
    if quantized:
        how = quantized.get("quant_method") if isinstance(quantized, dict) else type(quantized).__name__
        raise LimaError(
            f"The base model is quantized ({how}). Take the one that it was made from, in bfloat16, float16 or float32."
        )


def check_vocabulary(tokenizer: Any, config: Any) -> None:
    """Raise LimaError for a tokenizer whose texts have tokens that the model has no row for in its embedding

    Tokens that were added behind the vocabulary may be without: Gemma 3 has one, for images, that no text is made of."""
    rows = config.get_text_config().vocab_size
    beyond = [i for i in tokenizer.get_vocab().values() if i >= rows and i not in tokenizer.added_tokens_decoder]
    if beyond:
        raise LimaError(
            f"The tokenizer has {len(tokenizer)} tokens, but the model's embedding only {rows} rows: they do not belong "
            "together. Take the tokenizer that was published with these weights."
        )


def load_tokenizer(folder: str | Path, trust_remote_code: bool = False) -> Any:
    """The folder's fast tokenizer; LimaError when there is none"""
    from transformers import AutoTokenizer

    path = Path(folder)
    files = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
    if not any((path / f).is_file() for f in files):
        raise LimaError(
            f"{folder} has no tokenizer. Expected tokenizer.json beside the weights: copy it from the base model."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=trust_remote_code)
    except Exception as e:
        raise LimaError(f"The tokenizer of {folder} does not load: {type(e).__name__}: {e}") from e
    if not tokenizer.is_fast:
        raise LimaError(
            f"The tokenizer of {folder} is not a fast one, so it gives no offsets. Save it with a tokenizer.json."
        )
    return tokenizer


def load_model(
    folder: str | Path, dtype: str = "float32", trust_remote_code: bool = False, weights: bool = True
) -> Any:
    """The causal LM of a folder on the CPU, or without `weights` on the meta device; `dtype` 'auto' keeps the saved one"""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
    from transformers.utils import GENERATION_CONFIG_NAME, logging

    logging.disable_progress_bar()  # the command line has its own, and a library has none
    path = check_folder(folder, weights)
    try:
        if not weights:
            config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=trust_remote_code)
            kind = config.dtype or torch.float32 if dtype == "auto" else getattr(torch, dtype)
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(config, dtype=kind, trust_remote_code=trust_remote_code)
            if (path / GENERATION_CONFIG_NAME).is_file():
                model.generation_config = GenerationConfig.from_pretrained(path, local_files_only=True)
            return model
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except (
        *(ValueError, OSError, KeyError, RuntimeError, TypeError, ImportError),
        *(SafetensorError, StrictDataclassError),
    ) as e:
        raise LimaError(f"The model in {folder} does not load: {_first_line(e)}") from e
    model, found = loaded
    # transformers would fill them with random numbers, and go on.
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


def extend_tokenizer(tokenizer: Any, tokens: list[str]) -> list[int]:
    """Make sure each token is one special id, those too that the tokenizer has as ordinary ones; the ids that are new"""
    from tokenizers import AddedToken

    known = tokenizer.added_tokens_decoder
    missing = [t for t in dict.fromkeys(tokens) if t not in tokenizer.get_vocab()]
    special = {token.content for token in known.values() if token.special}
    wanted = [t for t in dict.fromkeys(tokens) if t not in special]
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in wanted], special_tokens=True)
    return [int(i) for i in tokenizer.convert_tokens_to_ids(missing)]


def extend_embeddings(model: Any, new: list[int], used: int) -> None:
    """Give the new ids their rows in the embedding and the LM head, at the mean of the `used` first ones (paper silent)"""
    rows = model.get_input_embeddings().weight.shape[0]
    if not new:
        return
    if max(new) >= rows:
        model.resize_token_embeddings(max(new) + 1, mean_resizing=False)
    head = model.get_output_embeddings()
    weights = [model.get_input_embeddings().weight]
    if head is not None and head.weight is not weights[0]:
        weights.append(head.weight)
    if getattr(head, "bias", None) is not None:
        weights.append(head.bias)
    with torch.no_grad():
        for weight in weights:
            weight[new] = weight[: min(used, rows)].mean(0)


def set_stop(model: Any, tokenizer: Any, eot: str) -> None:
    """Write the EOT into config and generation_config, first, before whatever stopped the base (marin#4760)"""
    model.generation_config = _sound(model.generation_config)
    eot_id = tokenizer.convert_tokens_to_ids(eot)
    before = model.generation_config.eos_token_id
    before = [before] if isinstance(before, int) else list(before or [])
    if tokenizer.eos_token_id is not None:
        before.append(tokenizer.eos_token_id)
    stops = list(dict.fromkeys([eot_id, *before]))
    model.config.eos_token_id = stops
    model.generation_config.eos_token_id = stops
    if model.generation_config.pad_token_id is None:
        model.generation_config.pad_token_id = (
            tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stops[-1]
        )


def _sound(generation: Any) -> Any:
    """A base's generation_config, such that transformers will save it, and not refuse to when the training is done

    Values for sampling mean that it samples; one that is wrong beyond that is left out but for its token ids."""
    from transformers import GenerationConfig

    for sampling in (generation.do_sample, True):
        generation.do_sample = sampling
        try:
            generation.validate(strict=True)
            return generation
        except ValueError as e:
            wrong = e
    ids = {key: getattr(generation, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    # Padding with -1 is what older checkpoints say for none.
    ids = {key: value for key, value in ids.items() if isinstance(value, list) or (value is not None and value >= 0)}
    lines = str(wrong).splitlines()
    why = next((line for line in lines if line.startswith("- ")), lines[0]).removeprefix("- ")
    _logger.warning(
        "The base's generation_config is left out but for its token ids, since transformers refuses it: %s", why
    )
    return GenerationConfig(**ids)


def recompute_activations(model: Any) -> None:
    """Save memory by computing each layer again in the backward pass"""
    # transformers renamed it in 5.2x; the minimum that we support has only the older name.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def freeze_embeddings(model: Any, trained_rows: list[int]) -> list[torch.nn.Parameter]:
    """Leave only these rows of the embedding and the LM head to train; the parameters concerned, which must not decay"""
    head = model.get_output_embeddings()
    parameters = [model.get_input_embeddings().weight]
    if head is not None and head.weight is not parameters[0]:
        parameters.append(head.weight)
    for parameter in parameters:
        keep = torch.zeros(parameter.shape[0], 1)
        keep[trained_rows] = 1
        keep = like(keep, parameter)

        # After it was accumulated: the gradient of a sharded parameter comes from a reduction, past the hooks of autograd.
        def mask(parameter: torch.nn.Parameter, keep: torch.Tensor = keep) -> None:
            if parameter.grad is not None:
                parameter.grad.mul_(keep.to(parameter.grad.device))

        parameter.register_post_accumulate_grad_hook(mask)
    return parameters


def save(
    model: Any,
    tokenizer: Any,
    folder: Path,
    dtype: torch.dtype,
    card: str,
    state: dict[str, torch.Tensor],
    finish: Callable[[Path], str] | None = None,
) -> None:
    """Write a complete Hugging Face folder, or nothing: it is built beside its place and moved there file by file

    `state` is what is saved under the model's configuration; `finish` may look at the built folder, refuse it or add to it, and
    gives a text for the card."""
    with beside(folder) as building:
        state = {k: v.detach().to(dtype).cpu() if v.is_floating_point() else v.cpu() for k, v in state.items()}
        model.config.dtype = dtype
        model.save_pretrained(building, state_dict=state)
        tokenizer.save_pretrained(building)
        (building / "README.md").write_text(card + (finish(building) if finish else ""), encoding="utf-8")
        to_disk(building)
        put_in_place(building, folder)


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """An empty folder to build a model in, on the disk of `folder` and gone afterwards; LimaError when the disk refuses

    Whoever saves there has its lock, so what a killed process left of an earlier attempt is removed."""
    with _explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f".{glob.escape(folder.name)}-saving-*"):
            shutil.rmtree(left, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-saving-", dir=folder.parent))
        try:
            yield building
        finally:
            shutil.rmtree(building, ignore_errors=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as e:  # a full disk is the one or the other
        raise LimaError(f"Cannot save the model to {folder}: {e}. Make room there, or choose another --out.") from e


def to_disk(building: Path) -> None:
    """Wait until every file of a built model is on the disk"""
    for file in building.rglob("*"):
        if file.is_file():
            with open(file, "rb") as f:
                os.fsync(f.fileno())


def put_in_place(building: Path, folder: Path) -> None:
    """Move a built model to its folder file by file: without config.json until all is there, so never one of two halves"""
    with _explained(folder):
        folder.mkdir(exist_ok=True)
        (folder / "config.json").unlink(missing_ok=True)
        for file in sorted(building.iterdir(), key=lambda f: (f.name == "config.json", f.name)):
            if file.is_dir():  # an adapter, or a tokenizer's further templates
                shutil.rmtree(folder / file.name, ignore_errors=True)
            os.replace(file, folder / file.name)


def saved_dtype(base: Path, trust_remote_code: bool = False) -> torch.dtype:
    """The dtype of the base's weights, which the checkpoint keeps: as its config says, else as its first matrix is"""
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


def parameter_groups(model: Any, decay: float, frozen: list[torch.nn.Parameter]) -> list[dict[str, Any]]:
    """Weight decay on matrices only: biases, norms and embeddings stand for directions that decay would only bend"""
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)} | {id(p) for p in frozen}
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    parameters = [p for _, p in trained]
    # The rows of an embedding that an adapter trains are one, too.
    decayed = [p for name, p in trained if p.ndim >= 2 and id(p) not in embeddings and "trainable_tokens" not in name]
    chosen = {id(p) for p in decayed}
    return [
        {"params": decayed, "weight_decay": decay},
        {"params": [p for p in parameters if id(p) not in chosen], "weight_decay": 0.0},
    ]
