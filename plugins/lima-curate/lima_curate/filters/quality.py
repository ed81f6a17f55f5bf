"""The filter `quality`: rules that tell text from what pages and broken conversions leave, adapted from web pages to answers.

After Gopher (2112.11446, A1.1 and table A1) and C4 (1910.10683, §2.2). Each rule looks at the prose of the answers, without
code blocks, code in lines, formulas and tables: those of a dialogue together, for repetition each for itself, as a later
answer may well take up an earlier one. What differs from the papers, and why:

- Words: Gopher takes 50 to 100,000; an answer may be one word, so `fewest_words` is 1. Shares need 20 words, and those of
  repetitions 100, below which one phrase decides.
- Mean length of a word 3 to 10 characters (Gopher), of words with a letter, in texts with spaces between words.
- '#' and ellipses at most 0.1 a word each (Gopher); the marks of headings do not count.
- Lines that begin with a bullet: Gopher takes 0.9; an answer may be a list because a list was asked for, so `most_bullets` is
  1.
- Lines that end with an ellipsis at most 0.3 (Gopher), of ten lines or more.
- Words with a letter: Gopher takes 0.8; answers calculate and have tables, so `least_letters` is 0.2, of words with a letter
  or digit.
- Repetition (Gopher): repeated lines and paragraphs are at most 0.3 of all and 0.2 of the characters; the most frequent run
  of two, three and four words, if it occurs three times, 0.20, 0.18, 0.16 of them; repeated runs of five to ten 0.15 to 0.10.
  Answers have parallel lists, plans and tables, so four times as much is allowed (`repetition` = 4), and never more than 0.6:
  a model in a loop, or a text with all of itself again, repeats more.
- Left out: Gopher's stop words (English, and a list has none), C4's end punctuation and lists of bad words.
- What pages leave (C4): 'lorem ipsum dolor', requests to enable JavaScript or accept cookies; C4 drops lines with
  'javascript', which may be the subject here. Curly braces outside of code at most 0.1 a word; an answer that is JSON is
  asked for.

Knows nothing of truth or use.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from lima import Between, Excluded, LimaError, NotJson, Record, options_of, parse_json, storable
from lima_curate.repetition import repeated
from lima_curate.texts import messages_of
from lima_curate.words import UNSPACED, without_code

_TABLE = re.compile(r"^ *\|.*\| *$", re.M)
_BULLET = re.compile(r"\s*(?:[-*+•‣▪–]|\d+[.)])\s")
_HEADING = re.compile(r"^ {0,3}#{1,6}(?= )", re.M)
_ELLIPSIS = re.compile(r"\.{3,}|…")
_BEHIND = " \t\r\"'”’»)]*_"
"What may stand behind the ellipsis of a line"
_PAGE = re.compile(
    r"lorem ipsum dolor"
    r"|(?:enable|turn on|activate) javascript[^.\n]{0,40} this (?:web)?(?:page|site|content|app)"
    r"|(?:^|[.!] )javascript (?:is|must be) (?:disabled|enabled|turned o(?:ff|n))[^.\n]{0,40} (?:your browser|this (?:page|site))"
    r"|(?:this|our) (?:web)?site uses cookies|accept (?:all )?cookies (?:to|and) "
    r"|by (?:continuing|using) (?:to (?:use|browse) )?this (?:web)?site,? you (?:agree|accept|consent)"
    r"|^skip to (?:main )?content$|(?:©|\(c\)|copyright)[^\n]{0,60}all rights reserved"
    r"|click here to (?:subscribe|register|sign up|log ?in)",
    re.I | re.M,
)
_PAGE_WORDS = ("lorem", "javascript", "cookies", "site", "skip to", "rights reserved", "click here")
"One of them is in all of these"
_SHARE = Between(0.0, 1.0)
FEWEST_LINES = 10
FEW, ENOUGH = 20, 100
"Words of which a mean, and of which a share of repetitions says something"


@dataclass(frozen=True)
class Quality:
    """Leaves out answers that are not prose, lists or code, but what is left of pages"""

    fewest_words: Annotated[int, Between(0, 1_000_000)] = 1
    most_words: Annotated[int, Between(1, 100_000_000)] = 100_000
    shortest_mean: Annotated[float, Between(0, 100)] = 3.0
    "Characters of a word, on average"
    longest_mean: Annotated[float, Between(1, 10_000)] = 10.0
    most_symbols: Annotated[float, Between(0, 1_000)] = 0.1
    most_bullets: Annotated[float, _SHARE] = 1.0
    most_ellipses: Annotated[float, _SHARE] = 0.3
    least_letters: Annotated[float, _SHARE] = 0.2
    most_braces: Annotated[float, Between(0, 1_000)] = 0.1
    repetition: Annotated[float, Between(0, 100)] = 4.0
    "How many times Gopher's shares an answer may repeat; 0: whatever it repeats"
    pages: bool = True
    "Whether what pages leave is looked for"

    description = (
        "leaves out answers that are not text, or repeat themselves, by rules of Gopher and C4 adapted to answers"
    )
    options = (
        "fewest_words",
        "most_words",
        "shortest_mean",
        "longest_mean",
        "most_symbols",
        "most_bullets",
        "most_ellipses",
        "least_letters",
        "most_braces",
        "repetition",
        "pages",
    )

    def __post_init__(self) -> None:
        for least, most in (("fewest_words", "most_words"), ("shortest_mean", "longest_mean")):
            if getattr(self, least) > getattr(self, most):
                raise LimaError(
                    f"quality.{least} is {getattr(self, least):,}, more than quality.{most}, {getattr(self, most):,}."
                )

    def with_options(self, values: dict[str, Any]) -> "Quality":
        """The same with what the mix says"""
        return options_of(Quality, "quality", values)

    def excludes(self, examples: Sequence[Record]) -> Iterator[Excluded]:
        """The first rule that is broken decides"""
        for place, one in enumerate(examples):
            answers = [message.content for message in messages_of(one) if message.role == "assistant"]
            if reason := self.reason(answers):
                yield Excluded(place, storable(reason))

    def reason(self, answers: Sequence[str]) -> str:
        """What is wrong with the answers of an example, with the figure that decided; '' if nothing is"""
        whole = "\n\n".join(answers)
        count = len(whole.split())
        if not self.fewest_words <= count <= self.most_words:
            bound = (
                f"fewer than {self.fewest_words:,}" if count < self.fewest_words else f"more than {self.most_words:,}"
            )
            return f"The number of words in its answers is {count:,}, {bound}."
        each = [_TABLE.sub("", without_code(one)) for one in answers]
        prose = "\n\n".join(each)
        words = prose.split()
        return (
            (self._of_words(prose, words) if len(words) >= FEW else "")
            or self._of_lines(prose)
            or self._of_braces(answers, prose, words)
            or (self.pages and _of_page(prose))
            or (self.repetition and self._of_repetition(each))
            or ""
        )

    def _of_repetition(self, answers: Sequence[str]) -> str:
        """The first answer that repeats itself"""
        found = (repeated(prose, words, self.repetition) for prose in answers if len(words := prose.split()) >= ENOUGH)
        return next(filter(None, found), "")

    def _of_words(self, prose: str, words: list[str]) -> str:
        said = [word for word in words if any(map(str.isalnum, word))]
        lettered = [word for word in said if any(map(str.isalpha, word))]
        mean = sum(map(len, lettered)) / len(lettered) if len(lettered) >= FEW else self.shortest_mean
        spaced = len(UNSPACED.findall(prose)) < len(prose) / 10
        if spaced and not self.shortest_mean <= mean <= self.longest_mean:
            bound = (
                f"less than {self.shortest_mean:g}" if mean < self.shortest_mean else f"more than {self.longest_mean:g}"
            )
            return f"Its words have {mean:.1f} characters on average, {bound}."
        letters = len(lettered) / len(said) if said else 0.0
        if letters < self.least_letters:
            return f"{100 * letters:.0f} % of its words have a letter, less than {100 * self.least_letters:g} %."
        for symbol, found in (("#", _HEADING.sub("", prose).count("#")), ("ellipses", len(_ELLIPSIS.findall(prose)))):
            if found / len(words) > self.most_symbols:
                return f"It has {found / len(words):.2f} {symbol} a word, more than {self.most_symbols:g}."
        return ""

    def _of_lines(self, prose: str) -> str:
        lines = [line for line in prose.split("\n") if line.strip()]
        if len(lines) < FEWEST_LINES:
            return ""
        for what, found, most in (
            ("begin with a bullet", sum(map(bool, map(_BULLET.match, lines))), self.most_bullets),
            (
                "end with an ellipsis",
                sum(line.rstrip(_BEHIND).endswith(("...", "…")) for line in lines),
                self.most_ellipses,
            ),
        ):
            if found / len(lines) > most:
                return f"{100 * found / len(lines):.0f} % of its lines {what}, more than {100 * most:g} %."
        return ""

    def _of_braces(self, answers: Sequence[str], prose: str, words: list[str]) -> str:
        share = (prose.count("{") + prose.count("}")) / max(len(words), FEW)
        if share <= self.most_braces or any(map(_is_json, answers)):
            return ""
        return f"It has {share:.2f} curly braces a word outside of code, more than {self.most_braces:g}."


def _of_page(prose: str) -> str:
    low = prose.lower()
    page = any(word in low for word in _PAGE_WORDS) and _PAGE.search(prose)
    return f'It has what a page says: "{page[0]}"' if page else ""


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        parse_json(text)
    except NotJson:
        return False
    return True
