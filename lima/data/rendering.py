"""From an example to token ids with a weight per token, and the proof that the weights are right.

A renderer makes the ids, and `verify` checks them (design seam 2): trained tokens decode to the answer plus
its end-of-turn token (EOT), at least one token is trained, no row begins with two BOS, and the ids before each answer are
those that inference would prompt with. Knows one renderer, `plain`, and nothing of templates with roles.
"""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NoReturn

from lima.contract.examples import Example, Record
from lima.contract.kinds import Renderer, RendersAhead
from lima.contract.rendered import Rendered, Span, as_rows
from lima.data.cuts import check_length, length_of, longest
from lima.data.encoding import bos_ids, encode, marks_beginnings, reused_or_new_eot
from lima.errors import LimaError
from lima.isolation.proxy import owner_of


class PlainRenderer:
    """LIMA's single-turn format: prompt EOT response EOT (LIMA §3)"""

    name = "plain"
    description = "prompt, end-of-turn token, response, end-of-turn token; no roles, no system prompt"
    renders: tuple[type, ...] = (Example,)

    def end_of_turn(self, tokenizer: Any) -> str:
        return reused_or_new_eot(tokenizer)

    def special_tokens(self, tokenizer: Any) -> list[str]:
        return []

    def _ids(self, tokenizer: Any, text: str) -> list[int]:
        return encode(tokenizer, text, [(0, len(text))])[0]

    def render(self, record: Example, tokenizer: Any, eot: str) -> Rendered:
        end = tokenizer.convert_tokens_to_ids(eot)
        head = [*bos_ids(tokenizer), *self._ids(tokenizer, record.prompt), end]
        ids = [*head, *self._ids(tokenizer, record.response), end]
        weights = [0.0] * len(head) + [record.weight] * (len(ids) - len(head))
        return Rendered(ids, weights, [Span(len(head), len(ids), record.response)])

    def prompts(self, record: Example, tokenizer: Any, eot: str) -> list[list[int]]:
        return [self.prompt(record.prompt, tokenizer, eot)]

    def chat_template(self, tokenizer: Any, eot: str) -> str:
        """The format in Jinja, by which plain transformers prompts with the same ids"""
        bos = tokenizer.bos_token if bos_ids(tokenizer) else ""
        start = f"{{{{ {json.dumps(bos, ensure_ascii=False)} }}}}" if bos else ""
        refuse = "The format of this model has user and assistant turns only, and no system prompt."
        # A tokenizer that marks where a text begins (Metaspace, "first") does not where one follows a token of the format.
        follows = "true" if bos else "not loop.first"
        marked = marks_beginnings(tokenizer, eot)
        mark = f"{{% if {follows} and not m['content'].startswith(' ') %}}{{{{ ' ' }}}}{{% endif %}}" if marked else ""
        return (
            f"{start}{{% for m in messages %}}"
            f"{{% if m['role'] not in ['user', 'assistant'] %}}{{{{ raise_exception({json.dumps(refuse)}) }}}}{{% endif %}}"
            f"{mark}{{{{ m['content'] + {json.dumps(eot, ensure_ascii=False)} }}}}{{% endfor %}}"
        )

    def prompt(self, text: str, tokenizer: Any, eot: str) -> list[int]:
        """The ids that inference prompts with for one question"""
        return [*bos_ids(tokenizer), *self._ids(tokenizer, text), tokenizer.convert_tokens_to_ids(eot)]


def render(
    record: Record, renderer: Renderer, tokenizer: Any, eot: str, others: Sequence[Renderer] = ()
) -> list[Rendered]:
    """Render and verify one record; if this renderer cannot, the error names those of `others` that can

    One row, or one for each answer where no one row would be what inference sees and produces."""
    if not isinstance(record, renderer.renders):
        able = [r.name for r in others if isinstance(record, r.renders)]
        hint = f"Use --renderer {able[0]} (able: {', '.join(able)})." if able else "No loaded plugin has one that can."
        raise LimaError(
            f"Renderer {renderer.name!r} cannot render example {record.id!r} of source {record.source!r}: "
            f"it is a {type(record).__name__}. {hint}"
        )
    rows = as_rows(renderer.render(record, tokenizer, eot))
    verify(record, rows, renderer, tokenizer, eot)
    return rows


