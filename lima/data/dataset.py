"""From a recipe to rendered examples: find the base, open the sources, render, verify and cut, and count everything.

No example is lost silently: each is kept, cut or dropped, with a reason. Loads the tokenizer, never the weights.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lima.contract.examples import Record
from lima.contract.rendered import Rendered
from lima.contract.runs import SourceRow
from lima.data.dev import DevPrompt, dev_prompts
from lima.data.rendering import fit, render, with_prompt_weight
from lima.data.sources import Source, open_dev, open_sources
from lima.errors import LimaError, did_you_mean
from lima.isolation import plugin_code
from lima.model.build import Additions, Longest
from lima.plugins import Plugins
from lima.recipe import Recipe


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
    rendered: list[Rendered]
    "One a record"
    sources: list[SourceRow]
    examples: list[dict[str, Any]]
    "Rows of run_examples: every example, the dropped and the refused ones too"
    dev: list[DevPrompt] = field(default_factory=list)
    "Held out, to choose a checkpoint by"

    @property
    def additions(self) -> Additions:
        """What the base is given before it trains

        The EOT's row trains even if the base has one: with a turn token that was never trained it could not learn to stop."""
        rows = sorted({*self.new_ids, self.tokenizer.convert_tokens_to_ids(self.eot)})
        named = [*zip(self.records, self.rendered, strict=True), *((d.record, d.rendered) for d in self.dev)]
        record, one = max(named, key=lambda pair: len(pair[1].ids))
        longest = Longest(f"Example {record.id!r} of source {record.source!r}", len(one.ids))
        return Additions(self.tokenizer, self.eot, self.new_ids, self.used, rows, longest)


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
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser().resolve()
    hub = f" Nothing is downloaded: `hf download {name} --local-dir FOLDER`, then --base FOLDER." if "/" in name else ""
    raise LimaError(
        f"The base model {name!r} is neither a folder nor a registered name.{hub}{did_you_mean(name, bases)}"
    )


def prepare(recipe: Recipe, plugins: Plugins, weights: bool = True) -> Prepared:
    """Open, render, verify and cut everything a recipe names; the first wrong example is an error that names it

    Without `weights` the base may be a folder of configuration and tokenizer alone."""
    from lima.model.dropout import place_in
    from lima.model.eot import extend_tokenizer
    from lima.model.folder import check_folder, check_trainable, check_vocabulary, load_config, load_tokenizer

    base = check_folder(find_base(recipe.base, plugins), weights)
    config = load_config(base, recipe.trust_remote_code)
    check_trainable(config)
    place_in(config.model_type, recipe.residual_dropout)  # before anything is read or planned
    renderers = plugins.registry("renderers")
    renderer = renderers.find(recipe.renderer)
    check_tables(recipe, plugins)
    opened = open_sources(recipe.sources, plugins, recipe.plugins)
    tokenizer = load_tokenizer(base, recipe.trust_remote_code)
    check_vocabulary(tokenizer, config)
    place, owner = f"the renderer {recipe.renderer!r}", renderers.owners[recipe.renderer]
    with plugin_code(place, owner):
        used, eot = len(tokenizer), renderer.end_of_turn(tokenizer)
        new_ids = extend_tokenizer(tokenizer, [eot, *renderer.special_tokens(tokenizer)])

    def rendered_whole(record: Record) -> Rendered:
        with plugin_code(place, owner):
            return render(record, renderer, tokenizer, eot, list(renderers.values()))

    trained, sources, rows = _cut(opened, rendered_whole, recipe, tokenizer.convert_tokens_to_ids(eot))
    check_rows(trained, tokenizer, new_ids, config.get_text_config().vocab_size)
    held_out = [(s.name, r, rendered_whole(r)) for s in open_dev(recipe, plugins) for r in s.records]
    dev = dev_prompts(held_out, trained, tokenizer, recipe.max_tokens)
    records, rendered = map(list, zip(*trained, strict=True))
    return Prepared(base, tokenizer, renderer, eot, new_ids, used, records, rendered, sources, rows, dev)


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
    opened: list[Source], rendered_whole: Callable[[Record], Rendered], recipe: Recipe, eot_id: int
) -> tuple[list[tuple[Record, Rendered]], list[SourceRow], list[dict[str, Any]]]:
    """What is trained on, cut to the recipe's max_tokens; rows of run_sources; rows of run_examples"""
    trained, sources, rows = list[tuple[Record, Rendered]](), list[SourceRow](), list[dict[str, Any]]()
    for source in opened:
        first = len(rows)
        for record in source.records:
            kept, status, reason = fit(rendered_whole(record), recipe.max_tokens, eot_id)
            if kept is not None:
                kept = with_prompt_weight(kept, recipe.prompt_weight)
                trained.append((record, kept))
            rows.append(
                {
                    "source": source.name,
                    "example": record.id,
                    "hash": record.content_hash,
                    "status": status,
                    "reason": reason,
                    "tokens": len(kept.ids) if kept else 0,
                    "trained_tokens": kept.trained if kept else 0,
                }
            )
        sources.append(_source_row(source, rows[first:]))
        rows += source.refused_rows()
    if not trained:
        dropped = [r for r in rows if r["status"] == "dropped"]
        raise LimaError(
            f"All {len(dropped)} examples were dropped; the first: {dropped[0]['example']!r}, {dropped[0]['reason']}."
        )
    return trained, sources, rows


def check_rows(trained: list[tuple[Record, Rendered]], tokenizer: Any, new_ids: list[int], rows: int) -> None:
    """Raise LimaError for an example with a token that has no row in the base's embedding, which has `rows` rows"""
    for record, one in trained:
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
        "tokens": sum(r["tokens"] for r in rows),
        "trained_tokens": sum(r["trained_tokens"] for r in rows),
    }
