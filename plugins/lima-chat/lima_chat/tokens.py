"""From the answers of a conversation to token ids with weights: one row where that is exact, else a row for each answer.

A row is exact if each answer stands in it after the ids that inference prompts with. Where the template writes earlier turns
differently once others follow, or the tokenizer joins text across the beginning of an answer, no one row is exact for all;
then each trained answer has a row of its own, its prompt's ids followed by its own. transformers' own mask leaks over later turns
(transformers#47325) and is not used. Knows nothing of templates.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Any

from lima import Encoded, LimaError, Rendered, Span, encode, encode_meanwhile
from lima_chat.conversation import Turn
from lima_chat.hidden import TAGS, Text
from lima_chat.layout import Answer, Layout

START, STOP = itemgetter(0), itemgetter(1)
"The characters of a token"
THINKING = "the template drops earlier thinking"
REWRITTEN = "the template writes earlier turns differently once others follow"
JOINED = "the tokenizer joins text across the beginning of an answer"


@dataclass(frozen=True)
class Tokens:
    """A conversation's rows, and the prompts to its trained answers, encoded by themselves"""

    rows: list[Rendered]
    prompts: list[list[int]]


MOST_CHARACTERS = 1_000_000
"Of texts that are tokenized together, at most, beside those of one conversation"


def tokens_of(turns: Sequence[Turn], answers: Sequence[Answer], layout: Layout, tokenizer: Any) -> Tokens:
    """Those of one conversation"""
    encoder = Encoder(turns, answers, layout, tokenizer)
    return encoder.tokens([encode(tokenizer, *text) for text in encoder.texts])


def tokens_meanwhile(
    talks: Sequence[tuple[Sequence[Turn], list[Answer]]], layout: Layout, tokenizer: Any
) -> Callable[[], list[Tokens]]:
    """Begin to tokenize several conversations, each (turns, answers), in a thread; the function returned makes their rows"""
    groups, characters = [list[Encoder]()], 0
    for turns, answers in talks:
        if characters > MOST_CHARACTERS:
            groups, characters = [*groups, []], 0
        groups[-1].append(Encoder(turns, answers, layout, tokenizer))
        characters += sum(len(text) for text, _ in groups[-1][-1].texts)

    def begin(group: list[Encoder]) -> Callable[[], list[Encoded]]:
        return encode_meanwhile(tokenizer, [text for one in group for text in one.texts])

    waits = [begin(groups[0])]

    def made() -> list[Tokens]:
        found = list[Tokens]()
        for number, group in enumerate(groups, 1):
            encoded = iter(waits.pop()())
            waits.extend(map(begin, groups[number : number + 1]))  # the next, meanwhile
            found += [one.tokens(list(islice(encoded, len(one.texts)))) for one in group]
        return found

    return made