class Rendering:
    """A renderer at work on the examples of a run"""

    def __init__(
        self, renderer: Renderer, tokenizer: Any, eot: str, max_tokens: int, others: Sequence[Renderer] = ()
    ) -> None:
        self.renderer, self.others, self.max_tokens = renderer, others, max_tokens
        self.tokenizer, self.eot = tokenizer, eot

    def each(self, records: Iterable[Record]) -> Iterator[tuple[Record, list[Rendered]]]:
        """Each record with its rows, verified and not cut; LimaError for the first that is wrong, which it names

        Some are read ahead and prepared together, where the renderer gains by that: the next ones before those at hand are
        rendered, so that it can work on them meanwhile."""
        prepared: Sequence[Record] = ()
        for portion, unread in _portions(records):
            wrong = self._prepare(portion) if unread is None else unread
            yield from map(self._rendered, prepared)
            if wrong is not None:
                raise wrong
            prepared = portion
        yield from map(self._rendered, prepared)
        if (wrong := self._prepare(())) is not None:
            raise wrong

    def _rendered(self, record: Record) -> tuple[Record, list[Rendered]]:
        check_length(record, self.max_tokens)
        return record, render(record, self.renderer, self.tokenizer, self.eot, self.others)

    def _prepare(self, portion: Sequence[Record]) -> Exception | None:
        """Prepare the next ones, or let go of all; what goes wrong with that is to be raised after those at hand"""
        if isinstance(self.renderer, RendersAhead):
            able = [one for one in portion if isinstance(one, self.renderer.renders)]
            short = [one for one in able if length_of(one) <= longest(self.max_tokens)]
            try:
                if short or not portion:
                    self.renderer.ahead(short, self.tokenizer, self.eot)
            except Exception as e:
                return e
        return None


MOST, MOST_CHARACTERS = 64, 250_000
"Examples that are prepared together, and the characters after which no further one is added"


def _portions(records: Iterable[Record]) -> Iterator[tuple[list[Record], Exception | None]]:
    """What goes wrong with reading one, or with asking it for its texts, comes last and by itself"""
    portion, characters = list[Record](), 0
    wrong: Exception | None = None
    reading = iter(records)
    while wrong is None:
        try:
            record = next(reading)
            characters += length_of(record)
            portion.append(record)
        except StopIteration:
            break
        except Exception as e:
            wrong = e
        if len(portion) == MOST or characters > MOST_CHARACTERS:
            yield portion, None
            portion, characters = [], 0
    if portion:
        yield portion, None
    if wrong is not None:
        yield [], wrong


def verify(record: Record, rows: Sequence[Rendered], renderer: Renderer, tokenizer: Any, eot: str) -> None:
    """Raise LimaError, naming the example, unless its rows are exactly what inference will see and produce"""

    owner = owner_of(renderer)
    of = f" of plugin {owner!r}" if owner else ""

    def refuse(what: str) -> NoReturn:
        raise LimaError(
            f"Example {record.id!r} of source {record.source!r}, rendered by {renderer.name!r}{of}: {what} "
            "Look at it with `lima preview`."
        )

    if not any(any(row.weights) for row in rows):
        refuse("no token is trained. Give it an answer with a weight above 0, or leave the example out.")
    prompts, answers = renderer.prompts(record, tokenizer, eot), sum(len(row.spans) for row in rows)
    if len(prompts) != answers:
        refuse(f"{answers} trained answers but {len(prompts)} prompts to them.")
    waiting = enumerate(prompts, 1)
    for row in rows:
        problem = _problem_of(row, list(islice(waiting, len(row.spans))), tokenizer, eot)
        if problem:
            refuse(problem)


def _problem_of(row: Rendered, prompts: Sequence[tuple[int, list[int]]], tokenizer: Any, eot: str) -> str:
    """What is wrong with a row, of whose answers these are the numbers and prompts; empty if nothing is"""
    ids, weights = row.ids, row.weights
    if len(ids) != len(weights):
        return f"{len(ids)} ids but {len(weights)} weights."
    if problem := _problem_of_places(row):
        return problem
    # A template may write it before every turn; the one that is wrong is the second of two at the start.
    if len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id and ids[0] != tokenizer.convert_tokens_to_ids(eot):
        return "it begins with two BOS tokens; expected one. Remove the one that the template writes."
    outside = list(weights)
    for span, (number, prompt) in zip(row.spans, prompts, strict=True):
        if problem := _problem_of_answer(row, span, number, prompt, tokenizer, span.end or eot):
            return problem
        outside[span.start : span.stop] = [0.0] * (span.stop - span.start)
    # Weights outside the answers are allowed only as a prompt weight, which the engine adds after this check.
    if any(outside):
        stray = next(i for i, w in enumerate(outside) if w)
        return f"token {stray} ({tokenizer.decode([ids[stray]])!r}) is trained but is outside of every answer."
    return ""


def _problem_of_places(row: Rendered) -> str:
    """What is wrong with where a row says that its answers are: in it, and one after the other"""
    ends = [0, *(span.stop for span in row.spans)]
    for number, (end, span) in enumerate(zip(ends, row.spans, strict=False), 1):
        if not end <= span.start < span.stop <= len(row.ids):
            after = f" after token {end}" if end else ""
            return f"answer {number} is said to be tokens {span.start} to {span.stop} of {len(row.ids)}{after}."
    for start, stop in row.muted:
        if not 0 <= start <= stop <= len(row.ids):
            return f"tokens {start} to {stop} of {len(row.ids)} are said to carry no loss."
    return ""


