"""The text that each token of a reply adds, so that the pieces make the reply. Knows nothing of models."""

from collections.abc import Sequence
from typing import Any

BACK = 6
"Tokens before one that may decide how it is written"


def pieces(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """A text for each id; of a character that several tokens make, the last one has it, and the others have nothing"""
    found, start, written = [], 0, ""
    for at in range(len(ids)):
        text = tokenizer.decode(ids[start : at + 1], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        if text.endswith("\ufffd") and at + 1 < len(ids) and at - start < 4 * BACK:
            found.append("")  # a part of a character
            continue
        found.append(text[len(written) :] if text.startswith(written) else text)
        if at + 1 - start > BACK:
            start = at - BACK // 2
            text = tokenizer.decode(ids[start : at + 1], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        written = text
    return found
