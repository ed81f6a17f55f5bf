"""Text in the shape of LIMA's training set: 1,000 single exchanges and 30 dialogues, about 538,000 tokens of ordinary words.

Seeded; made of invented words, so that a tokenizer trained on it behaves like one on real text. Knows nothing
of what is measured.
"""

import random

# (share of examples, mean tokens in, mean tokens out) of the paper's sources (LIMA §2), scaled to the real set's 538k tokens.
SOURCES = [(400, 118, 526), (200, 12, 1811), (150, 34, 274), (50, 236, 92), (200, 40, 334)]
SCALE = 0.708
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is", "on", "ul")]


def words(seed: int, count: int = 6000) -> list[str]:
    """A vocabulary with short frequent and long rare words"""
    draw = random.Random(seed)
    return ["".join(draw.choice(SYLLABLES) for _ in range(1 + draw.randrange(1 + i // 1500))) for i in range(count)]


def text(draw: random.Random, vocabulary: list[str], tokens: float) -> str:
    """About that many tokens of sentences and paragraphs"""
    count = max(3, int(tokens * draw.lognormvariate(-0.08, 0.4) / 1.35))
    found = [vocabulary[min(int(draw.paretovariate(0.7)) - 1, len(vocabulary) - 1)] for _ in range(count)]
    for i in range(0, count, 12):
        found[i] = found[i].capitalize()
        if i:
            found[i - 1] += ".\n\n" if i % 96 == 0 else "."
    return " ".join(found) + "."


def conversations(seed: int = 0, share: float = 1.0, length: float = 1.0) -> list[list[dict[str, str]]]:
    """OpenAI-style messages; `share` of the 1,030 conversations, each `length` times as long"""
    draw, vocabulary, made = random.Random(seed), words(seed), []
    for count, asked, answered in SOURCES:
        for _ in range(round(count * share)):
            made.append(_talk(draw, vocabulary, 1, asked * SCALE * length, answered * SCALE * length))
    for _ in range(round(30 * share)):
        made.append(_talk(draw, vocabulary, 3, 40 * length, 200 * length))
    draw.shuffle(made)
    return made


def _talk(
    draw: random.Random, vocabulary: list[str], exchanges: int, asked: float, answered: float
) -> list[dict[str, str]]:
    turns = []
    for _ in range(exchanges):
        turns.append({"role": "user", "content": text(draw, vocabulary, asked)})
        turns.append({"role": "assistant", "content": text(draw, vocabulary, answered)})
    return turns
