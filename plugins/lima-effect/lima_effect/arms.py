"""The arms of the experiment: the same exchanges of some conversations, alone, as they were, or chained with foreign ones.

Every answer is trained once in each arm, so that arms differ in what stands before an answer and in nothing else. Knows nothing
of models.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from lima_chat import Conversation, Turn

BASE, SINGLES, DIALOGUES, FAKE = "base", "singles", "dialogues", "fake"
ARMS = {
    BASE: "the base model, not trained",
    SINGLES: "each exchange of the dialogues alone",
    DIALOGUES: "the dialogues as they are",
    FAKE: "exchanges of different dialogues chained, each in the place that it had in its own",
}
"In the order of tables"
TRAINED = (SINGLES, DIALOGUES, FAKE)

Chain = list[tuple[int, int]]
"Of a fake dialogue: for each exchange the dialogue that it is from, and its place there"


def examples(arm: str, conversations: "Sequence[Conversation]", seed: int) -> "list[Conversation]":
    """What an arm is trained on; the seed draws the fakes"""
    if arm == FAKE:
        return fakes(conversations, seed)
    return singles(conversations) if arm == SINGLES else list(conversations)


def singles(conversations: "Sequence[Conversation]") -> "list[Conversation]":
    """Each exchange of which something is learnt as a conversation of its own, after the system turn if there is one"""
    from lima_dialogue_eval import exchanges

    found = []
    for conversation in conversations:
        system, said = exchanges(conversation)
        found += [
            _made(conversation, f"/{number}", [*system, *exchange])
            for number, exchange in enumerate(said, 1)
            if any(turn.trained for turn in exchange)
        ]
    return found


def fakes(conversations: "Sequence[Conversation]", seed: int) -> "list[Conversation]":
    """For each conversation one of as many exchanges, from different ones; its system turn is its own"""
    from lima_dialogue_eval import exchanges

    parts = [exchanges(conversation) for conversation in conversations]
    found = []
    chains = draw([len(said) for _, said in parts], seed)
    for conversation, (system, _), chain in zip(conversations, parts, chains, strict=True):
        turns: list[Turn] = [*system]
        for which, place in chain:
            turns += parts[which][1][place]
        found.append(_made(conversation, "/fake", turns))
    return found


def _made(of: "Conversation", name: str, turns: "Sequence[Turn]") -> "Conversation":
    from lima_chat import Conversation

    origin = {"source": of.source, "licence": of.licence, "provenance": of.provenance}
    return Conversation(id=f"{of.id}{name}", turns=tuple(turns), tools=of.tools, **origin)


def draw(lengths: Sequence[int], seed: int) -> list[Chain]:
    """Which exchange stands where in the fakes of dialogues with these numbers of exchanges

    An exchange keeps its place: what opened a dialogue opens another. Place by place they are assigned at random such that as
    few as possible stand after an exchange of their own dialogue, and, as far as that allows, few in a fake that has one of it.
    Where a place has one dialogue only, its exchange must stay: see `together`."""
    chance = np.random.default_rng([seed, len(lengths)])
    chains: list[Chain] = [[] for _ in lengths]
    for place in range(max(lengths, default=0)):
        those = [i for i, length in enumerate(lengths) if length > place]
        column_of = {giver: column for column, giver in enumerate(those)}
        cost = chance.random((len(those), len(those)))  # (fake, dialogue that gives)
        for row, fake in enumerate(those):
            cost[row, row] += 1  # its own dialogue may be all that is left for its end
            for back, (giver, _) in enumerate(reversed(chains[fake])):
                if giver in column_of:
                    cost[row, column_of[giver]] += len(those) if back else len(those) ** 2
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            chains[those[row]].append((those[column], place))
    return chains


def together(chains: Sequence[Chain]) -> int:
    """How many exchanges stand after one of their own dialogue"""
    return sum(before == after for chain in chains for (before, _), (after, _) in pairwise(chain))
