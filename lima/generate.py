"""Answering: batched decoding from a checkpoint, and what anything that answers looks like.

A model is one call: a batch of prompts in, replies with ids, stop reason and seconds out (design seam 6). Sampling as in LIMA
§4.1, with the repetition penalty on the current reply only and never on the end-of-turn token (EOT): the usual penalty also
punishes the prompt, and with it the history and the EOT. Knows nothing of what the prompts are about.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lima.errors import LimaError

if TYPE_CHECKING:
    import torch

Prompt = Any
"Token ids (list[int]); or what a plugin's models and renderers take, such as the turns so far"


@dataclass(frozen=True)
class Sampling:
    """How to draw tokens; the defaults are LIMA §4.1's"""

    temperature: float = 0.7
    "0 is greedy"
    top_p: float = 0.9
    repetition_penalty: float = 1.2
    "Over the tokens of the current reply"
    max_new_tokens: int = 2048


@dataclass(frozen=True)
class Reply:
    """One answer"""

    text: str
    ids: list[int]
    "Without the token that stopped it"
    stop: str
    "'eot', 'length', 'context', or what a server said"
    seconds: float
    prompt_ids: list[int]
    "Empty when the model does not tell"


class Model(Protocol):
    """What `register_models` opens"""

    name: str

    def reply(
        self,
        prompts: Sequence[Prompt],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Reply]: ...


class CheckpointModel:
    """A Hugging Face folder that answers, on CPU or one GPU"""

    def __init__(self, folder: str | Path, renderer: Any = None, device: str = "auto", batch_size: int = 256) -> None:
        from lima.model import load_model, load_tokenizer, pick_device

        self.name = str(folder)
        self.renderer = renderer
        self.batch_size = batch_size
        self.device = pick_device(device)
        self.tokenizer = load_tokenizer(folder)
        self.model = load_model(folder, dtype="auto" if self.device == "cuda" else "float32").to(self.device).eval()
        eos = self.model.generation_config.eos_token_id
        self.stop_ids = sorted({eos} if isinstance(eos, int) else set(eos or []))
        if not self.stop_ids:
            raise LimaError(
                f"{folder} names no token that stops generation; expected eos_token_id in generation_config.json."
            )
        self.eot = self.tokenizer.convert_ids_to_tokens(
            eos[0] if isinstance(eos, list) else eos  # the first one is the EOT (lima.model.set_stop writes it so)
        )
        positions = getattr(self.model.config, "max_position_embeddings", None)
        self.context: int = positions or 1_000_000

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Ids as they are; anything else through the renderer's `chat_prompt`, text through its `prompt`"""
        if isinstance(prompt, list) and all(isinstance(i, int) for i in prompt):
            return prompt
        method = "prompt" if isinstance(prompt, str) else "chat_prompt"
        if not hasattr(self.renderer, method):
            name = getattr(self.renderer, "name", None)
            raise LimaError(
                f"{self.name} cannot be prompted with {type(prompt).__name__}: renderer {name!r} has no {method}()."
            )
        ids: list[int] = getattr(self.renderer, method)(prompt, self.tokenizer, self.eot)
        return ids

    def reply(
        self,
        prompts: Sequence[Prompt],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Reply]:
        """One reply a prompt, in order; `on_progress` hears how many more are done

        Each prompt draws from its own generator, seeded by its own `seed`, or by one seed and its position, so a reply does
        not depend on which others share its batch. A prompt that fills the context gets an empty reply that says "context"."""
        ids = [self.prompt_ids(p) for p in prompts]
        seeds = [seed * 1_000_003 + i for i in range(len(ids))] if isinstance(seed, int) else list(seed)
        empty = [i for i, one in enumerate(ids) if not one]
        if empty:
            raise LimaError(f"Prompt {empty[0] + 1} of {len(ids)} has no token.")
        replies = {i: Reply("", [], "context", 0.0, one) for i, one in enumerate(ids) if len(one) >= self.context}
        order = sorted((i for i in range(len(ids)) if i not in replies), key=lambda i: len(ids[i]))
        for at in range(0, len(order), self.batch_size):
            rows = order[at : at + self.batch_size]
            batch = _Batch(self, [ids[i] for i in rows], settings, [seeds[i] for i in rows])
            replies.update(zip(rows, batch.decode(), strict=True))
            if on_progress:
                on_progress(len(rows))
        return [replies[i] for i in range(len(ids))]


