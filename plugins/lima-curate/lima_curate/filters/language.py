"""The filter `language`: what is written in one of the languages that are named, by py3langid (97 languages, a model of
n-grams).

It looks at sentences: code blocks, addresses and quoted lines are nobody's language. A text of few letters, or of which the
model is not sure, is not decided: it stays, or goes by option, and lima says how many there were. Knows nothing of
dialects, and of a text in several languages only the one that it has most of.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from lima import Between, Excluded, LimaError, Record, did_you_mean, options_of
from lima_curate.filters.near_duplicates import Compared, text_of
from lima_curate.words import UNSPACED, without_code

_NO_SENTENCES = re.compile(r"https?://\S+|^ *>.*$", re.M)
_NO_LETTERS = re.compile(r"[\W\d_]+")


_LOOKED_AT = 1200
"Characters that are enough; of a longer text its beginning, middle and end have so many together"


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _parts(text: str) -> str:
    third, middle = _LOOKED_AT // 3, len(text) // 2
    return " ".join((text[:third], text[middle - third // 2 : middle + third // 2], text[-third:]))


def language_of(text: str, fewest_letters: int = 40, least_sure: float = 0.7) -> str:
    """The ISO 639-1 code of the language of a text; '' where it has too few letters, or the model is not sure enough"""
    text = _NO_SENTENCES.sub(" ", without_code(text)).strip()
    if len(_NO_LETTERS.sub("", text)) + 2 * len(UNSPACED.findall(text)) < fewest_letters:
        return ""
    code, sure = _identifier().classify(text if len(text) <= _LOOKED_AT else _parts(text))
    return str(code) if sure >= least_sure else ""


@dataclass(frozen=True)
class Language:
    """Keeps examples in some languages"""

    languages: tuple[str, ...] = ("en",)
    "ISO 639-1 codes"
    compare: Compared = "answer"
    undecided: Literal["keep", "leave out"] = "keep"
    fewest_letters: Annotated[int, Between(1, 100_000)] = 40
    "Of a text that is decided; a character of a script without spaces, such as Chinese, counts as three"
    least_sure: Annotated[float, Between(0.0, 1.0)] = 0.7
    "Of 6,620 English sentences of Stack Exchange that were tried, none is another language with more than 0.61"

    description = (
        "keeps what is written in one of `languages` (ISO 639-1, such as en); what it cannot tell stays, and is counted"
    )
    options = ("languages", "compare", "undecided", "fewest_letters", "least_sure")

    def __post_init__(self) -> None:
        if not self.languages:
            raise LimaError('language.languages names none. Write the codes of those to keep: languages = ["en"].')

    def with_options(self, values: dict[str, Any]) -> "Language":
        """The same with what the mix says"""
        made = options_of(Language, "language", values)
        known = _identifier().labels
        if unknown := next((code for code in made.languages if code not in known), None):
            raise LimaError(
                f"language.languages has {unknown!r}, which is not a code that py3langid knows.{did_you_mean(unknown, known)}"
            )
        return made

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The answers of a dialogue are one text, or by `compare` its prompts, or all of it"""
        undecided = 0
        for place, one in enumerate(examples):
            found = language_of(text_of(one, self.compare), self.fewest_letters, self.least_sure)
            if found and found not in self.languages:
                yield Excluded(place, f"Its language is {found}, and not {' or '.join(self.languages)}.")
            elif not found:
                undecided += 1
                if self.undecided == "leave out":
                    yield Excluded(
                        place, "Its language cannot be told: too few letters, or too little like one language."
                    )
        if undecided:
            logging.getLogger("lima").info(
                "language: of %s of %s examples it cannot tell the language; %s.",
                f"{undecided:,}",
                f"{len(examples):,}",
                "they stay" if self.undecided == "keep" else "they are left out",
            )
