"""Null models: replies that need no model, to every turn of an evaluation, and how often a grader fails them.

A grade that they reach says nothing about a model. Knows nothing of databases.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lima import GRADER_FAILED, Verdict
from lima_chat import NULL_REPLIES
from lima_dialogue_eval.conversation.grade import GradedTurn
from lima_dialogue_eval.evaluation.known import AuditSet, KnownReply, history_of

if TYPE_CHECKING:
    from lima_chat import EvalConversation

OTHERS = 3
"Other conversations whose reply a turn is given"
FILLER = "I see."
"What came before where no good reply is known"
DEFINITION = (
    "Floor: turns at which a reply that needs no model is failed, of those that it was given to: "
    f"{'; '.join(f'{name}: {what}' for name, what in NULL_REPLIES.items())} ({OTHERS} of them, all of which must fail; without "
    "known replies another conversation's user)."
)


@dataclass(frozen=True)
class NullReply:
    """One reply that needs no model, at one turn"""

    name: str
    "Of NULL_REPLIES"
    turn: GradedTurn

    @property
    def excuse(self) -> str:
        """Why the turn says that such a reply is right; '' where it does not"""
        return self.turn.conversation.turns[self.turn.index].null.get(self.name, "")


@dataclass(frozen=True)
class Finding:
    """A null reply that was not failed, and nothing says why; or a reason where it was failed"""

    conversation: str
    turn: int
    "Counted from 1"
    name: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.conversation}, turn {self.turn}: {self.what}. {self.fix}"


def null_replies(tested: AuditSet) -> Iterator[NullReply]:
    """The replies of the null models to every turn, after the first known good replies"""
    good = _good(tested.known)
    for conversation in tested.script.values():
        mine = {turn: known for turn, known in good.get(conversation.id, {}).items() if known.script is None}
        for index, turn in enumerate(conversation.turns):
            before = mine[index + 1].after if index + 1 in mine else _before(mine, index)
            history = history_of(conversation, before)
            texts = [("empty", ""), ("echo", turn.user), ("apology", "I'm sorry.")]
            if before and before[-1] != FILLER:
                texts.append(("previous", before[-1]))
            texts += [("other", text) for text in _others(tested, good, conversation, index)]
            for name, text in texts:
                yield NullReply(name, GradedTurn(conversation, index, history, text, "eot", tested.checks_decide))


def _good(known: Iterable[KnownReply]) -> dict[str, dict[int, KnownReply]]:
    """The first good reply to each turn of each conversation"""
    found: dict[str, dict[int, KnownReply]] = defaultdict(dict)
    for reply in known:
        if reply.good:
            found[reply.conversation].setdefault(reply.turn, reply)
    return dict(found)


def _before(mine: dict[int, KnownReply], index: int) -> tuple[str, ...]:
    return tuple(mine[turn].reply if turn in mine else FILLER for turn in range(1, index + 1))


def _others(
    tested: AuditSet, good: dict[str, dict[int, KnownReply]], conversation: "EvalConversation", index: int
) -> list[str]:
    """Texts of the next conversations, of the same turn or the last before it"""
    if pool := [id for id in good if id != conversation.id]:
        texts = {id: _nearest({turn: known.reply for turn, known in good[id].items()}, index + 1) for id in pool}
    else:
        scripts = {id: script for id, script in tested.script.items() if id != conversation.id}
        texts = {id: script.turns[min(index, len(script.turns) - 1)].user for id, script in scripts.items()}
        pool = list(texts)
    start = list(tested.script).index(conversation.id)
    chosen = [pool[(start + step) % len(pool)] for step in range(min(OTHERS, len(pool)))]
    return list(dict.fromkeys(texts[id] for id in chosen))


def _nearest(texts: dict[int, str], turn: int) -> str:
    return texts[max((t for t in texts if t <= turn), default=min(texts))]


def floor(graded: Sequence[tuple[NullReply, Verdict]]) -> dict[str, dict[str, int]]:
    """For each null model: turns that it was tried at, those where all its replies were failed, those that say why not

    A grader's error is not a Fail."""
    turns: dict[str, dict[tuple[str, int], list[tuple[NullReply, Verdict]]]] = {name: {} for name in NULL_REPLIES}
    for null, verdict in graded:
        turns[null.name].setdefault((null.turn.conversation.id, null.turn.index), []).append((null, verdict))
    return {
        name: {
            "turns": len(of_one),
            "failed": sum(all(v.grade == "fail" for _, v in rows) for rows in of_one.values()),
            "explained": sum(
                bool(rows[0][0].excuse) and any(v.grade != "fail" for _, v in rows) for rows in of_one.values()
            ),
            "errors": sum(any(v.status == GRADER_FAILED for _, v in rows) for rows in of_one.values()),
        }
        for name, of_one in turns.items()
    }


def findings(graded: Sequence[tuple[NullReply, Verdict]]) -> list[Finding]:
    """What must be mended before grades of this evaluation mean anything: one a turn and null model, in their order"""
    passed: Counter[tuple[str, int, str]] = Counter()
    found: dict[tuple[str, int, str], Finding] = {}
    for null, verdict in graded:
        key = (null.turn.conversation.id, null.turn.index + 1, null.name)
        if verdict.grade == "fail":
            continue
        passed[key] += 1
        if null.excuse or key in found:
            continue
        said = verdict.grade or verdict.status
        fix = f'Add a check that it misses, or say why it is right here: "null": {{"{null.name}": "…"}}.'
        if null.name == "empty":
            fix = "A grader must fail an empty reply."
        if verdict.status == GRADER_FAILED:
            fix = f"The grader said: {verdict.reason}"
        found[key] = Finding(*key, f"{NULL_REPLIES[null.name]} is {said}, not Fail", fix)
    for null, _ in graded:
        key = (null.turn.conversation.id, null.turn.index + 1, null.name)
        if null.excuse and not passed[key] and key not in found:
            what = f"says why {NULL_REPLIES[null.name]} is right, but it is failed"
            found[key] = Finding(*key, what, f'Remove {null.name!r} from "null".')
    return list(found.values())
