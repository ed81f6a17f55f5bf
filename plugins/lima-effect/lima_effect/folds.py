"""Divides conversations into folds, so that each is tested once with models that have not been trained on it.

Knows nothing of arms or models.
"""

import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lima import Example, LimaError, Record

if TYPE_CHECKING:
    from lima_chat import Conversation


def conversations_of(records: Iterable[Record], source: str) -> "list[Conversation]":
    """The records as conversations; LimaError if one cannot be, or if two have one name"""
    from lima_chat import Conversation

    found: dict[str, Conversation] = {}
    for record in records:
        if not isinstance(record, Conversation | Example):
            raise LimaError(
                f"Record {record.id!r} of the source {source!r} is a {type(record).__name__}; expected conversations. Choose "
                "another --source: `lima sources` lists them."
            )
        if record.id in found:
            raise LimaError(
                f"The source {source!r} has two conversations named {record.id!r}. Give each an id of its own, so that it can be "
                "told in which fold it is."
            )
        found[record.id] = Conversation.of(record)
    return list(found.values())


def is_testable(conversation: "Conversation") -> bool:
    """Whether it has an answer with a history, of which a gain can be measured"""
    from lima_dialogue_eval import exchanges

    return any(exchange[-1].trained for exchange in exchanges(conversation)[1][1:])


def divide(conversations: "Sequence[Conversation]", folds: int) -> "list[list[Conversation]]":
    """The test conversations of each fold, in the order of the source; what is not among them is trained on

    Those that share their opening or an exchange, such as branches of one tree, are in one fold. The numbers of conversations
    that can be tested differ as little as that allows. The same conversations are always divided alike. LimaError if a fold
    would have fewer than two that can be tested, which swap their histories."""
    groups = _related(conversations)
    random.Random(f"folds/{folds}").shuffle(groups)
    testable = [is_testable(c) for c in conversations]
    groups.sort(key=lambda group: -sum(testable[i] for i in group))
    divided: list[list[int]] = [[] for _ in range(folds)]
    tested = [0] * folds
    for group in groups:
        more = sum(testable[i] for i in group)
        smallest = min(
            range(folds), key=[(t if more else 0, len(d)) for t, d in zip(tested, divided, strict=True)].__getitem__
        )
        divided[smallest] += group
        tested[smallest] += more
    if folds < 2 or min(tested) < 2:
        raise LimaError(
            f"{len(conversations)} conversations, {sum(testable)} of them with an answer after an earlier exchange and "
            f"{len(groups)} unrelated, cannot be divided into {folds} folds with two of those or more in each. Use fewer --folds "
            "(at least 2), or another --source."
        )
    return [[conversations[i] for i in sorted(fold)] for fold in divided]


def _related(conversations: "Sequence[Conversation]") -> list[list[int]]:
    """Indices of the conversations in groups that share an opening or an exchange, directly or through others"""
    from lima_dialogue_eval import exchanges

    group_of: dict[int, list[int]] = {}
    first: dict[tuple[str, ...], int] = {}
    for i, conversation in enumerate(conversations):
        group_of[i] = [i]
        said = exchanges(conversation)[1]
        keys = {("opening", said[0][0].content), *(tuple(turn.content for turn in exchange) for exchange in said)}
        for key in sorted(keys):
            ours, theirs = group_of[i], group_of[first.setdefault(key, i)]
            if ours is not theirs:
                theirs += ours
                group_of.update(dict.fromkeys(ours, theirs))
    return list({id(group): group for group in group_of.values()}.values())
