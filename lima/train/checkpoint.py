"""A trainee as it is now, written as a complete Hugging Face folder: its weights, or its adapter merged, and its tokenizer.

Knows nothing of steps, nor of how a folder is written completely or not at all, which is `lima.model.saving`.
"""

from pathlib import Path
from typing import Any

import torch

from lima.contract.kinds import HasChatTemplate
from lima.contract.runs import Run
from lima.errors import LimaError
from lima.isolation import plugin_code
from lima.model.adapter import keep_adapter, merged_state, prove_merge, save_adapter, use_of
from lima.model.folder import load_model
from lima.model.saving import save
from lima.model.shard import full_state, full_tensors, raise_together
from lima.record.runs import card, check_own
from lima.train.trainee import Trainee


def write_checkpoint(trainee: Trainee, run: Run, folder: Path, step: int) -> None:
    """Write the model as it is after `step`; all processes bring their parts and the main one writes

    LimaError if another model was put there meanwhile, or if the merge would answer differently from its adapter."""
    main, lora = trainee.accelerator.is_main_process, run.recipe.lora_rank > 0
    with raise_together():
        model = trainee.bare
        if lora and run.recipe.shard:
            model = _unsharded(trainee, model)
        state = {} if lora else full_state(model, trainee.saved_dtype, keep=main)
        if main:
            _write(trainee, run, folder, step, model, merged_state(model, trainee.saved_dtype) if lora else state)


def _unsharded(trainee: Trainee, model: Any) -> Any:
    """A copy of the model with its adapter on the main process's CPU, to be merged as a single process would"""
    trained = {n: t.cpu() for n, t in full_tensors((n, p) for n, p in model.named_parameters() if p.requires_grad)}
    if not trainee.accelerator.is_main_process:
        return model
    adapted = trainee.build().model
    adapted.load_state_dict(trained, strict=False)
    return adapted


def _write(trainee: Trainee, run: Run, folder: Path, step: int, model: Any, state: dict[str, torch.Tensor]) -> None:
    """A complete Hugging Face folder with this state"""
    check_own(folder, run.id)
    ready, lora = trainee.ready, run.recipe.lora_rank > 0
    plain = model.get_base_model() if lora else model
    plain.set_attn_implementation(trainee.built.own_attention)
    tokenizer, renderer = ready.tokenizer, ready.renderer
    if isinstance(renderer, HasChatTemplate):
        with plugin_code(f"the renderer {run.renderer!r}"):
            tokenizer.chat_template = renderer.chat_template(tokenizer, ready.eot)

    def finish(built: Path) -> str:
        return _adapter_beside(trainee, run, folder, model, built)

    save(plain, tokenizer, ready.base, folder, trainee.saved_dtype, card(run, step), state, finish if lora else None)
    if lora:
        model.train()
    plain.set_attn_implementation(trainee.built.attention)


def _adapter_beside(trainee: Trainee, run: Run, folder: Path, model: Any, built: Path) -> str:
    """Save the adapter in a built folder and prove that the merge there answers alike; a text for the card"""
    size = save_adapter(model, built / "adapter")
    # bfloat16 keeps eight bits: a merge into it cannot be closer than that.
    tolerance = 1e-4 if trainee.saved_dtype == torch.float32 else 3e-2
    merged = load_model(built, trust_remote_code=run.recipe.trust_remote_code)
    try:
        off, effect = prove_merge(model, merged, trainee.ready.rendered[0][0].ids[:32], tolerance)
    except LimaError as e:
        raise LimaError(f"{e} {keep_adapter(built, folder)}") from e
    return (
        f"\nLoRA of rank {run.recipe.lora_rank}, merged: where it changes logits by {effect:.1g} of their size, the "
        f"merge differs by {off:.1g}. The adapter alone ({size:,} bytes) is in `adapter`. "
        f"{use_of(model)}\n"
    )
