"""Which categories of tasks ask for a text that is written, as LIMA's 50 do: summaries, paraphrases, changes of style (LIMA §2).

Tasks that choose, classify, extract or verify are of the others. Knows nothing of files.
"""

import re
from collections.abc import Iterable

GENERATION = (
    "Code Summarization",
    "Code to Text",
    "Data to Text",
    "Dialogue Generation",
    "Explanation",
    "Explanation Generation",
    "Grammar Error Correction",
    "Long Text Generation",
    "Paragraph Generation",
    "Paraphrasing",
    "Poem Generation",
    "Question Generation",
    "Question Rewriting",
    "Review Generation",
    "Sentence Composition",
    "Sentence Compression",
    "Sentence Expansion",
    "Sentence Generation",
    "Story Completion",
    "Story Composition",
    "Story Generation",
    "Style Transfer",
    "Summarization",
    "Summary Generation",
    "Text Completion",
    "Text Modification",
    "Text Simplification",
    "Title Generation",
    "Translation",
)
"Names of the published collection, and of its hierarchy from before 2022"
_NOT = {"classification", "verification", "incorrect", "detection", "incorrect answer generation"}
"Parts of a hierarchical name that say that nothing good is written"


def is_of(category: str, wanted: Iterable[str]) -> bool:
    """Whether a category, such as 'Summarization' or 'Text Modification -> Paraphrasing', is one of the wanted or is in one

    One that classifies, or asks for what is wrong, is only taken by its own name."""
    parts = [part.strip().lower() for part in category.split("->")]
    names = {re.sub(r"\s*->\s*", " -> ", name.strip().lower()) for name in wanted}
    return " -> ".join(parts) in names or parts[-1] in names or bool(names & {*parts} and not _NOT & {*parts})
