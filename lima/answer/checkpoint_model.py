"""A checkpoint folder that replies to a batch of prompts.

Knows nothing of what the prompts are about.
"""

import inspect
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from lima.answer.sampling import Sampler, same_everywhere
from lima.contract.answers import Prompt, Reply, Sampling
from lima.contract.kinds import ChatPrompts, SplitsThoughts, TakesVariables, TextPrompts
from lima.data.automatic import suiting
from lima.errors import LimaError, did_you_mean, quoted
from lima.isolation.proxy import owner_of
from lima.paths import is_folder

if TYPE_CHECKING:
    from lima.answer.decode import Answering, Batch, Draw


PREFIX_CACHE_BYTES = 2 << 30

PRECISIONS = ("float32", "bfloat16")

TAG, LONGEST_TAG = ("<", "["), 24
"How a tag begins, and its characters at most"

FROM_A_RUN = "or name the database of the run that made it: -d FILE"


class CheckpointModel:
    """A Hugging Face folder that answers, on CPU or one GPU"""

    def __init__(
        self,
        folder: str | Path,
        renderer: Any = None,
        device: str = "auto",
        batch_size: int = 256,
        trust_remote_code: bool = False,
        prefix_cache_bytes: int | None = None,
        shard: bool = False,
        precision: str = "float32",
    ) -> None:
        """Keys and values of prompts and replies are kept for prompts that begin with them, so that only what is new is read: at
        most `prefix_cache_bytes`, which are 2 GiB on a CPU and a quarter of the free memory on a GPU by default; 0 keeps nothing.
        With `shard` the model is divided over all processes, which must then ask it for the same. `precision` is that of a CPU,
        'float32' or 'bfloat16', about twice as fast where the processor multiplies it natively, with other replies now and
        then; a GPU answers in what the weights were saved in. A CPU may keep the weights of layers twice, see
        `lima.model.packed`."""

        from lima.answer.kv_cache import PrefixCache, keeps
        from lima.model.folder import load_model, load_tokenizer, pick_device
        from lima.model.shard import from_main, is_main, shard_model

        self.name = str(folder)
        self.renderer = renderer
        self.batch_size = batch_size
        self.device = pick_device(device)
        self.tokenizer = load_tokenizer(folder, trust_remote_code)
        if precision not in PRECISIONS:
            raise LimaError(f"precision is {quoted(precision)}.{did_you_mean(precision, PRECISIONS)}")
        dtype = "auto" if self.device == "cuda" else precision
        self.shard = shard
        self.model = load_model(folder, dtype, trust_remote_code, weights=not shard or is_main()).eval()
        if shard:
            shard_model(self.model, torch.device(self.device), bfloat16=False)
        else:
            self.model.to(self.device)
            if self.device == "cpu":
                _prepare_for_cpu(self.model)
        eos = self.model.generation_config.eos_token_id
        self.stop_ids = sorted({eos} if isinstance(eos, int) else set(eos or []))
        if not self.stop_ids:
            raise LimaError(
                f"{folder} names no token that stops generation; expected eos_token_id in generation_config.json."
            )
        self.eot = self.tokenizer.convert_ids_to_tokens(
            eos[0] if isinstance(eos, list) else eos  # the first one is the EOT (lima.model.eot.set_stop writes it so)
        )
        if not {"past_key_values", "cache_params"} & set(inspect.signature(self.model.forward).parameters):
            raise LimaError(
                f"{folder}: {self.model.config.model_type!r} has a kind of cache that lima does not know. Answer with "
                "its own `generate`."
            )
        positions = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        self.context: int = positions or 1_000_000
        if prefix_cache_bytes is None:
            prefix_cache_bytes = PREFIX_CACHE_BYTES if self.device == "cpu" else torch.cuda.mem_get_info()[0] // 4
            if shard:  # processes with different caches would read different tokens, and wait for each other for ever
                prefix_cache_bytes = int(from_main(torch.tensor(prefix_cache_bytes, device=self.device)))
        self.prefix_cache = PrefixCache(prefix_cache_bytes) if keeps(self.model) else None

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """Ids as they are; anything else through the renderer's `chat_prompt`, text through its `prompt`"""
        if isinstance(prompt, list) and all(isinstance(i, int) for i in prompt):
            return cast("list[int]", prompt)
        able = isinstance(self.renderer, TextPrompts if isinstance(prompt, str) else ChatPrompts)
        if not able:
            name = getattr(self.renderer, "name", None)
            what, lacks = ("texts", "prompt") if isinstance(prompt, str) else ("conversations", "chat_prompt")
            raise LimaError(
                f"{self.name} answers through renderer {name!r}, which does not take {what}: it has no {lacks}()."
            )
        ask = self.renderer.prompt if isinstance(prompt, str) else self.renderer.chat_prompt
        ids: list[int] = ask(prompt, self.tokenizer, self.eot)
        return ids

    def _check_known(self, prompts: Sequence[list[int]]) -> None:
        """LimaError for an id that the model has no row for: torch's own error would end a GPU's process, and name nobody"""
        rows = self.model.get_input_embeddings().weight.shape[0]
        for number, ids in enumerate(prompts, 1):
            if not 0 <= min(ids) <= max(ids) < rows:
                wrong = next(i for i in ids if not 0 <= i < rows)
                who = f" of plugin {owner!r}" if (owner := owner_of(self.renderer)) else ""
                raise LimaError(
                    f"Prompt {number} of {len(prompts)} has the id {quoted(wrong)}; {self.name} has 0 to {rows - 1}. Look at the "
                    f"renderer {getattr(self.renderer, 'name', '')!r}{who}, or at the ids that were given."
                )

    def reply(
        self,
        prompts: Sequence[Prompt],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
        on_reply: Callable[[int, Reply], None] | None = None,
    ) -> list[Reply]:
        """One reply a prompt, in order; `on_progress` is called with the number of replies that were finished since its last call

        `on_reply` is called with (place, reply) when a reply ends, while others of its batch are still being written.
        Each prompt draws from its own generator, seeded by its own `seed`, or by one seed and its position, so a reply does
        not depend on which others share its batch. A prompt that fills the context gets an empty reply that says "context".
        When a batch runs out of memory, the batch and the cache are made smaller from then on. LimaError for an empty prompt;
        torch's own error when even one does not fit, or the model is divided."""
        from lima.answer.kv_cache import PrefixCache
        from lima.model.memory import free_memory, is_out_of_memory

        ids = [self.prompt_ids(p) for p in prompts]
        seeds = [seed * 1_000_003 + i for i in range(len(ids))] if isinstance(seed, int) else list(seed)
        empty = [i for i, one in enumerate(ids) if not one]
        if empty:
            raise LimaError(f"Prompt {empty[0] + 1} of {len(ids)} has no token.")
        self._check_known(ids)
        replies: dict[int, Reply] = {}

        def ended(place: int, reply: Reply) -> None:
            replies[place] = reply
            if on_reply:
                on_reply(place, reply)

        for i, one in enumerate(ids):
            if len(one) >= self.context:
                ended(i, Reply("", [], "context", 0.0, one))
        order = sorted((i for i in range(len(ids)) if i not in replies), key=lambda i: len(ids[i]))
        while order:
            some = {i: ids[i] for i in order[: self.batch_size]}
            try:
                rows = self._decode(some, settings, seeds, lambda row: ended(row.number, self._reply(row)))
            except (RuntimeError, MemoryError) as e:
                held = self.prefix_cache is not None and self.prefix_cache.bytes > 0
                if not is_out_of_memory(e) or self.shard or (len(some) == 1 and not held):
                    raise
                rows = []
            if not rows:  # outside of `except`, where the error no longer keeps the tensors of the failed batch
                self.batch_size = max(1, len(some) // 2)
                if self.prefix_cache:
                    self.prefix_cache = PrefixCache(self.prefix_cache.limit // 2)
                free_memory()
            left = [i for i in order if i not in replies]  # what ended before memory did is not asked again
            if on_progress and len(left) < len(order):
                on_progress(len(order) - len(left))
            order = left
        return [replies[i] for i in range(len(ids))]

    def stream(self, prompt: Prompt, settings: Sampling, seed: int) -> Generator[str, None, Reply]:
        """The answer piece by piece as it is written, without thoughts where the renderer tells them apart; returns the reply

        It is the reply that `reply([prompt], settings, [seed])` gives. The pieces are its text but for white space at the end.
        LimaError for an empty prompt; torch's own error when it does not fit into memory."""
        ids = self.prompt_ids(prompt)
        if not ids:
            raise LimaError("The prompt has no token.")
        self._check_known([ids])
        if len(ids) >= self.context:
            return Reply("", [], "context", 0.0, ids)
        (row,), batch = self._batch({0: ids}, settings, [seed])
        given = ""
        for _ in batch.steps():
            text = self._reply(row).text
            # Wait for the rest of a character, and of what may be the tag before thoughts.
            unsure = text.endswith("\ufffd") or (not given and text.startswith(TAG) and len(text) < LONGEST_TAG)
            if len(text) > len(given) and text.startswith(given) and not unsure:
                yield text[len(given) :]
                given = text
        reply = self._reply(row)
        if len(reply.text) > len(given) and reply.text.startswith(given):
            yield reply.text[len(given) :]
        return reply

    def _decode(
        self,
        prompts: dict[int, list[int]],
        settings: Sampling,
        seeds: Sequence[int],
        on_end: "Callable[[Answering], None]",
    ) -> "list[Answering]":
        """Answered rows of some prompts; nothing holds the tensors of their batch when this ends, or fails"""
        rows, batch = self._batch(prompts, settings, seeds, on_end)
        batch.decode()
        return rows

    def _batch(
        self,
        prompts: dict[int, list[int]],
        settings: Sampling,
        seeds: Sequence[int],
        on_end: "Callable[[Answering], None] | None" = None,
    ) -> "tuple[list[Answering], Batch]":
        """Rows for some prompts, by their numbers, and the batch that answers them; `on_end` is called with each as it ends"""
        from lima.answer.decode import Answering, Batch

        draw: Draw = Sampler(settings, {i: seeds[i] for i in prompts})
        if self.shard:  # one that rounds differently and draws another token would wait for ever
            draw = partial(same_everywhere, draw)
        rows = [Answering(i, ids, min(settings.max_new_tokens, self.context - len(ids))) for i, ids in prompts.items()]
        return rows, Batch(self.model, rows, self.stop_ids, draw, self.prefix_cache, on_end)

    def _reply(self, row: "Answering") -> Reply:
        """A row as text, without the white space around it, and its thoughts apart where the renderer knows how"""
        text, thoughts = self._text(row.out, True), ""
        if isinstance(self.renderer, SplitsThoughts):
            written, prompt = self._text(row.out, False), self._text(row.prompt[-16:], False)
            thoughts, answer = self.renderer.split_reply(written, prompt, self.tokenizer, self.eot)
            if answer != written.strip():
                text, thoughts = self._without_special(answer), self._without_special(thoughts)
        return Reply(text.strip(), row.out, row.stop, row.seconds, row.prompt, thoughts)

    def _text(self, ids: list[int], skip: bool) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False))

    def _without_special(self, text: str) -> str:
        for token in self.tokenizer.added_tokens_decoder.values():
            text = text.replace(token.content, "") if token.special else text
        return text.strip()


