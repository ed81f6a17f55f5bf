"""The tokenizer that is saved with a trained model: it prompts as the model was trained, and its EOS is what ends a turn.

Readers that look for one token to stop at (GGUF converters, pipelines) take the tokenizer's EOS. Works on a copy: training does
not see it. Knows nothing of weights or of folders.
"""

import copy
import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from lima.contract.examples import Record
from lima.contract.kinds import ChatPrompts, HasChatTemplate, HasNamedTemplates, Renderer, TextPrompts
from lima.data.dataset import Prepared
from lima.errors import LimaError
from lima.isolation.proxy import owner_of

_logger = logging.getLogger("lima")

PROBES = 8
"How many examples are prompted for with the copy, to compare"

QUESTION = "What is “2 + 2”?\nAnswer\tin one word, s'il vous plaît."


def to_save(ready: Prepared) -> tuple[Any, str]:
    """(a copy of the tokenizer as it is saved, sentences for the card)"""
    base, renderer, eot = _templates(ready.tokenizer), ready.renderer, ready.eot
    own = renderer.chat_template(ready.tokenizer, eot) if isinstance(renderer, HasChatTemplate) else ""
    templates = {name: text for name, text in base.items() if name != "default"}
    used = dict(renderer.named_templates(ready.tokenizer, eot)) if isinstance(renderer, HasNamedTemplates) else {}
    for name in used:
        if not re.fullmatch(r"[\w-]+", name):
            raise LimaError(
                f"The renderer {renderer.name!r} of plugin {owner_of(renderer)!r} has a template named {name!r}, which is a "
                "file's name: expected letters, digits, '_' and '-'."
            )
    templates |= used | ({"default": own} if own else {})
    tokenizer, notes = _ending(ready, templates)
    if own and own != base.get("default") and not _prompts_alike(ready, tokenizer):
        own = ""
        del templates["default"]
        tokenizer, notes = _ending(ready, templates)
    if not own:
        notes.append(_removed(renderer, "default" in base))
    elif others := sorted(templates.keys() - used.keys() - {"default"}):
        notes.append(f"Its further templates, which were not trained with, are the base's: {', '.join(others)}.")
    return tokenizer, "".join(f"\n{note}\n" for note in notes)


def _templates(tokenizer: Any) -> dict[str, str]:
    """A tokenizer's templates by their names; the one that is used by default is 'default'"""
    own = tokenizer.chat_template
    return dict(own) if isinstance(own, dict) else {"default": own} if own else {}


def _ending(ready: Prepared, templates: dict[str, str]) -> tuple[Any, list[str]]:
    """A copy of the tokenizer with these templates, with the EOT for its EOS if that changes no prompt; sentences for the card"""
    before, eot = ready.tokenizer.eos_token, ready.eot
    kept = _with(ready.tokenizer, templates)
    if before == eot:
        return kept, []
    # What a template writes as its eos_token was trained with: it stays that text.
    fixed = {name: _fixed(text, before) for name, text in templates.items()}
    ended = _with(ready.tokenizer, fixed)
    ended.eos_token = eot
    if _prompts(ready, ended) == _prompts(ready, ready.tokenizer):
        return ended, []
    why = f"The format {ready.renderer.name!r} writes the tokenizer's EOS, {before!r}, so {eot!r} is not made its EOS."
    _logger.warning("%s Programs that stop at the EOS alone will not stop at the end of an answer.", why)
    return kept, [why]


def _with(tokenizer: Any, templates: dict[str, str]) -> Any:
    made = copy.deepcopy(tokenizer)
    for how_it_was_loaded in ("is_local", "local_files_only"):
        made.init_kwargs.pop(how_it_was_loaded, None)
    made.chat_template = (templates["default"] if templates.keys() == {"default"} else templates) if templates else None
    return made


def _fixed(template: str, eos: str | None) -> str:
    """A template whose eos_token is this text, whatever the tokenizer's is"""
    if not re.search(r"\beos_token\b", template):
        return template
    return f"{{% set eos_token = {json.dumps(eos or '', ensure_ascii=False)} %}}\n{template}"


def _prompts(ready: Prepared, tokenizer: Any) -> list[Any]:
    """What the renderer prompts with for some examples"""
    records: Sequence[Record] = ready.records[:PROBES]
    asked = [ready.renderer.prompts(record, tokenizer, ready.eot) for record in records]
    if isinstance(ready.renderer, TextPrompts):
        asked.append(ready.renderer.prompt(QUESTION, tokenizer, ready.eot))
    return asked


def _prompts_alike(ready: Prepared, tokenizer: Any) -> bool:
    """Whether transformers prompts with the saved template as the renderer does"""
    if not isinstance(ready.renderer, TextPrompts):
        return True
    wanted = ready.renderer.prompt(QUESTION, ready.tokenizer, ready.eot)
    asked = [{"role": "user", "content": QUESTION}]
    try:
        found = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
    except Exception as e:  # whatever the template raises
        _logger.info("transformers cannot prompt with the template that would be saved: %s", e)
        return False
    return bool(list(found) == wanted)


def _removed(renderer: Renderer, had: bool) -> str:
    why = f"The renderer {renderer.name!r} gives no template for transformers that prompts with the same ids with this tokenizer"
    after = ", and the base's would prompt differently, so it was removed" if had else ""
    asked = "Ask it with `lima ask`" if isinstance(renderer, TextPrompts) else "It can be asked with messages alone"
    if not isinstance(renderer, TextPrompts | ChatPrompts):
        asked = "It has no prompt() and no chat_prompt() either, so the model takes token ids alone"
    _logger.warning("%s%s. %s.", why, after, asked)
    return f"{why}{after}. {asked}."
