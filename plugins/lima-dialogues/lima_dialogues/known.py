"""Replies with known grades beside the conversations: whether the files fit them and each other, and all replies of a folder.

What one file must look like is in lima-chat. Knows nothing of graders.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lima import LimaError, did_you_mean
from lima_chat import KnownReply, known_replies
from lima_dialogues.files import File
from lima_dialogues.schema import Problem, shape
from lima_dialogues.similar import alike, plain, shingles

ALIKE_REPLIES = 0.8
"Jaccard similarity from which two replies to one turn, of one flaw or both good, are near-duplicates"


def all_known(files: Sequence[File]) -> list[KnownReply]:
    """The replies of those files that have some; LimaError for the first that cannot be read"""
    found: list[KnownReply] = []
    for file in files:
        if file.error and file.is_known:
            raise LimaError(f"{file.name}: {file.error}. Fix it, or remove it.")
        if file.is_known:
            found += known_replies(file.data, file.name)
    return found


def fits(files: Sequence[File]) -> Iterator[Problem]:
    """What is wrong between the files; those of the wrong shape are left out"""
    scripts = {(f.of_set, f.data["id"]): f.data["turns"] for f in files if f.is_evaluation and not any(shape(f))}
    by_conversation: dict[tuple[str, str], list[tuple[File, list[KnownReply]]]] = defaultdict(list)
    for file in files:
        if file.is_known and not any(shape(file)):
            by_conversation[file.of_set, file.data["conversation"]].append((file, known_replies(file.data, file.name)))
    for (name, id), about in by_conversation.items():
        if (name, id) not in scripts:
            for file, _ in about:
                known = [other for of_set, other in scripts if of_set == name]
                fix = f"Give the id of one that is there.{did_you_mean(id, known)}"
                yield Problem(file.name, None, f"is about the conversation {id!r}, which is not there", fix)
            continue
        yield from _turns(about, len(scripts[name, id]))
        yield from _duplicates(about)


def _turns(about: Sequence[tuple[File, list[KnownReply]]], turns: int) -> Iterator[Problem]:
    """Turns that the conversation does not have, and those that no reply is good for"""
    for file, replies in about:
        for number, known in enumerate(replies, 1):
            if known.turn > turns:
                what = f"reply {number} is to a turn that the conversation does not have"
                yield Problem(file.name, known.turn, what, f"It has {turns}.")
    good = {known.turn for _, replies in about for known in replies if known.good}
    for turn in range(1, turns + 1):
        if turn not in good:
            fix = 'Add one that is "pass" or "excellent".'
            yield Problem(about[0][0].name, turn, "no known reply to this turn is good", fix)


def _duplicates(about: Sequence[tuple[File, list[KnownReply]]]) -> Iterator[Problem]:
    """Replies that test the same thing twice, and the same words under different grades

    A failed reply may be a good one with a single flaw, so only those of one flaw are compared."""
    found = [(file, number, known) for file, replies in about for number, known in enumerate(replies, 1)]
    texts: dict[tuple[int, tuple[str, ...], str], tuple[File, int, KnownReply]] = {}
    groups: dict[tuple[int, str], list[tuple[File, int, KnownReply]]] = defaultdict(list)
    for file, number, known in found:
        same = texts.setdefault((known.turn, known.after, plain(known.reply)), (file, number, known))
        if same[2] is known:
            groups[(known.turn, known.flaw)].append((file, number, known))
            continue
        what = f"reply {number} is in the same words as {_named(same, file)}"
        if same[2].good != known.good:
            yield Problem(file.name, known.turn, f"{what}, which is graded otherwise", "Keep the right one of the two.")
        else:
            yield Problem(file.name, known.turn, what, "Say it differently, or leave it out.")
    for (turn, _), rows in groups.items():
        for a, b, similarity in alike([shingles(known.reply) for _, _, known in rows], ALIKE_REPLIES):
            file, number, _ = rows[b]
            what = f"reply {number} is {similarity:.0%} the same as {_named(rows[a], file)}"
            yield Problem(file.name, turn, what, "Say it differently, or leave it out.")


def _named(row: tuple[File, int, KnownReply], file: File) -> str:
    return f"reply {row[1]}" + ("" if row[0] is file else f" of {row[0].name}")
