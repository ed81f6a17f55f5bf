"""How much of a text is a repetition, in lines, paragraphs and runs of words: the figures of Gopher (2112.11446, table A1).

Knows nothing of whether it should, as in a song.
"""

from collections import Counter
from collections.abc import Sequence

LINES, CHARACTERS = 0.30, 0.20
"Of lines or paragraphs, and of their characters, that repeat an earlier one"
MOST_FREQUENT = {2: 0.20, 3: 0.18, 4: 0.16}
"Of the characters, in the most frequent run of so many words"
MOST = 0.6
"More than this is too much however often the shares may be taken"
OFTEN = 3
"How often such a run is there at least: in a short text a name may well be there twice"
TWICE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
"Of the characters, in runs of so many words that repeat an earlier one"


def repeated(text: str, words: Sequence[str], times: float = 1.0) -> str:
    """A sentence on what a text repeats too often, with the figure; '' where it does not

    `words` are the text's, in order; it may repeat so many `times` what Gopher allows."""
    found = (
        _of_parts(text, "\n\n", "paragraphs", times),
        _of_parts(text, "\n", "lines", times),
        _of_runs(words, times),
    )
    return next(filter(None, found), "")


def _of_parts(text: str, border: str, what: str, times: float) -> str:
    parts = [part.strip() for part in text.split(border) if any(map(str.isalnum, part))]
    again = Counter(parts)
    twice = [part for part, count in again.items() for _ in range(count - 1)]
    for most, found, of, named in (
        (min(MOST, LINES * times), len(twice), len(parts), what),
        (min(MOST, CHARACTERS * times), sum(map(len, twice)), sum(map(len, parts)), f"the characters of its {what}"),
    ):
        if of and found / of > most:
            whose = "its " if named == what else ""
            return f"{100 * found / of:.0f} % of {whose}{named} are repeated, more than {100 * most:g} %."
    return ""


def _of_runs(words: Sequence[str], times: float) -> str:
    lengths = list(map(len, words))
    total = sum(lengths)
    for size, most in ((size, min(MOST, most * times)) for size, most in MOST_FREQUENT.items()):
        runs = Counter(zip(*(words[at:] for at in range(size)), strict=False))
        often = [(run, count) for run, count in runs.items() if count >= OFTEN]
        if not often:  # then no longer run is there as often
            break
        run, count = max(often, key=lambda one: one[1] * sum(map(len, one[0])))
        share = min(1.0, count * sum(map(len, run)) / total)  # runs of one word overlap
        if share > most:
            what = " ".join(run)
            return f'{100 * share:.0f} % of its characters, more than {100 * most:g} %, are {count} times "{what}"'
    limits = {size: min(MOST, most * times) for size, most in TWICE.items()}
    for size, most in limits.items():
        share = _twice(words, lengths, size) / total
        if share > most:
            return f"{100 * share:.0f} % of its characters repeat runs of {size} words, more than {100 * most:g} %."
        if share <= min(limits.values()):  # longer runs repeat no more than that
            break
    return ""


def _twice(words: Sequence[str], lengths: Sequence[int], size: int) -> int:
    """The characters of words that are in a run that repeats an earlier one; each word counts once"""
    seen, covered, found = set[tuple[str, ...]](), 0, 0
    for at, run in enumerate(zip(*(words[start:] for start in range(size)), strict=False)):
        if run in seen:
            start = max(at, covered)
            found += sum(lengths[start : at + size])
            covered = at + size
        else:
            seen.add(run)
    return found
