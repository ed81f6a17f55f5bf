"""What is trained on: a record with an identity, a licence and a content hash; the core's own kind is prompt and response.

Knows nothing of tokens or of files. A plugin adds another kind by subclassing `Record`.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any

from lima.contract.rendered import Stored, Weight


@dataclass(frozen=True, kw_only=True)
class Credit:
    """Whom a text of an example is owed to; what licences such as CC BY-SA ask to be named"""

    author: Stored
    url: Stored = ""
    "Address of the text"
    licence: Stored = ""
    "SPDX name or a short sentence"
    author_url: Stored = ""
    "Address of the author's profile"
    written: Stored = ""
    "Date of the text, ISO 8601"
    part: Stored = ""
    "What of the example it is, such as 'answer'"

    def __str__(self) -> str:
        """One line of attribution: what, by whom, when, under which licence, and where"""
        who = self.author + (f" ({self.author_url})" if self.author_url else "")
        by = f"{self.part} by {who}" if self.part else who
        return ", ".join(text for text in (by, self.written, self.licence, self.url) if text)


@dataclass(frozen=True, kw_only=True)
class Record(ABC):
    """One thing to learn from, whatever its shape"""

    id: Stored
    "Unique within its source"
    source: Stored = ""
    "Name of the source that yielded it"
    licence: Stored = ""
    "SPDX name or a short sentence"
    provenance: Stored = ""
    "Where it came from: an address, a file and line, an author"
    credits: tuple[Credit, ...] = ()
    "Who wrote what of it, and under which licence, where the source knows"

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What is learnt from, as JSON-ready values; identity and provenance stay out"""

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON of `content()`: equal content, equal hash, wherever it came from"""
        text = json.dumps(self.content(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Example(Record):
    """A prompt and the response to it (LIMA §2)"""

    prompt: str
    response: str
    weight: Weight = 1.0
    "Loss weight of the response's tokens; 0 is not trained"

    def content(self) -> dict[str, Any]:
        return {"prompt": self.prompt, "response": self.response, "weight": self.weight}


@dataclass(frozen=True)
class Refused:
    """A row of a file from which nothing is learnt; a source yields it where a `Record` would be"""

    where: Stored
    "File and line"
    reason: Stored
    "A sentence; what to do about it if the row is wrong"
    fault: bool = True
    "Whether the row is wrong, which ends everything unless it may be skipped; else it says itself that it is not to be learnt"
    rows: int = 1
    "How many rows it stands for: a source of millions names the first of each reason and counts the others"


@dataclass(frozen=True)
class Excluded:
    """An example that a filter leaves out of a data set"""

    place: Annotated[int, "from 0"]
    "Its place among the examples that the filter was given, counted from 0"
    reason: Stored
    "A sentence, with the figure or the words that decided"