def _problem_of_answer(row: Rendered, span: Span, number: int, prompt: list[int], tokenizer: Any, eot: str) -> str:
    end = tokenizer.convert_tokens_to_ids(eot)
    answer, last = row.ids[span.start : span.stop - 1], row.ids[span.stop - 1]
    if end in answer:
        return f"answer {number} has its end-of-turn token {eot!r} {answer.count(end) + 1} times; expected once."
    if last != end:
        return f"answer {number} ends with {tokenizer.decode([last])!r} and not with its end-of-turn token {eot!r}."
    # The backend directly: its wrapper takes twice as long.
    try:
        decoded = tokenizer.backend_tokenizer.decode(answer, skip_special_tokens=False)
    except OverflowError:
        return f"answer {number} has an id that no tokenizer has: {min(answer)} to {max(answer)}."
    if not _same_text(decoded, span.text):
        return f"the trained tokens of answer {number} decode to {_short(decoded)}, not to {_short(span.text)}."
    if row.ids[: span.start] != prompt:
        return (
            f"the {span.start} ids before answer {number} are not the {len(prompt)} that inference would prompt with. "
            "A renderer returns a row for each answer where one row cannot be exact."
        )
    return ""


def fit(rendered: Rendered, max_tokens: int, eot_id: int, trim: bool = False) -> tuple[Rendered | None, str, str]:
    """Cut to `max_tokens`: (rendered or None, "kept" | "cut" | "dropped", why)

    The cut is at the end of the last turn that fits. When not even the first answer fits the example is dropped; with `trim`
    that answer is trimmed as in LIMA §3, and its last token becomes the EOT, so that every example has one."""
    total = len(rendered.ids)
    if total <= max_tokens:
        return rendered, "kept", ""
    whole = [s for s in rendered.spans if s.stop <= max_tokens]
    if whole:
        stop = whole[-1].stop
        muted = [(a, b) for a, b in rendered.muted if b <= stop]
        cut = Rendered(rendered.ids[:stop], rendered.weights[:stop], whole, muted)
        return cut, "cut", f"{total} tokens; kept {len(whole)} of {len(rendered.spans)} answers in {stop}"
    first = rendered.spans[0]
    if first.start + 2 > max_tokens:
        return None, "dropped", f"its first prompt alone has {first.start} tokens of at most {max_tokens}"
    if not trim:
        return (
            None,
            "dropped",
            f"its first answer ends after {first.stop} tokens of at most {max_tokens}; trim = true would cut it",
        )
    ids = [*rendered.ids[: max_tokens - 1], eot_id]
    muted = [(a, b) for a, b in rendered.muted if b <= first.start]
    cut = Rendered(ids, rendered.weights[:max_tokens], [replace(first, stop=max_tokens)], muted)
    return cut, "cut", f"{total} tokens; its first answer was trimmed to fit {max_tokens}"


def fit_rows(
    rows: Sequence[Rendered], max_tokens: int, eot_id: int, trim: bool = False
) -> tuple[list[Rendered], str, str]:
    """`fit` for the rows of one example: of several, those that fit are kept as they are"""
    whole = [row for row in rows if len(row.ids) <= max_tokens]
    if len(rows) == 1 or not whole:
        kept, status, reason = fit(rows[0], max_tokens, eot_id, trim)
        return [kept] if kept else [], status, reason
    if len(whole) == len(rows):
        return whole, "kept", ""
    longest = max(len(row.ids) for row in rows)
    return whole, "cut", f"{longest} tokens; kept {len(whole)} of {len(rows)} answers"


def with_prompt_weight(rendered: Rendered, weight: float) -> Rendered:
    """Give every token outside the answers, but the first, this weight (2405.14394: a low one helps with little data)"""
    if not weight:
        return rendered
    ranges = [(s.start, s.stop) for s in rendered.spans] + rendered.muted
    settled = {0} | {i for start, stop in ranges for i in range(start, stop)}
    weights = [w if i in settled else weight for i, w in enumerate(rendered.weights)]
    return replace(rendered, weights=weights)


def _same_text(decoded: str, text: str) -> bool:
    """Equal except for what tokenizers do to any text: a space before the first word (SentencePiece), composed accents (Qwen)"""
    composed = unicodedata.normalize("NFC", text)
    same = {text, text.removeprefix(" "), composed, composed.removeprefix(" ")}
    return not same.isdisjoint((decoded, decoded.removeprefix(" ")))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:40]} … {text[-15:]}")
