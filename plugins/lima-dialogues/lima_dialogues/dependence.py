"""Whether a later user turn leans on what was said before it: a heuristic over its words.

A turn leans when it carries a marker: it is short, or begins or asks in four words; opens with a connective; corrects something;
refers back; begins with a pronoun for something it has not named; or names what the talk has brought up. English only. Knows
nothing of meaning: a turn may carry a marker and still stand alone, or the other way round.
"""

import re

SHORTEST = 6
"Up to this many words a turn counts as short"
SHORTEST_SENTENCE = 4
"Up to this many words the first sentence of a longer turn, or a question in it, counts as short"
EARLY = 10
"Words from the start in which a pronoun cannot refer to a noun of the same turn"

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_QUESTION = re.compile(r"[^.!?:,;\n]*\?")
_INSIDE = re.compile(r"(?:(?<=[^\W\d_] )|(?<=, ))[^\W\d_]{3,}")
"Words inside a sentence, where a capital means a name"
_OPENING = re.compile(
    r"\W*(?:and|but|or|so|then|also|ok|okay|fine|great|brilliant|fair enough|makes sense|thanks|thank you|yes|yeah|no|ah|oh|"
    r"aargh|hm+|wait|well|really|there(?: is|'s) (?:one|something|another)|much better|better|good|right|worked|again|only|still|"
    r"now|not (?:that|quite)|"
    r"why(?: not)?|what (?:about|if|else)|how (?:about|come)|could it|(?:the )?(?:first|second|last) one|too (?:long|short)|"
    r"you(?:'ve| have| said| were|'re| don't)\b)(?=\W|$)",
    re.IGNORECASE,
)
_CORRECTION = re.compile(
    r"\b(?:sorry|actually|i meant|my mistake|typo|i was wrong|i take (?:it|that) back|changed my mind|change of plan|"
    r"i should have said|i (?:also )?forgot|mixed (?:it|that) up|you(?:'ve| have) lost me)\b",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\b(?:(?:first|second|third|last|other|right|wrong|next|big|small|long|short)(?:er|ger)? ones?|the (?:former|latter|rest|"
    r"whole thing)|of (?:the (?:two|three|four|five|six)|them)|(?:that|this|the) one|number \d|"
    r"you(?:'d| had|'ve| have)? (?:just )?(?:said|wrote|gave|mentioned|suggested|named)|"
    r"(?:your|earlier|previous|above|original) (?:\w+ )?(?:answers?|reply|response|version|solution|example|question|list|plan)|"
    r"the above|back to|once more|all (?:that|of (?:it|that|them))|as a (?:table|list)|side by side|no explanations|"
    r"(?:one|two|three) (?:line|sentence|version)s?|in one piece)\b",
    re.IGNORECASE,
)
_PRONOUNS = (
    "it its it's it'd they them their they're they've he him his he's he'll he'd she her hers she's she'll she'd these those "
    "that's that'd this"
)
_SUBJECTS = re.compile(
    r"\bthat(?= (?:is|was|does|did|would|for|way|part|word|too|still)\b|\W*$|[.,;:?!])", re.IGNORECASE
)
_DEFINITE = re.compile(r"\b(?:the|these|those|this|that) ((?:[^\W\d_]+[ -]){0,2}[^\W\d_]+)", re.IGNORECASE)
_COMMON = (
    "a about all an and are as at be but by can do for from get go good had has have how i if in is it like make me more most my "
    "not of on one or other our out people same so some than that the their them then there they thing things this time to up "
    "was way we what when which who will with word words would you your first last next best right whole"
)
_PRONOUN, _FILLERS = frozenset(_PRONOUNS.split()), frozenset(_COMMON.split())


def markers(turn: str, history: str) -> tuple[str, ...]:
    """The kinds of dependence that a user's turn shows after this history; empty when it could stand alone"""
    words = [word.lower().replace("’", "'") for word in _WORD.findall(turn)]
    early = " ".join(_WORD.findall(turn)[:EARLY])
    tests = {
        "correction": bool(_CORRECTION.search(turn)),
        "known thing": _names_known_thing(turn, history) or _uses_known_name(turn, history),
        "opening": bool(_OPENING.match(turn)),
        "pronoun": bool(_PRONOUN.intersection(words[:EARLY]) or _SUBJECTS.search(early)),
        "reference": bool(_REFERENCE.search(turn)),
        "short": len(words) <= SHORTEST or _has_short_sentence(turn),
    }
    return tuple(kind for kind, found in tests.items() if found)


def _has_short_sentence(turn: str) -> bool:
    """Whether the turn's first sentence or one of its questions has only a few words"""
    opening = re.split(r"[.!?\n]", turn.strip(), maxsplit=1)[:1]
    return any(1 <= len(_WORD.findall(part)) <= SHORTEST_SENTENCE for part in opening + _QUESTION.findall(turn))


def _names_known_thing(turn: str, history: str) -> bool:
    """Whether the turn says 'the X' where X, singular or plural, is in the history"""
    known = {_stem(word) for word in _WORD.findall(history)}
    for phrase in _DEFINITE.findall(turn):
        for word in re.split(r"[ -]", phrase):
            if word.lower() not in _FILLERS and len(word) > 2 and _stem(word) in known:
                return True
    return False


def _uses_known_name(turn: str, history: str) -> bool:
    """Whether the turn uses a name from the history: a word with a capital inside a sentence"""
    names = {word for word in _INSIDE.findall(history) if word[0].isupper()}
    return any(word in names for word in _WORD.findall(turn))


def _stem(word: str) -> str:
    word = word.lower()
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
