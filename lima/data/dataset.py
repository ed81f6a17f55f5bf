"""From a recipe to rendered examples: find the base, open the sources, render, verify and cut, and count everything.

No example is lost silently: each is kept, cut or dropped, with a reason. Loads the tokenizer, never the weights.
"""

import hashlib
import logging
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from lima.contract.examples import Record
from lima.contract.kinds import Renderer, TakesOptions, TakesVariables
from lima.contract.runs import SourceRow
from lima.data.automatic import chosen, settle
from lima.data.base_models import find_base
from lima.data.cuts import losses
from lima.data.dev import DevPrompt, dev_prompts
from lima.data.packed import Examples, Rows
from lima.data.reader import OnExample
from lima.data.rendering import Rendering
from lima.data.sources import SKIP, open_dev, open_sources
from lima.data.training_set import TrainingSet, longest_of
from lima.errors import LimaError, did_you_mean
from lima.model.build import Additions, Longest
from lima.plugins import Plugins
from lima.recipe import AUTO, Recipe

_GIVEN_THE_RUN = {"before_train", "after_step", "after_epoch", "after_train"}


@dataclass(frozen=True)
class Prepared:
    """What the loop needs, except for the weights"""

    base: Path
    tokenizer: Any
    renderer: Any
    eot: str
    new_ids: list[int]
    "Tokens that the base does not have: the EOT, and what the format needs"
    used: int
    "How many tokens the base has"
    records: Sequence[Record]
    "Those that are trained on; of large sources they are read again whenever they are asked for"
    rendered: Rows
    "The rows of each record"
    sources: list[SourceRow]
    examples: Examples
    "Rows of run_examples: every example, the dropped and the refused ones too"
    places: Sequence[int]
    "Where among these each record is that is trained on"
    longest: Longest
    "The longest of what the model will see"
    recipe: Recipe
    "With what was chosen in place of 'auto'"
    dev: list[DevPrompt] = field(default_factory=list)
    "Held out, to choose a checkpoint by"
    date: str = ""
    "The date and time that the template writes where it writes one, ISO 8601"

    @property
    def additions(self) -> Additions:
        """What the base is given before it trains

        The EOT's row trains even if the base has one: with a turn token that was never trained it could not learn to stop."""
        rows = sorted({*self.new_ids, self.tokenizer.convert_tokens_to_ids(self.eot)})
        return Additions(self.tokenizer, self.eot, self.new_ids, self.used, rows, self.longest)

    def id(self, at: int) -> str:
        """The id of one of the records that are trained on"""
        return self.examples.id(self.places[at])

    @cached_property
    def rows_hash(self) -> str:
        """SHA-256 over ids and weights of all rows that are trained: equal for what trains alike"""
        digest = hashlib.sha256()
        for row in chain.from_iterable(self.rendered):
            digest.update(array("q", row.ids).tobytes() + array("d", row.weights).tobytes() + b"|")
        return digest.hexdigest()

    def remarks(self, asked: Recipe) -> list[str]:
        """Sentences on what was chosen for the recipe as it was `asked`, what was cut, and what became several rows"""
        found = chosen(asked, self.recipe), losses(self.sources, self.recipe.max_tokens), self.several_rows
        return [sentence for sentence in found if sentence]

    @property
    def several_rows(self) -> str:
        """A sentence about the examples that became several rows, and why; empty if there are none"""
        rows = self.rendered
        if not rows.several:
            return ""
        made = len(rows.sizes) - (len(rows) - rows.several)
        return (
            f"{rows.several} of {len(rows)} examples became {made} rows, one for each answer, trained in the same step: "
            f"{'; '.join(sorted(rows.whys))}."
        )


