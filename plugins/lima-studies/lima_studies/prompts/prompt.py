"""A prompt of a study, and what is known of it. Knows nothing of files or of who answers."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

EXPLICIT, IMPLICIT = "explicit", "implicit"
MALICE = ("", EXPLICIT, IMPLICIT)
"None; said in the prompt; to be understood"


@dataclass(frozen=True)
class StudyPrompt:
    """One prompt"""

    id: str
    text: str
    source: str = ""
    licence: str = ""
    sensitive: bool = False
    "Whether a careless reply could do harm"
    malice: str = ""
    "Whether whoever asks means harm: one of MALICE"
    kind: str = ""
    "As its file calls it, such as everyday or unlike"

    @property
    def hash(self) -> str:
        """SHA-256 of the text"""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


def hash_of(prompts: Iterable[StudyPrompt]) -> str:
    """SHA-256 over all that is known of the prompts, in their order"""
    text = json.dumps([asdict(prompt) for prompt in prompts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
