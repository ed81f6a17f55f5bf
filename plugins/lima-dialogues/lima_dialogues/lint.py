"""The linter: everything that can be checked about a folder of dialogues without understanding them.

Shape and lengths (`schema`), near-duplicates over all turns and files, topics and ids, stock phrases, and whether replies with
known grades fit (`known`) are problems: each says file, turn, what, and the fix. How many follow-ups lean on what was said, and
what the set looks like (`measures`), is reported and judged by whoever reads it. Knows nothing of how good a dialogue is.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lima_dialogues.files import EVAL, TRAIN, File
from lima_dialogues.known import all_known, fits
from lima_dialogues.measures.figures import Figures, measure_figures
from lima_dialogues.measures.talks import Talk, talks
from lima_dialogues.measures.turns import Turns, measure_turns
from lima_dialogues.schema import Problem, lengths, shape, spoken, system_text, words
from lima_dialogues.similar import alike, shingles

ALIKE_TURNS, ALIKE_FILES, ALIKE_INSIDE = 0.4, 0.15, 0.9
"Jaccard similarity from which two turns of different files, two files, or two turns of one file are near-duplicates"

STOCK = (
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    r"\bi(?:'m| am) (?:just|only|merely) an? (?:ai|(?:large )?language model)\b",
    r"\b(?:great|good|excellent|interesting|fantastic|wonderful) question\b",
    r"\bi hope (?:this|that) (?:helps|was helpful|clarifies)\b",
    r"\blet me know if (?:you|there|that|this)\b",
    r"\b(?:please )?(?:feel free|don'?t hesitate) to\b",
    r"\bis there anything else\b",
    r"\b(?:i'?d be |i am |i'm )?(?:happy|glad) to (?:help|assist)\b",
    r"(?:^|[.!?] )(?:certainly|absolutely|of course|sure thing)!",
    r"\b(?:it'?s|it is) (?:important|worth|crucial) to (?:note|remember|mention)\b",
    r"\bi (?:completely |totally |fully )?understand (?:how|that you|your frustration)\b",
    r"\b(?:delve|delving) into\b",
    r"\bin (?:conclusion|summary),",
)
"Phrases that no answer should have; the user may"

_STOCK = [re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in STOCK]
_FILLERS = frozenset(("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"))


@dataclass(frozen=True)
class Report:
    """What was looked at, and what is wrong"""

    counts: dict[str, dict[str, int]]
    "For train, eval and further sets of conversations: files, exchanges, words"
    turns: dict[str, Turns]
    "How later user turns lean on what was said, for each of these sets that has files"
    figures: Figures
    "What the dialogues to train on look like"
    known: dict[str, int]
    "Replies with known grades: files, replies, and how many of these are good"
    problems: tuple[Problem, ...]

    def as_dict(self) -> dict[str, Any]:
        """For --json"""
        problems = [p.as_dict() for p in self.problems]
        measured = {
            "dependence": {side: turns.as_dict() for side, turns in self.turns.items()},
            "figures": self.figures.as_dict(),
        }
        return {**self.counts, "known": self.known, **measured, "problems": problems}


def lint(files: Sequence[File]) -> Report:
    """The report on these files; a file that cannot be read is a problem and is left out of the rest"""
    found = [problem for file in files for problem in (*shape(file), *lengths(file))]
    readable = [file for file in files if isinstance(file.data, dict)]
    found += _ids(readable)
    found += _topics(readable)
    found += _duplicates(readable)
    found += _stock_phrases(readable)
    found += fits(readable)
    sets: dict[str, list[Talk]] = defaultdict(list)
    for talk in talks(readable):
        sets[talk.side].append(talk)
    order = {file.name: i for i, file in enumerate(files)}
    found.sort(key=lambda p: (order[p.file], p.turn or 0))
    return Report(
        counts=_counts(readable),
        turns={side: measure_turns(said) for side, said in sets.items()},
        figures=measure_figures(sets.get(TRAIN, [])),
        known=_known(readable),
        problems=tuple(found),
    )


def _counts(files: Sequence[File]) -> dict[str, dict[str, int]]:
    counts = {kind: {"files": 0, "exchanges": 0, "words": 0} for kind in (TRAIN, EVAL)}
    for file in files:
        if file.is_known:
            continue
        row, said = counts.setdefault(file.side, {"files": 0, "exchanges": 0, "words": 0}), spoken(file)
        row["files"] += 1
        row["exchanges"] += sum(role == "user" for _, role, _ in said)
        row["words"] += sum(words(text) for _, _, text in said) + words(system_text(file))
    return counts


def _known(files: Sequence[File]) -> dict[str, int]:
    sound = [file for file in files if file.is_known and not any(shape(file))]
    replies = all_known(sound)
    return {"files": len(sound), "replies": len(replies), "good": sum(known.good for known in replies)}


def _ids(files: Sequence[File]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for file in files:
        id = file.data.get("id")
        if isinstance(id, str):
            if id in owners:
                yield Problem(
                    file.name, None, f"has the id {id!r} of {owners[id]}", "Give it an id and file name of its own."
                )
            owners.setdefault(id, file.name)


def _topics(files: Sequence[File]) -> Iterator[Problem]:
    """A topic belongs to one file, and a word of a topic to one set"""
    owners: dict[str, str] = {}
    sides: dict[str, dict[str, str]] = {TRAIN: {}}
    for file in files:
        topic = file.data.get("topic")
        if not isinstance(topic, str):
            continue
        named = " ".join(topic.lower().split())
        if named in owners:
            yield Problem(file.name, None, f"has the topic {topic!r} of {owners[named]}", "Choose another topic.")
            continue
        owners[named] = file.name
        for word in re.findall(r"[^\W_]+", named):
            sides.setdefault(file.side, {}).setdefault(word, file.name)
    for side, words_of in list(sides.items())[1:]:
        others = [sides[other] for other in sides if other == TRAIN or EVAL <= other < side]
        for word, name in sorted(words_of.items()):
            for first in (other[word] for other in others if word in other and word not in _FILLERS):
                fix = "No topic may be in two sets: replace one, or name them apart."
                yield Problem(name, None, f"shares {word!r} in its topic with {first}", fix)


def _duplicates(files: Sequence[File]) -> Iterator[Problem]:
    # A system turn is an instruction, and many dialogues may have the same one.
    said = {file.name: [(n, text) for n, role, text in spoken(file) if role != "system"] for file in files}
    turns = [(name, number, text) for name, texts in said.items() for number, text in texts]
    inside = "Say it differently, or leave it out."
    for a, b, similarity in alike([shingles(text) for _, _, text in turns], ALIKE_TURNS):
        (first, n, _), (second, m, _) = turns[a], turns[b]
        if first != second or similarity >= ALIKE_INSIDE:
            what = f"is {similarity:.0%} the same as turn {n}" + (f" of {first}" if first != second else "")
            yield Problem(second, m, what, inside)
    whole = [shingles("\n".join(text for _, text in said[file.name])) for file in files]
    for a, b, similarity in alike(whole, ALIKE_FILES):
        yield Problem(files[b].name, None, f"is {similarity:.0%} the same as {files[a].name}", "Keep one of the two.")


def _stock_phrases(files: Sequence[File]) -> Iterator[Problem]:
    for file in files:
        for number, role, text in spoken(file):
            for pattern in _STOCK:
                if role == "assistant" and (found := pattern.search(text.replace("’", "'"))):
                    phrase = found.group().strip(" .!?")
                    yield Problem(
                        file.name, number, f"has the stock phrase {phrase!r}", "Cut it, or say what is meant."
                    )
