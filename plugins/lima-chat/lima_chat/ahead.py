"""Conversations that are tokenized before they are asked for, while others are being rendered and proven.

They become what each becomes by itself. Knows nothing of templates, nor of how tokens are made.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lima_chat.layout import Layout
    from lima_chat.tokens import Tokens


class Portion:
    """Some records with one layout, and what makes their tokens once the first of them is asked for"""

    def __init__(self, records: Sequence[Any], layout: "Layout", make: "Callable[[], list[Tokens]]") -> None:
        self.layout, self._make, self._process = layout, make, os.getpid()
        self.records = {id(record): record for record in records}
        self._made: dict[int, Tokens] | None = None

    def of(self, record: Any, layout: "Layout") -> "Tokens | None":
        """The tokens of a record; None if it is none of these, if anything is wrong with one of them, or in a process that was
        forked off meanwhile: the thread that tokenizes is not there"""
        if layout is not self.layout or self.records.get(id(record)) is not record or os.getpid() != self._process:
            return None
        if self._made is None:
            make, self._make, self._made = self._make, list, {}
            with suppress(Exception):  # whatever it is, it is the affair of one record, which is not known here
                self._made = dict(zip(self.records, make(), strict=True))
        return self._made.get(id(record))


class Ahead:
    """The portion that is being asked for, and the one to come"""

    def __init__(self) -> None:
        self._portions: list[Portion] = []

    def add(self, portion: Portion) -> None:
        """The next one; the one before the last is let go"""
        self._portions = [*self._portions[-1:], portion]

    def clear(self) -> None:
        """Let go of all"""
        self._portions = []

    def of(self, record: Any, layout: "Layout") -> "Tokens | None":
        """The tokens of a record that is in one of them"""
        return next((found for one in self._portions if (found := one.of(record, layout))), None)
