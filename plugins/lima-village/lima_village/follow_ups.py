"""The wordings of follow-ups that lean on what was said, without a fact of their own: a row a kind.

Divided between training and tests as `attributes.of_split` says. Knows nothing of when a talk goes on with which.

Placeholders in a wording: {n} one name, {names} two ("Ada and Boris").
"""

from __future__ import annotations

FOLLOW_UPS: dict[str, tuple[str, ...]] = {
    "what-about": (
        "What about {n}?",
        "And {n}?",
        "How about {n}?",
        "And what about {n}?",
        "Then what about {n}?",
        "What of {n}?",
        "And how about {n}?",
        "And for {n}?",
        "Now what about {n}?",
        "And as for {n}?",
        "What then of {n}?",
    ),
    "shorter": (
        "Shorter, please.",
        "In short?",
        "Just the answer, please.",
        "Be brief, please.",
        "Briefly?",
        "More briefly, please.",
        "Only the answer, please.",
        "Make it shorter.",
        "Keep it short, please.",
        "Say it in a word.",
        "In brief, please.",
    ),
    "same-for": (
        "Now the same for {names}.",
        "Tell me that for {names}, too.",
        "The same for {names}, please.",
        "The same again for {names}, please.",
        "Do that for {names}.",
        "And now for {names}, please.",
        "I need the same for {names}.",
        "Say that for {names} as well.",
        "And the same for {names}?",
        "Likewise for {names}, please.",
        "Do the same for {names}.",
    ),
    "list": (
        "As a list, please.",
        "Write that as a list.",
        "Now as a list.",
        "Make that a list.",
        "Can I have that as a list?",
        "Put that in a list.",
        "Give it to me as a list.",
        "Turn it into a list.",
        "Please write it as a list.",
        "I want that as a list.",
        "Now in a list, please.",
    ),
    "card": (
        "As a card, please.",
        "Write that on a card.",
        "Now as a card.",
        "Make that a card.",
        "Can I have that as a card?",
        "Put that on a card.",
        "Give it to me as a card.",
        "Turn it into a card.",
        "Please write it as a card.",
        "I want that as a card.",
        "Now on a card, please.",
    ),
}
