"""A small tokenizer for a template that came without one: it knows every byte, and the special tokens that the template writes.

Knows nothing of what is rendered.
"""

import re
from typing import Any

from lima_chat.templates import TemplateFile

BOS, EOS = "<s>", "</s>"
SHAPES = re.compile(
    r"<\|[^<>|\s'\"]+\|>"  # <|im_end|>
    r"|<｜[^<>｜\s'\"]+｜>"  # DeepSeek's
    r"|<\|[\w/]+>|<[\w/]+\|>"  # <|turn> … <turn|>
    r"|<\w[\w:]*>"  # <start_of_turn>
    r"|\[[|/]?[A-Za-z_]+\|?\]"  # [INST], [|user|]
)
"How published formats spell their special tokens"
WORD = re.compile(r"\[[a-z_]+\]|\[[A-Za-z]\]")
"An index of Jinja, and not a token: message[role]"


def tokens_of(source: str) -> list[str]:
    """The special tokens in a template's text, in their order; tags that come in pairs, as of XML, are text"""
    found = list(dict.fromkeys(SHAPES.findall(re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL))))
    return [
        t for t in found if not (t[0] == "<" and t[1].isalpha() and f"</{t[1:]}" in source) and not WORD.fullmatch(t)
    ]


def stand_in(file: TemplateFile) -> Any:
    """A tokenizer with the tokens of a template, as if it were that of its model"""
    from tokenizers import AddedToken

    from lima.testing import tiny_tokenizer

    named = [file.eot] if file.eot not in ("", "eos_token") else []
    special = list(dict.fromkeys([EOS, BOS, *named, *file.tokens, *tokens_of(file.source)]))
    tokenizer = tiny_tokenizer(special=special, vocabulary=300 + len(special))
    tokenizer.bos_token = BOS
    if "<think>" in file.source:
        tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in ("<think>", "</think>")])
    tokenizer.chat_template = file.source
    return tokenizer
