"""Tags around thoughts: at the end of a prompt, before an answer, and what is to be written after them.

Knows nothing of templates or tokens.
"""

import re

from lima_chat.hidden import TAGS

OPENED = re.compile(r"<([\w:]+)>\s*$")
"A tag at the end of a prompt, within which a model is to think"
THINKING = re.compile(r"([<\[])([\w:]*(?:think|thought|reason|reflect|scratch)[\w:]*)([>\]])\s*$", re.IGNORECASE)
"The same by its name, also in brackets; a prompt may end with other tags, such as a role's"
THOUGHT = re.compile(r"\s*(?:<think(?:ing)?>)?(?:(?!</?think(?:ing)?>).)*</think(?:ing)?>\s*|\s*", re.DOTALL)
"Thoughts before an answer, as they stand in a content"
CLOSED = re.compile(r"</think(?:ing)?>\s*$")
"The end of a prompt that asks for an answer without thoughts"


def parted(content: str) -> tuple[str, str]:
    """(thoughts with their tags, answer) of a content that has both"""
    tags = list(TAGS.finditer(content))
    at = tags[-1].end() if tags and tags[-1][0].startswith("</") else 0
    at += len(content[at:]) - len(content[at:].lstrip())
    return (content[:at], content[at:]) if content[at:] else ("", content)


def closed(thoughts: str, rest: str, said: str, tag: str, called: bool) -> str:
    """What ends the thought that inference is prompted into, and the answer, or "" without one

    `rest` is what the template writes there. It may leave the thought out, or end it by itself."""
    end = f"</{tag}>"
    if rest.lstrip().startswith(end):
        answer = rest.lstrip().removeprefix(end)
        again = bool(said) and end in answer.removesuffix(said)  # thoughts that are text to the template
        return f"{thoughts}{end}{said if again else answer}"
    if called:
        said = re.sub(rf"\A\s*<{tag}>.*?</{tag}>\s*", "", rest, count=1, flags=re.DOTALL).lstrip()
    return f"{thoughts}\n{end}\n\n{said}" if said else ""


def unended(prompt: str, text: str) -> str:
    """The tag of the thought that a prompt opens and a text after it does not end; empty if there is none"""
    if not (tag := THINKING.search(prompt)):
        return ""
    begin, name, end = tag.groups()
    return "" if f"{begin}/{name}{end}" in text else f"{begin}{name}{end}"
