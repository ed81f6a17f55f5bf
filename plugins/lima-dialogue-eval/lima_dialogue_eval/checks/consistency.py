"""Whether a reply stays with what it says: no second value for the same thing, and no conclusion with another one.

Only values are compared (numbers in one unit, times, dates), each within a sentence; where a sentence has the right one as well,
or takes something back, nothing is said. Knows nothing of words that contradict each other.
"""

from collections.abc import Iterator
from typing import Any

import regex

from lima_dialogue_eval.checks.reading.text import Text
from lima_dialogue_eval.checks.records import find_label, listed
from lima_dialogue_eval.checks.values import Value, alternatives, kin, mentions, shown

_SENTENCE = regex.compile(r"(?<=[.!?;…])[\"')\]]*\s+|\n+")
_TAKEN_BACK = regex.compile(
    r"n't\b|\b(?:not|never|nor|neither|no longer|than|unlike|instead|rather|formerly|previously|before|was|were|earlier"
    r"|original\w*|old|first|if|unless|would|could|confus\w+|mix\w*|mistak\w+|wrong\w*)\b",
    regex.IGNORECASE,
)
_CONCLUSION = regex.compile(
    r"[\s\"'(*_>-]*(?:(?:and|but) )?(?:so|therefore|thus|hence|in (?:all|total|short|the end)|altogether|all in all"
    r"|that(?:'s why| makes| means)|this means|(?:the|your|my) (?:answer|result|total) |just )\b",
    regex.IGNORECASE,
)


def beside(wanted: dict[str, Any], text: Text) -> str:
    """Which label stands in a sentence with another value of the kind of its own, and not with its own, nor with another label"""
    needs = {name: _values(given) for name, given in wanted.items()}
    for sentence in _sentences(text):
        named = [name for name in needs if next(find_label(name, sentence), None)]
        if len(named) == 1 and (other := _another(needs[named[0]], sentence)):
            return f"{other!r} beside {named[0]!r}, {_shown(wanted[named[0]])} was given"
    return ""


def concludes(wanted: list[Any], text: Text) -> str:
    """With what other value a reply concludes that has said the right one before"""
    own, there = _values(wanted), False
    for sentence in _sentences(text):
        if there and _CONCLUSION.match(sentence.folded) and (other := _another(own, sentence)):
            return f"says {_shown(wanted)}, and concludes with {other!r}"
        there = there or any(not mention.denied for value in own for mention in mentions(value, sentence))
    return ""


def _values(given: Any) -> tuple[Value, ...]:
    return tuple(value for one in listed(given) for value in alternatives(one))


def _shown(given: Any) -> str:
    return " or ".join(shown(one) for one in listed(given))


def _sentences(text: Text) -> Iterator[Text]:
    """Sentences and lines; rows of tables are no sentences"""
    for line in _SENTENCE.split(text.plain):
        if line.strip() and line.count("|") < 2:
            yield Text(line)


def _another(own: tuple[Value, ...], sentence: Text) -> str:
    """Another value of the same kind in a sentence that has none of these, and takes nothing back; '' where there is none"""
    if _TAKEN_BACK.search(sentence.folded) or any(mentions(value, sentence) for value in own):
        return ""
    return next((sentence.folded[m.start : m.end] for value in own for m in kin(value, sentence)), "")