class _Batch:
    """Some prompts that are answered together; rows that are done leave it"""

    def __init__(self, model: CheckpointModel, prompts: list[list[int]], settings: Sampling, seeds: list[int]) -> None:
        self.model, self.prompts = model, prompts
        self.limits = [min(settings.max_new_tokens, model.context - len(p)) for p in prompts]
        self.draw = _Draw(settings, seeds, model.stop_ids)
        self.out: list[list[int]] = [[] for _ in prompts]
        self.stop = ["length"] * len(prompts)
        self.seconds = [0.0] * len(prompts)

    def decode(self) -> list[Reply]:
        """Prefill once, left-padded, then a token a row at a time until all have stopped"""
        import torch
        from transformers import DynamicCache

        started, device = time.perf_counter(), self.model.device
        width, pad = max(map(len, self.prompts)), self.model.stop_ids[0]
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in self.prompts], device=device)  # (rows, width)
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in self.prompts], device=device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        following = mask.sum(-1, keepdim=True)  # (rows, 1): the position of each row's next token
        cache = DynamicCache(config=self.model.model.config)
        live = list(range(len(self.prompts)))
        with torch.inference_mode():
            while live:
                logits = self.model.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                ).logits[:, -1]
                keep = self.take(live, self.draw(logits.float(), [self.out[i] for i in live], live), started)
                if len(keep) < len(live) and keep:
                    index = torch.tensor(keep, device=device)
                    cache.batch_select_indices(index)
                    mask, following = mask[index], following[index]
                live = [live[at] for at in keep]
                if live:
                    ids = torch.tensor([[self.out[i][-1]] for i in live], device=device)
                    mask = torch.cat([mask, mask.new_ones(len(live), 1)], 1)
                    positions, following = following, following + 1
        return [self.as_reply(i) for i in range(len(self.prompts))]

    def take(self, live: list[int], tokens: list[int], started: float) -> list[int]:
        """Append each row's token, or end the row; which places of `live` go on"""
        keep = []
        for at, (i, token) in enumerate(zip(live, tokens, strict=True)):
            if token in self.model.stop_ids:
                self.stop[i] = "eot"
            else:
                self.out[i].append(token)
                if len(self.out[i]) < self.limits[i]:
                    keep.append(at)
                    continue
            self.seconds[i] = time.perf_counter() - started
        return keep

    def as_reply(self, i: int) -> Reply:
        """Row `i` as text; white space around an answer is not part of it"""
        text = self.model.tokenizer.decode(self.out[i], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Reply(text.strip(), self.out[i], self.stop[i], self.seconds[i], self.prompts[i])


class _Draw:
    """The next token of each row: penalty on its own reply, then greedy, or nucleus with the row's own generator"""

    def __init__(self, settings: Sampling, seeds: list[int], stop_ids: list[int]) -> None:
        import torch

        self.settings, self.stop_ids = settings, stop_ids
        self.generators = [torch.Generator().manual_seed(s % 2**63) for s in seeds]

    def __call__(self, logits: "torch.Tensor", replies: list[list[int]], rows: list[int]) -> list[int]:
        import torch

        s = self.settings
        if s.repetition_penalty != 1.0:
            for at, reply in enumerate(replies):
                used = torch.tensor(sorted(set(reply) - set(self.stop_ids)), dtype=torch.long, device=logits.device)
                values = logits[at, used]
                logits[at, used] = torch.where(values > 0, values / s.repetition_penalty, values * s.repetition_penalty)
        if s.temperature == 0:
            return [int(t) for t in logits.argmax(-1).tolist()]
        chances = (logits / s.temperature).softmax(-1)
        ordered, order = chances.sort(dim=-1, descending=True)
        ordered[ordered.cumsum(-1) - ordered >= s.top_p] = 0  # the first token always stays
        ordered, order = ordered.cpu(), order.cpu()
        picks = [torch.multinomial(ordered[at], 1, generator=self.generators[row]) for at, row in enumerate(rows)]
        return [int(order[at, pick]) for at, pick in enumerate(picks)]


def open_checkpoint(name: str, store: Any) -> CheckpointModel:
    """A folder, or a run of the store, as a model; a run answers through the renderer it was trained with"""
    from lima.plugins import load_plugins

    renderers = load_plugins().registry("renderers")
    if Path(name).is_dir():
        known = store.rows(
            "select renderer from checkpoints join runs on runs.id = run where checkpoints.folder = ? "
            "order by runs.created desc limit 1",
            [str(Path(name).resolve())],
        )
        renderer = known[0]["renderer"] if known else "template" if "template" in renderers else "plain"
        return CheckpointModel(name, renderers.find(renderer))
    row = store.run(name)
    if not Path(row["folder"]).is_dir():
        raise LimaError(f"The checkpoint of run {row['id']} is gone: there is no folder {row['folder']}.")
    return CheckpointModel(row["folder"], renderers.find(row["renderer"]))
