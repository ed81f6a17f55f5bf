"""What a tokenizer makes of a text, and which of its tokens begin a text and end a turn.

No special token is added, and none is made of what somebody wrote. Knows nothing of examples or of formats.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import compress, count
from threading import RLock
from typing import Any, overload

Ranges = Sequence[tuple[int, int]]
"Of each one (start, stop), in characters"
Encoded = tuple[list[int], Sequence[tuple[int, int]]]
"The ids of a text's tokens, and the characters of each"


class Characters(Sequence[tuple[int, int]]):
    """The (start, stop) characters of each token of a text, made when they are asked for: a list of all takes a while"""

    def __init__(self, encoding: Any) -> None:
        self._encoding = encoding

    def __len__(self) -> int:
        return len(self._encoding)

    @overload
    def __getitem__(self, at: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, at: slice) -> list[tuple[int, int]]: ...
    def __getitem__(self, at: int | slice) -> tuple[int, int] | list[tuple[int, int]]:
        places = range(len(self))[at]
        characters = self._encoding.token_to_chars
        return characters(places) if isinstance(places, int) else [characters(place) for place in places]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._encoding.offsets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


# Turn tokens that published tokenizers already have; the first one found is reused, so that no new row has to be learnt.
KNOWN_EOT = ("<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>", "<|eot|>", "<|end_of_turn|>", "<turn|>")

NEW_EOT = "<|eot|>"

BEGINNINGS = ("\n", "\ufdd0", "\x00", "\u2028")
"Characters that hardly any vocabulary joins to another"

_ALONE = RLock()
"Held from setting up a tokenizer to the end of what is tokenized so: whether it splits control tokens is a setting of its"

if hasattr(os, "register_at_fork"):
    # A process that is forked off while a thread tokenizes would wait for ever for what that thread holds.
    os.register_at_fork(before=_ALONE.acquire, after_in_parent=_ALONE.release, after_in_child=_ALONE.release)


def encode(tokenizer: Any, text: str, literal: Ranges = ()) -> Encoded:
    """Token ids of `text` and the (start, stop) characters of each; no special token is added

    Special-token strings inside the `literal` character ranges stay ordinary text (a user may write "<|im_end|>";
    field.md, OpenRLHF#393). A stretch with one of them is tokenized separately, from one control token to the next, where every
    tokenizer cuts anyway; everything else in one piece, as inference does it."""
    return _with_literals(tokenizer, text, literal, _encode_piece(tokenizer, text, split=False))


def encode_meanwhile(tokenizer: Any, texts: Sequence[tuple[str, Ranges]]) -> Callable[[], list[Encoded]]:
    """Begin to tokenize several texts, each (text, literal), in another thread; the function returned waits for the result

    It gives for each what `encode` does. A process that is forked off in between must not call it: it would wait for ever."""
    beside = ThreadPoolExecutor(1)
    begun = beside.submit(_encode_batch, tokenizer, [text for text, _ in texts])
    beside.shutdown(wait=False)

    def encoded() -> list[Encoded]:
        found = zip(texts, begun.result(), strict=True)
        return [_with_literals(tokenizer, text, literal, (one.ids, Characters(one))) for (text, literal), one in found]

    return encoded


def _encode_batch(tokenizer: Any, texts: list[str]) -> Any:
    with _ALONE:
        return _backend(tokenizer, split=False).encode_batch(texts, add_special_tokens=False)


def _with_literals(tokenizer: Any, text: str, literal: Ranges, encoded: Encoded) -> Encoded:
    """The same text with what is literal in it tokenized as text"""
    ids, offsets = encoded
    if not literal:
        return encoded
    # all_special_ids knows only the named ones (BOS, EOS …), not those that were added later, such as an EOT.
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    ranges = sorted(literal)
    starts = [a for a, _ in ranges]

    def is_literal(a: int, b: int) -> bool:
        i = bisect_right(starts, a) - 1
        return i >= 0 and b <= ranges[i][1] and a < b

    found = list(compress(count(), map(special.__contains__, ids)))
    hits = {at for at in found if is_literal(*offsets[at])}
    if not hits:
        return ids, offsets
    out, places = list[int](), list[tuple[int, int]]()
    start, begin = 0, 0  # of the stretch: its first token, and that one's first character
    for at in [*(at for at in found if at not in hits), len(ids)]:
        end = offsets[at][0] if at < len(ids) else len(text)
        if any(start <= hit < at for hit in hits):
            control = text[slice(*offsets[start - 1])] if start else ""
            more, where = _encode_literal(tokenizer, text[begin:end], control)
            out += more
            places += [(a + begin, b + begin) for a, b in where]
        else:
            out += ids[start:at]
            places += offsets[start:at]
        if at < len(ids):
            out.append(ids[at])
            places.append(offsets[at])
            start, begin = at + 1, offsets[at][1]
    return out, places


def _encode_piece(tokenizer: Any, text: str, split: bool) -> Encoded:
    if not text:
        return [], []
    with _ALONE:
        out = _backend(tokenizer, split).encode(text, add_special_tokens=False)
    return out.ids, Characters(out)


def _backend(tokenizer: Any, split: bool) -> Any:
    """The backend directly: its wrapper is a quarter slower. Settings persist there, so all of them are set"""
    backend = tokenizer.backend_tokenizer
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.padding is not None:
        backend.no_padding()
    backend.encode_special_tokens = split
    return backend


def _encode_literal(tokenizer: Any, text: str, control: str) -> Encoded:
    """Like `encode` for a text without control tokens, except for the one that it may follow"""
    if not control or not marks_beginnings(tokenizer, control):
        return _encode_piece(tokenizer, text, split=True)
    # The tokenizer marks where a text begins (Metaspace, "first"), and this one continues. So another character begins it, the
    # first that the tokenizer does not join to what follows.
    for begin in BEGINNINGS:
        ids, offsets = _encode_piece(tokenizer, f"{begin}{text}", split=True)
        first = sum(b <= 1 for _, b in offsets)
        if first and (first == len(ids) or offsets[first][0] >= 1):
            break
    return ids[first:], [(max(a - 1, 0), b - 1) for a, b in offsets[first:]]


def marks_beginnings(tokenizer: Any, control: str) -> bool:
    """Whether the tokenizer marks where a text begins (Metaspace, "first"), and so not where one follows this control token"""
    return _encode_piece(tokenizer, f"{control}a", False)[0][1:] != _encode_piece(tokenizer, "a", True)[0]


def bos_ids(tokenizer: Any) -> list[int]:
    """The BOS id as a list, when this tokenizer starts its texts with one, else nothing"""
    start = (
        tokenizer.build_inputs_with_special_tokens([]) if hasattr(tokenizer, "build_inputs_with_special_tokens") else []
    )
    probe = start or tokenizer("a").input_ids
    return (
        [tokenizer.bos_token_id] if tokenizer.bos_token_id is not None and tokenizer.bos_token_id in probe[:1] else []
    )


def reused_or_new_eot(tokenizer: Any) -> str:
    """The tokenizer's own turn token when it has a known one, else the token that lima adds"""
    vocabulary = tokenizer.get_vocab()
    return next((t for t in KNOWN_EOT if t in vocabulary), NEW_EOT)