def prepare(
    recipe: Recipe, plugins: Plugins, weights: bool = True, date: str = "", on_example: OnExample | None = None
) -> Prepared:
    """Open, render, verify and cut everything a recipe names; the first wrong example is an error that names it

    Without `weights` the base may be a folder of configuration and tokenizer alone. `date` (ISO 8601, empty: now) is for
    templates that write one. `on_example` is called while sources are read."""
    from lima.model.dropout import place_in
    from lima.model.eot import extend_tokenizer
    from lima.model.folder import check_folder, check_trainable, check_vocabulary, load_config, load_tokenizer

    base = check_folder(find_base(recipe.base, plugins), weights)
    config = load_config(base, recipe.trust_remote_code)
    check_trainable(config)
    place_in(config.model_type, recipe.residual_dropout)  # before anything is read or planned
    renderers = plugins.registry("renderers")
    if recipe.renderer != AUTO:
        renderers.find(recipe.renderer)
    check_tables(recipe, plugins)
    opened = open_sources(recipe.sources, plugins, recipe.plugins, on_example)
    tokenizer = load_tokenizer(base, recipe.trust_remote_code)
    check_vocabulary(tokenizer, config)
    recipe = settle(recipe, tokenizer, config, renderers)
    date = date or datetime.now().isoformat(timespec="seconds")
    renderer = _given(renderers.find(recipe.renderer), recipe, date)
    used, eot = len(tokenizer), renderer.end_of_turn(tokenizer)
    new_ids = extend_tokenizer(tokenizer, [eot, *renderer.special_tokens(tokenizer)])

    rendering = Rendering(renderer, tokenizer, eot, recipe.max_tokens, list(renderers.values()))
    embedded, eot_id = config.get_text_config().vocab_size, tokenizer.convert_tokens_to_ids(eot)
    made = TrainingSet(recipe, tokenizer, new_ids, embedded, eot_id, on_example)
    for source in opened:
        made.add(source, rendering)
    made.check()
    held_out = [(s.name, *one) for s in open_dev(recipe, plugins) for one in rendering.each(s.records)]
    dev = dev_prompts(held_out, made, tokenizer, recipe.max_tokens)
    return Prepared(
        base, tokenizer, renderer, eot, new_ids, used, made.records(opened), made.rows, made.sources, made.examples, made.places,
        max([made.longest, *(longest_of(d.record, [d.rendered]) for d in dev)], key=lambda one: one.tokens),
        recipe, dev, date,
    )  # fmt: skip


def _given(renderer: Renderer, recipe: Recipe, date: str) -> Renderer:
    """The renderer with the recipe's variables for its template; LimaError where it takes none"""
    if isinstance(renderer, TakesVariables):
        return renderer.with_variables(recipe.template, date)
    if recipe.template:
        raise LimaError(
            f"The recipe has a table `template`, and the renderer {recipe.renderer!r} has no template that takes variables. "
            "Leave the table out, or use another --renderer."
        )
    return renderer


def check_tables(recipe: Recipe, plugins: Plugins) -> None:
    """Raise LimaError for a plugin's table in the recipe where there is no such plugin; warn where it is left out"""
    owners = {p.name for p in plugins.all}
    for table in recipe.plugins:
        if table in plugins.left_out:
            logging.getLogger("lima").warning(
                "The recipe has a table for plugin %r, ignored, because LIMA_LOAD_PLUGINS excludes it.", table
            )
        elif table not in owners:
            raise LimaError(
                f"The recipe has a table for plugin {table!r}, which is not installed.{did_you_mean(table, owners)}"
            )
        elif dead := _dead_keys(table, recipe.plugins[table], plugins):
            raise LimaError(f"{dead[0]!r} is not an option of {table!r}, which takes {dead[1]}. Leave it out.")


def _dead_keys(table: str, keys: Iterable[str], plugins: Plugins) -> tuple[str, str] | None:
    """The first key that nobody reads, and what is read: only sources with options, and hooks that are given the run, read any"""
    modules = [p for p in plugins.all if p.name.partition(":")[0] == table]
    sources = plugins.registry("sources")
    own = [sources[name] for name, owner in sources.owners.items() if owner.partition(":")[0] == table]
    if any(p.error or _GIVEN_THE_RUN & {*p.hooks} for p in modules) or any(
        isinstance(one, TakesOptions) for one in own
    ):
        return None
    read = {SKIP} if own else set[str]()
    dead = next((key for key in keys if key not in read), None)
    return None if dead is None else (dead, f"{SKIP} alone" if own else "none")
