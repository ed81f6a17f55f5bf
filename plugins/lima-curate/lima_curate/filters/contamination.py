"""The filter `contamination`: examples in which stands what an evaluation asks; whoever trains on them measures memory.

A prompt of an evaluation is found in any message of an example, also within a longer one, whatever the case, quoting,
punctuation and white space: one of 13 words or more by 80 % of its words in their order, near each other, in runs of three
or more (13 words are GPT-3's unit, arXiv 2005.14165, appendix C; a few may have been changed), one of 8 to 12 words by all
of them in a row (8 is GPT-3's least). Of fewer than 8 only a conversation's first prompt is compared, where it has 3 or
more, and with all of a user's message: 'Shorter, please.' is asked everywhere. Rewordings and translations are not found.
Knows nothing of who trains.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from lima import Between, Excluded, LimaError, Plugins, Record, load_plugins, options_of, storable
from lima_curate.texts import messages_of
from lima_curate.words import shared_in_order, words_of
from lima_dialogue_eval import HoldsConversations, find_evaluation, script_of

SHARE = 0.8
LONG, LEAST, FIRST_LEAST = 13, 8, 3
"Words of a prompt that may have been changed; that is found within others; that is found alone, as a first prompt"
_GRAM = 3
_MANY = 50_000
"Examples of which comparing takes so long that it is said: some seconds"
_SHOWN = 80
"Characters of a prompt in a reason"

Tables = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _Asked:
    """A prompt of an evaluation"""

    where: str
    text: str
    words: tuple[str, ...]


def contamination(
    examples: Sequence[Record],
    plugins: Plugins,
    against: Sequence[str] = (),
    share: float = SHARE,
    tables: Tables | None = None,
) -> list[Excluded]:
    """The examples that ask what an evaluation asks, each with the first prompt of which it has most words; in their order

    `against` names evaluations, and sources or files, of which what the users say is compared; without any, all evaluations that
    are registered and hold conversations. `tables` say how files are read. LimaError for a name that is not found."""
    evaluations = plugins.registry("evaluations")
    names = list(dict.fromkeys(against)) or evaluations.able(HoldsConversations)
    index = _Index(share)
    for name in names:
        index.add(name, find_evaluation(plugins, name, tables))
    return [Excluded(place, found) for place, one in enumerate(examples) if (found := index.reason(one))]


@dataclass(frozen=True)
class Contamination:
    """Leaves out examples in which stands what an evaluation asks"""

    against: tuple[str, ...] = ()
    share: Annotated[float, Between(0.5, 1.0)] = SHARE

    description = (
        "leaves out what an evaluation asks; `against` names evaluations, sources or files (default: every evaluation), `share` "
        "is of a long prompt's words"
    )
    options = ("against", "share")

    def with_options(self, values: dict[str, Any]) -> "Contamination":
        """The same with what the mix says"""
        return options_of(Contamination, "contamination", values)

    def excludes(self, examples: Sequence[Record]) -> list[Excluded]:
        """Against the evaluations that are registered, or those that are named"""
        return contamination(examples, load_plugins(), self.against, self.share) if examples else []


def warn(examples: Sequence[Record]) -> None:
    """Say in the log of lima which of the examples of a run ask what a registered evaluation asks; stops no run"""
    log = logging.getLogger("lima")
    if len(examples) >= _MANY:
        log.info("Comparing %s examples with what the registered evaluations ask.", f"{len(examples):,}")
    try:
        found = contamination(examples, load_plugins())
    except LimaError as e:
        log.warning("Whether the examples ask what an evaluation asks could not be found out: %s", e)
        return
    if found:
        first = examples[found[0].place]
        log.warning(
            "%s of %s examples ask what an evaluation asks, so its scores will tell what was memorised. The first, %r of %r: %s "
            "`lima filters try contamination SOURCE` shows all.",
            f"{len(found):,}",
            f"{len(examples):,}",
            first.id,
            first.source,
            found[0].reason,
        )


@dataclass
class _Index:
    """All that evaluations ask, by three words in a row"""

    share: float
    asked: list[_Asked] = field(default_factory=list)
    grams: dict[tuple[str, ...], list[int]] = field(default_factory=dict)
    firsts: dict[tuple[str, ...], _Asked] = field(default_factory=dict)
    "Short first prompts"

    def add(self, name: str, evaluation: Any) -> None:
        """The prompts of an evaluation"""
        for conversation in script_of(name, evaluation).values():
            for number, turn in enumerate(conversation.turns, 1):
                words = tuple(words_of(turn.user))
                asked = _Asked(f"{name!r} asks in conversation {conversation.id!r}, turn {number}", turn.user, words)
                if len(words) >= LEAST:
                    for gram in dict.fromkeys(_grams(words)):
                        self.grams.setdefault(gram, []).append(len(self.asked))
                    self.asked.append(asked)
                elif number == 1 and len(words) >= FIRST_LEAST:
                    self.firsts.setdefault(words, asked)

    def reason(self, example: Record) -> str:
        """Which prompt of an evaluation stands in an example, and how much of it; '' where none does"""
        for message in messages_of(example):
            words = words_of(message.content)
            if message.role == "user" and (first := self.firsts.get(tuple(words))):
                return _sentence(first, len(first.words))
            found = max(self._within(words), key=lambda one: one[0] / len(one[1].words), default=None)
            if found:
                return _sentence(found[1], found[0])
        return ""

    def _within(self, words: list[str]) -> Iterator[tuple[int, _Asked]]:
        """The prompts that stand within a message, with how many of their words do"""
        hits = Counter(at for gram in self.grams.keys() & {*_grams(words)} for at in self.grams[gram])
        for at, count in sorted(hits.items()):
            asked = self.asked[at]
            # Runs of three words, the shortest that count, have one three each.
            if count * 3 < self.share * len({*_grams(asked.words)}):
                continue
            if len(asked.words) < LONG:
                found = f" {' '.join(asked.words)} " in f" {' '.join(words)} "
                shared = len(asked.words) if found else 0
            else:
                shared = shared_in_order(asked.words, words)
            if shared >= self.share * len(asked.words):
                yield shared, asked


def _grams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(words, words[1:], words[2:], strict=False)


def _sentence(asked: _Asked, shared: int) -> str:
    text = " ".join(asked.text.split())
    text = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return storable(f'It has {shared} of the {len(asked.words)} words that {asked.where}: "{text}"')
