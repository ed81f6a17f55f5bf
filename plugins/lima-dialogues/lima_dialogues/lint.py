"""The linter: everything that can be checked about a folder of dialogues without understanding them.

Shape and lengths (`schema`), near-duplicates over all turns and files, topics and ids, follow-ups that seem to stand alone
(`dependence`), stock phrases, and whether replies with known grades fit (`known`). Each finding says file, turn, what, and the
fix. Knows nothing of how good a dialogue is.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lima_dialogues.dependence import markers
from lima_dialogues.files import EVAL, TRAIN, File
from lima_dialogues.known import all_known, fits
from lima_dialogues.schema import Problem, lengths, shape, spoken, system_text, words
from lima_dialogues.similar import alike, shingles

ALIKE_TURNS, ALIKE_FILES, ALIKE_INSIDE = 0.4, 0.15, 0.9
"Jaccard similarity from which two turns of different files, two files, or two turns of one file are near-duplicates"

STOCK = (
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)\b",
    r"\bi(?:'m| am) (?:just |only )?an? (?:ai|(?:large )?language model)\b",
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
    "For train and eval: files, exchanges, words"
    later_turns: int
    "User turns after the first, of both sets"
    leaning: int
    "Those of them with a marker of dependence"
    markers: dict[str, int]
    "How many have each kind of marker; a turn may have several"
    known: dict[str, int]
    "Replies with known grades: files, replies, and how many of these are good"
    problems: tuple[Problem, ...]

    def as_dict(self) -> dict[str, Any]:
        """For --json"""
        share = round(self.leaning / self.later_turns, 4) if self.later_turns else None
        leaning = {"later_turns": self.later_turns, "leaning": self.leaning, "share": share, "markers": self.markers}
        problems = [p.as_dict() for p in self.problems]
        return {**self.counts, "known": self.known, "dependence": leaning, "problems": problems}


def lint(files: Sequence[File]) -> Report:
    """The report on these files; a file that cannot be read is a problem and is left out of the rest"""
    found = [problem for file in files for problem in (*shape(file), *lengths(file))]
    readable = [file for file in files if isinstance(file.data, dict)]
    found += _ids(readable)
    found += _topics(readable)
    found += _duplicates(readable)
    found += _stock_phrases(readable)
    found += fits(readable)
    later = list(_later_turns(readable))
    kinds = {(file.name, number): markers(text, history) for file, number, text, history in later}
    for (name, number), shown in kinds.items():
        if not shown:
            fix = (
                "Let it lean on the talk (it, the second one, and in winter?, sorry, I meant …), or make it an opening."
            )
            found.append(Problem(name, number, "seems to stand alone: no word of it needs what was said before", fix))
    order = {file.name: i for i, file in enumerate(files)}
    found.sort(key=lambda p: (order[p.file], p.turn or 0))
    return Report(
        counts=_counts(readable),
        later_turns=len(later),
        leaning=sum(bool(shown) for shown in kinds.values()),
        markers=dict(sorted(Counter(kind for shown in kinds.values() for kind in shown).items())),
        known=_known(readable),
        problems=tuple(found),
    )


def _counts(files: Sequence[File]) -> dict[str, dict[str, int]]:
    counts = {kind: {"files": 0, "exchanges": 0, "words": 0} for kind in (TRAIN, EVAL)}
    for file in files:
        if file.is_known:
            continue
        row, said = counts[EVAL if file.is_evaluation else TRAIN], spoken(file)
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
    """A topic belongs to one file; and no word of a topic to both sets"""
    owners: dict[str, str] = {}
    sides: dict[bool, dict[str, str]] = defaultdict(dict)
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
            sides[file.is_evaluation].setdefault(word, file.name)
    for word, name in sorted(sides[True].items()):
        if word not in _FILLERS and word in sides[False]:
            what = f"shares {word!r} in its topic with {sides[False][word]}"
            yield Problem(name, None, what, "No topic may be in both sets: replace one, or name them apart.")


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


def _later_turns(files: Sequence[File]) -> Iterator[tuple[File, int, str, str]]:
    """(file, number, text, everything said before) for each user turn after the first"""
    for file in files:
        said = spoken(file)
        users = [i for i, (_, role, _) in enumerate(said) if role == "user"]
        for i in users[1:]:
            before = [system_text(file), *(text for _, _, text in said[:i])]
            yield file, said[i][0], said[i][2], "\n".join(filter(None, before))
