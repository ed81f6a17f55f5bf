"""The answer that an article's sections make: an opening, then numbered steps under the headings of its parts, in Markdown.

Knows nothing of files.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from lima_wikihow.pruned import SECTIONS, pruned, reworded
from lima_wikihow.schema import Section

_GENERIC = re.compile(r"(?:steps?|instructions?|(?:part|method) \d+(?: of \d+)?:?)?", re.I)
"Labels that say nothing where there is only one"
_NUMBERED = re.compile(r"(?:part|method) \d+(?: of \d+)?:\s*(?=\S)", re.I)
_LISTS = frozenset(("tips", "warnings", "things you'll need", "things you will need", "ingredients"))
"Sections without order"
_NEXT = re.compile(r"\n[ \t]{0,8},")
"Where the text of one step ends and that of the next begins, in a row that has several"
_ENDS = (".", "!", "?", ")", ":", '"', "”")
UNMATCHED = "its headlines and paragraphs are not of one number, so which belong together cannot be told."


class Step(NamedTuple):
    """A step, a tip, or a text without a headline"""

    label: str
    headline: str
    text: str


class Unmatched(Exception):
    """Headlines and texts of a row do not belong together one by one"""


def body(sections: Sequence[Section]) -> str:
    """The Markdown of an article; Unmatched where which text belongs to which headline cannot be told"""
    overview = next((one.overview for one in sections if one.overview.strip()), "")
    steps = [step for section in sections for step in _steps(section)]
    steps = [one for one in dict.fromkeys(steps) if one.label.lower() not in SECTIONS and (one.headline or one.text)]
    groups = [(label, list(found)) for label, found in groupby(steps, lambda one: one.label)]
    blocks = [_paragraphs(reworded(pruned(overview), opening=True), "")]
    for label, found in groups:
        if len(groups) > 1 or not _GENERIC.fullmatch(label):
            heading = _NUMBERED.sub("", label)
            blocks += [f"**{heading}**"] if heading else []
        blocks.append(_listed(found, label.lower() in _LISTS))
    return "\n\n".join(block for block in blocks if block)


def _steps(section: Section) -> list[Step]:
    """The steps that a row has: one, or as many as its headline has lines"""
    label = section.label or (f"Part {section.part}" if section.part else "")
    headlines = [line for line in map(_headline, re.split(r",?\n", section.headline)) if line]
    if len(headlines) < 2:
        return [Step(label, "".join(headlines), _text(section.text))]
    texts = list[str]()
    for piece in _NEXT.split(section.text):
        alone = len(piece) - len(piece.lstrip(","))  # commas with nothing between them: steps without a text
        texts += [""] * alone + [_text(piece[alone:])]
    if len(texts) == len(headlines) + 1 and not texts[-1]:
        texts.pop()
    if len(texts) != len(headlines):
        raise Unmatched
    return [Step(label, *pair) for pair in zip(headlines, texts, strict=True)]


def _headline(line: str) -> str:
    return reworded(" ".join(pruned(line.strip().rstrip(",")).split())).replace("**", "")


def _text(text: str) -> str:
    """The text of a step as Markdown, in which lines after two empty ones are a list, as exports write them"""
    clean = reworded(pruned(text)).rstrip()
    if clean.endswith(";") and clean[:-1].rstrip().endswith(_ENDS):
        clean = clean[:-1].rstrip()  # exports have it behind the first step
    first, *lists = re.split(r"\n{3,}", clean.lstrip("\n") if clean.strip() else "")
    blocks = [_paragraphs(first, "")]
    for found in lists:
        lines, _, after = found.partition("\n\n")
        items = [f"- {line.strip().lstrip('-•*').strip()}" for line in lines.split("\n") if line.strip(" \t-•*")]
        blocks += ["\n".join(items), _paragraphs(after, "")]
    return "\n\n".join(block for block in blocks if block)


def _paragraphs(text: str, indent: str) -> str:
    """A text with at most one empty line in a row, each line but the first with this indentation"""
    found = re.sub(r"\n(?:[ \t]*\n)+", "\n\n", text).strip()
    return found.replace("\n", f"\n{indent}").replace(f"\n{indent}\n", "\n\n") if indent else found


def _listed(steps: Sequence[Step], unordered: bool) -> str:
    """Steps as a numbered list, tips as one with dashes; texts without any headline as paragraphs"""
    if not unordered and not any(one.headline for one in steps):
        return "\n\n".join(one.text for one in steps)
    items, loose = list[str](), any("\n" in one.text for one in steps)
    for number, one in enumerate(steps, 1):
        marker = "- " if unordered else f"{number}. "
        bold = f"**{one.headline}**" if one.headline else ""
        text = _paragraphs(one.text, " " * len(marker))
        items.append(marker + " ".join(part for part in (bold, text) if part))
    return ("\n\n" if loose else "\n").join(items)
