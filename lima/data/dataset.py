"""From a recipe to rendered examples: find the base, open the sources, render, verify and cut, and count everything.

No example is lost silently: each is kept, cut or dropped, with a reason. Loads the tokenizer, never the weights.
"""

import hashlib
import logging
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from lima.contract.examples import Record
from lima.contract.kinds import Renderer, TakesVariables
from lima.contract.rendered import Rendered
from lima.contract.runs import SourceRow
from lima.data.automatic import chosen, settle
from lima.data.cuts import check_length, losses
from lima.data.dev import DevPrompt, dev_prompts
from lima.data.rendering import fit_rows, render, with_prompt_weight
from lima.data.sources import Source, open_dev, open_sources
from lima.errors import LimaError, did_you_mean
from lima.isolation import plugin_code
from lima.model.build import Additions, Longest
from lima.paths import absolute, is_folder, shown
from lima.plugins import Plugins
from lima.recipe import AUTO, Recipe


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
    records: list[Record]
    "Those that are trained on"
    rendered: list[list[Rendered]]
    "The rows of each record"
    sources: list[SourceRow]
    examples: list[dict[str, Any]]
    "Rows of run_examples: every example, the dropped and the refused ones too"
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
        trained = [(record, row) for record, rows in zip(self.records, self.rendered, strict=True) for row in rows]
        record, one = max([*trained, *((d.record, d.rendered) for d in self.dev)], key=lambda pair: len(pair[1].ids))
        longest = Longest(f"Example {record.id!r} of source {record.source!r}", len(one.ids))
        return Additions(self.tokenizer, self.eot, self.new_ids, self.used, rows, longest)

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
        several = [rows for rows in self.rendered if rows[0].why]
        if not several:
            return ""
        why = "; ".join(sorted({rows[0].why for rows in several}))
        return (
            f"{len(several)} of {len(self.rendered)} examples became {sum(map(len, several))} rows, one for each answer, "
            f"trained in the same step: {why}."
        )


def find_base(name: str, plugins: Plugins) -> Path:
    """The folder of a base model, by path or registered name"""
    bases = plugins.registry("base_models")
    if not name:
        raise LimaError(
            f"The recipe names no base model. Use --base FOLDER, or a registered one.{did_you_mean('', bases)}"
        )
    if name in bases or name in bases.contested:
        base = bases.find(name)
        with plugin_code(f"the base model {name!r}", bases.owners[name]):
            return Path(base.folder())
    if is_folder(folder := absolute(name)):
        return folder
    hub = f" Nothing is downloaded: `hf download {name} --local-dir FOLDER`, then --base FOLDER." if "/" in name else ""
    raise LimaError(
        f"The base model {shown(name)!r} is neither a folder nor a registered name.{hub}{did_you_mean(name, bases)}"
    )


def prepare(recipe: Recipe, plugins: Plugins, weights: bool = True, date: str = "") -> Prepared:
    """Open, render, verify and cut everything a recipe names; the first wrong example is an error that names it

    Without `weights` the base may be a folder of configuration and tokenizer alone. `date` (ISO 8601, empty: now) is for
    templates that write one."""
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
    opened = open_sources(recipe.sources, plugins, recipe.plugins)
    tokenizer = load_tokenizer(base, recipe.trust_remote_code)
    check_vocabulary(tokenizer, config)
    recipe = settle(recipe, tokenizer, config, renderers)
    date = date or datetime.now().isoformat(timespec="seconds")
    renderer = _given(renderers.find(recipe.renderer), recipe, date)
    place, owner = f"the renderer {recipe.renderer!r}", renderers.owners[recipe.renderer]
    with plugin_code(place, owner):
        used, eot = len(tokenizer), renderer.end_of_turn(tokenizer)
        new_ids = extend_tokenizer(tokenizer, [eot, *renderer.special_tokens(tokenizer)])

    def rendered_whole(record: Record) -> list[Rendered]:
        check_length(record, recipe.max_tokens)
        with plugin_code(place, owner):
            return render(record, renderer, tokenizer, eot, list(renderers.values()))

    trained, sources, rows = _cut(opened, rendered_whole, recipe, tokenizer.convert_tokens_to_ids(eot))
    check_rows(trained, tokenizer, new_ids, config.get_text_config().vocab_size)
    held_out = [(s.name, r, rendered_whole(r)) for s in open_dev(recipe, plugins) for r in s.records]
    dev = dev_prompts(held_out, trained, tokenizer, recipe.max_tokens)
    records, rendered = map(list, zip(*trained, strict=True))
    return Prepared(base, tokenizer, renderer, eot, new_ids, used, records, rendered, sources, rows, recipe, dev, date)


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


def _cut(
    opened: list[Source], rendered_whole: Callable[[Record], list[Rendered]], recipe: Recipe, eot_id: int
) -> tuple[list[tuple[Record, list[Rendered]]], list[SourceRow], list[dict[str, Any]]]:
    """What is trained on, cut to the recipe's max_tokens; rows of run_sources; rows of run_examples"""
    trained, sources, rows = list[tuple[Record, list[Rendered]]](), list[SourceRow](), list[dict[str, Any]]()
    for source in opened:
        first = len(rows)
        for record in source.records:
            whole = rendered_whole(record)
            kept, status, reason = fit_rows(whole, recipe.max_tokens, eot_id, recipe.trim)
            if kept:
                kept = [with_prompt_weight(row, recipe.prompt_weight) for row in kept]
                trained.append((record, kept))
            rows.append(
                {
                    "source": source.name,
                    "example": record.id,
                    "hash": record.content_hash,
                    "status": status,
                    "reason": reason,
                    "tokens": sum(len(row.ids) for row in kept),
                    "trained_tokens": sum(row.trained for row in kept),
                    "answers": sum(len(row.spans) for row in whole),
                    "answers_kept": sum(len(row.spans) for row in kept),
                }
            )
        sources.append(_source_row(source, rows[first:]))
        rows += source.refused_rows()
    if not trained:
        dropped = [r for r in rows if r["status"] == "dropped"]
        raise LimaError(
            f"All {len(dropped)} examples were dropped; the first: {dropped[0]['example']!r}, {dropped[0]['reason']}. "
            "Raise max_tokens."
        )
    return trained, sources, rows


def check_rows(trained: list[tuple[Record, list[Rendered]]], tokenizer: Any, new_ids: list[int], rows: int) -> None:
    """Raise LimaError for an example with a token that has no row in the base's embedding, which has `rows` rows"""
    for record, one in [(record, one) for record, several in trained for one in several]:
        if max(one.ids) >= rows and (rowless := sorted({i for i in one.ids if i >= rows} - set(new_ids))):
            raise LimaError(
                f"Example {record.id!r} of source {record.source!r} has {tokenizer.convert_ids_to_tokens(rowless[0])!r}, and the "
                f"base model's embedding of {rows} rows has none for it. Take it out of the text, or use another base."
            )


def _source_row(source: Source, rows: list[dict[str, Any]]) -> SourceRow:
    return {
        "source": source.name,
        "owner": source.owner,
        "licence": source.licence,
        "hash": source.hash,
        "examples": sum(r["status"] != "dropped" for r in rows),
        "cut": sum(r["status"] == "cut" for r in rows),
        "dropped": sum(r["status"] == "dropped" for r in rows),
        "answers": sum(r["answers"] for r in rows),
        "answers_kept": sum(r["answers_kept"] for r in rows),
        "tokens": sum(r["tokens"] for r in rows),
        "trained_tokens": sum(r["trained_tokens"] for r in rows),
    }