def _prepare_for_cpu(model: Any) -> None:
    """Let a model answer by what this processor is fast at"""
    from lima.answer import half_steps
    from lima.model.packed import pack_weights
    from lima.model.processor import bfloat16_is_native

    pack_weights(model)
    if model.dtype == torch.bfloat16 and bfloat16_is_native():
        half_steps.use(model)


def open_checkpoint(name: str, store: Any, trust_remote_code: bool = False) -> CheckpointModel:
    """A folder, a base model by its name, or a run of the store as a model; a run answers through its own renderer

    Code that comes with the folder runs only if the caller trusts it, whatever the recipe in the store says."""
    from lima.data.base_models import find_base
    from lima.plugins import load_plugins
    from lima.record.runs import maker_of

    plugins = load_plugins()
    renderers = plugins.registry("renderers")
    if not is_folder(name) and name in plugins.registry("base_models"):
        name = str(find_base(name, plugins))
    if is_folder(name):
        run, folder = maker_of(store, Path(name)), name
    else:
        run = store.run(name)
        folder = run["folder"]
        if not is_folder(folder):
            raise LimaError(f"The checkpoint of run {run['id']} is gone: no such folder, {folder}.")
    if run:
        if run["renderer"] not in renderers:
            raise LimaError(
                f"The model in {folder} was trained with the renderer {run['renderer']!r}, which no loaded plugin has. Install "
                "the one that has it, such as `pip install lima-chat`; `lima plugins` says why an installed one is not loaded."
            )
        renderer = _given(renderers.find(run["renderer"]), run["recipe"])
        return CheckpointModel(folder, renderer, trust_remote_code=trust_remote_code)
    model = CheckpointModel(folder, trust_remote_code=trust_remote_code)
    model.renderer = renderers.find(suiting(model.tokenizer, renderers, f"The model {name}", FROM_A_RUN))
    return model


def _given(renderer: Any, recipe: dict[str, Any]) -> Any:
    """The renderer with the template's variables of a run's recipe, and today's date"""
    takes = isinstance(renderer, TakesVariables)
    return renderer.with_variables(recipe.get("template", {}), "") if takes else renderer
