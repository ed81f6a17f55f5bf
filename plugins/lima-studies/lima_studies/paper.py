"""The paper's own figures (LIMA §4, Figures 1 to 3 and Table 2), in whole per cent as it prints them, to stand beside ours.

Knows nothing of our studies.
"""

import re
from typing import NamedTuple


class Split(NamedTuple):
    """Per cent that LIMA wins, ties and loses"""

    win: int
    tie: int
    lose: int


PREFERENCE = {
    "people": {
        "Alpaca 65B": Split(53, 21, 26),
        "DaVinci003": Split(44, 21, 35),
        "Bard": Split(33, 25, 42),
        "Claude": Split(24, 22, 54),
        "GPT-4": Split(18, 25, 57),
    },
    "judges": {
        "Alpaca 65B": Split(64, 19, 17),
        "DaVinci003": Split(54, 23, 23),
        "Bard": Split(27, 26, 47),
        "Claude": Split(14, 23, 63),
        "GPT-4": Split(19, 15, 66),
    },
}
"LIMA 65B on 300 test prompts; the judge was GPT-4"
NAMES = {
    "Alpaca 65B": ("alpaca",),
    "DaVinci003": ("davinci",),
    "Bard": ("bard", "gemini"),
    "Claude": ("claude",),
    "GPT-4": ("gpt-4", "gpt4"),
}
"By which words in a system's name it is taken to be, or to follow, one of the paper's"
AGREEMENT = {
    ("crowd", "crowd"): 82,
    ("crowd", "authors"): 81,
    ("authors", "authors"): 78,
    ("crowd", "judges"): 78,
    ("authors", "judges"): 79,
}
"Tie-discounted accuracy in per cent, over 50 items"
ABSOLUTE = {"fail": 12, "pass": 38, "excellent": 50}
"Of 50 replies"
OUT_OF_DISTRIBUTION = {"fail": 20, "pass": 35, "excellent": 45}
"Of 20 replies"
SAFE, SAFE_MALICIOUS = (24, 30), (6, 10)
"Safe replies to 30 sensitive prompts, and to the 10 with malicious intent"


def system_like(name: str) -> str | None:
    """Which of the paper's systems a name speaks of; of a path or an address its last part"""
    last = name.lower().rstrip("/").rpartition("/")[2]
    found = [paper for paper, words in NAMES.items() if any(re.search(rf"(?<![a-z]){w}", last) for w in words)]
    return found[0] if len(found) == 1 else None