class Encoder:
    """Makes the rows of one conversation's answers"""

    def __init__(self, turns: Sequence[Turn], answers: Sequence[Answer], layout: Layout, tokenizer: Any) -> None:
        self.turns, self.answers, self.tokenizer = turns, answers, tokenizer
        self.hidden, self.eot = layout.hidden, layout.eot
        self.trained = [a for a in answers if turns[a.index].trained]
        last = answers[-1]
        said = last.prompt + last.text  # the template may write no token after the last answer
        self.whole = said if said.startswith(last.whole) else last.whole
        self.is_one = all(self.whole.startswith(a.prompt + a.text) for a in answers)
        wanted = [a.prompt for a in self.trained] + [self.whole] * self.is_one
        self.texts = [self.hidden.show(text) for text in wanted]
        "What is to be tokenized: the prompts, and the whole conversation where that can be one row"
        self.prompts: dict[int, Encoded] = {}

    def tokens(self, encoded: Sequence[Encoded]) -> Tokens:
        """The fewest rows that are exact, of the `texts` tokenized"""
        self.prompts = {a.index: one for a, one in zip(self.trained, encoded, strict=False)}
        if self.is_one:
            row = self._one_row(encoded[-1])
            why = JOINED
        else:
            row, why = None, THINKING if self._drops_thinking(self.whole) else REWRITTEN
        rows = [row] if row else [self._own_row(a, why) for a in self.trained]
        return Tokens(rows, [ids for ids, _ in self.prompts.values()])

    def _one_row(self, encoded: Encoded) -> Rendered | None:
        """The whole conversation as one row; None where the tokenizer joins text across the beginning of an answer"""
        ids, offsets = encoded
        first_from, first_after = partial(bisect_left, offsets, key=START), partial(bisect_right, offsets, key=STOP)
        weights, spans, muted = [0.0] * len(ids), list[Span](), list[tuple[int, int]]()
        for answer in self.answers:
            turn, begin = self.turns[answer.index], len(self._real(answer.prompt))
            stop = len(self._real(answer.prompt + answer.text))
            first = first_after(begin)
            if not turn.trained:
                muted.append((first, first_from(stop)))
                continue
            last_token = first_after(stop - len(answer.end))
            self._check_end(ids, last_token, answer)
            if offsets[first][0] < begin or ids[:first] != self.prompts[answer.index][0]:
                return None
            weights[first : last_token + 1] = [float(turn.weight)] * (last_token + 1 - first)
            spans.append(self._span(first, last_token + 1, answer))
        return Rendered(ids, weights, spans, muted)

    def _drops_thinking(self, whole: str) -> bool:
        inline = [part for t in self.turns if t.role == "assistant" for part in TAGS.split(t.content)[:-1]]
        thoughts = [self.hidden.hide(thought.strip()) for thought in (*inline, *(t.thoughts for t in self.turns))]
        written = sum(a.text.count("</think") for a in self.answers)
        return written > whole.count("</think") or not all(thought in whole for thought in thoughts)

    def _own_row(self, answer: Answer, why: str) -> Rendered:
        """One answer after the ids of its prompt; of the prompt only what is new since the answer before is not muted"""
        prompt, offsets = self.prompts[answer.index]
        joined, _ = encode(self.tokenizer, *self.hidden.show(answer.prompt + answer.text))
        said = joined[len(prompt) :] if joined[: len(prompt)] == prompt else self._continued(answer)
        self._check_end(said, len(said) - 1, answer)
        weights = [0.0] * len(prompt) + [float(self.turns[answer.index].weight)] * len(said)
        span = self._span(len(prompt), len(prompt) + len(said), answer)
        return Rendered([*prompt, *said], weights, [span], self._muted(answer, offsets), why)

    def _muted(self, answer: Answer, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Token ranges of a prompt that no prompt weight is for: those of answers, and what the row of an earlier one has"""
        ranges = list[tuple[int, int]]()
        for earlier in self.answers:
            if earlier.index >= answer.index:
                break
            exact = answer.prompt.startswith(earlier.prompt + earlier.text)
            stop = len(earlier.prompt + earlier.text) if exact else self._asked_from(answer, earlier)
            alone = exact and not self.turns[earlier.index].trained  # it has no row of its own
            ranges = [*ranges, (len(earlier.prompt), stop)] if alone else [(0, stop)]
        first = partial(bisect_left, offsets, key=START)
        places = [tuple(first(len(self._real(answer.prompt[:at]))) for at in one) for one in ranges]
        return [(start, stop) for start, stop in places if stop > start]

    def _asked_from(self, answer: Answer, earlier: Answer) -> int:
        """Where in a prompt begins what is said after an earlier answer; rather too late than too early"""
        at = len(answer.prompt)
        for turn in reversed(self.turns[earlier.index + 1 : answer.index]):
            if turn.role != "assistant" and (said := self.hidden.hide(turn.content.strip())):
                at = max(answer.prompt.rfind(said, 0, at), 0) or at
        return at

    def _continued(self, answer: Answer) -> list[int]:
        """The ids of an answer that the model writes after its prompt, whatever the tokenizer would join across its beginning"""
        text, literal = self.hidden.show(answer.text)
        moved = [(a + len(answer.end), b + len(answer.end)) for a, b in literal]
        # After a control token, so that no tokenizer takes it for the beginning of a text.
        return encode(self.tokenizer, answer.end + text, moved)[0][1:]

    def _span(self, start: int, stop: int, answer: Answer) -> Span:
        return Span(
            start, stop, self._real(answer.text).removesuffix(answer.end), "" if answer.end == self.eot else answer.end
        )

    def _check_end(self, ids: Sequence[int], at: int, answer: Answer) -> None:
        if at >= len(ids) or ids[at] != self.tokenizer.convert_tokens_to_ids(answer.end):
            raise LimaError(
                f"no token {answer.end!r} follows turn {answer.index + 1}. The tokenizer must have it as one "
                f"token: tokenizer.add_tokens([{answer.end!r}], special_tokens=True)."
            )

    def _real(self, text: str) -> str:
        return self.hidden.show(text)[0]


def prompt_ids(tokenizer: Any, text: Text) -> list[int]:
    """The ids of what inference prompts with"""
    return encode(tokenizer, *text)[0]
