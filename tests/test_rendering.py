"""Exactly which tokens are trained, what is refused, and what is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.contract.examples import Example, Record
from lima.contract.rendered import Rendered, Span
from lima.data.encoding import encode
from lima.data.rendering import PlainRenderer, Rendering, fit, render, verify, with_prompt_weight
from lima.errors import LimaError
from lima.testing import tiny_tokenizer

EOT = "<|eot|>"


@pytest.fixture(scope="module")
def tokenizer():
    from lima.model.eot import extend_tokenizer

    made = tiny_tokenizer()
    extend_tokenizer(made, [EOT])
    return made


def example(prompt="Why?", response="The dog.", **more):
    return Example(id="e1", source="s", prompt=prompt, response=response, **more)


def tokens(tokenizer, rendered):
    return [(tokenizer.decode([i]), w) for i, w in zip(rendered.ids, rendered.weights, strict=True)]


def test_the_response_and_its_eot_are_trained_and_nothing_else(tokenizer):
    (rendered,) = render(example(), PlainRenderer(), tokenizer, EOT)
    assert tokens(tokenizer, rendered) == [
        ("Wh", 0.0),
        ("y", 0.0),
        ("?", 0.0),
        (EOT, 0.0),
        ("The", 1.0),
        (" dog", 1.0),
        (".", 1.0),
        (EOT, 1.0),
    ]
    assert rendered.spans == [Span(4, 8, "The dog.")]


def test_an_examples_weight_is_its_tokens_weight(tokenizer):
    (rendered,) = render(example(weight=0.25), PlainRenderer(), tokenizer, EOT)
    assert rendered.weights == [0.0] * 4 + [0.25] * 4


def test_a_prompt_weight_leaves_only_the_first_token_untrained(tokenizer):
    rendered = with_prompt_weight(render(example(), PlainRenderer(), tokenizer, EOT)[0], 0.1)
    assert rendered.weights == [0.0, 0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 1.0]


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text(min_size=1))
def test_any_text_is_rendered_and_verified_and_special_strings_in_it_stay_text(prompt, response):
    made = _tokenizer()
    hostile = example(prompt + EOT + prompt, response + "<|endoftext|>" + EOT)
    (rendered,) = render(hostile, PlainRenderer(), made, EOT)
    end = made.convert_tokens_to_ids(EOT)
    assert rendered.ids.count(end) == 2
    assert made.eos_token_id not in rendered.ids
    assert made.decode(rendered.ids[rendered.spans[0].start : -1]) == hostile.response


def _tokenizer(cache=[]):  # noqa: B006 - made once; hypothesis does not go with function fixtures
    if not cache:
        from lima.model.eot import extend_tokenizer

        cache.append(tiny_tokenizer())
        extend_tokenizer(cache[0], [EOT])
    return cache[0]


def test_special_tokens_outside_of_literal_text_are_special(tokenizer):
    ids, offsets = encode(tokenizer, f"a{EOT}b{EOT}", [(0, 9)])
    assert ids.count(tokenizer.convert_tokens_to_ids(EOT)) == 1
    assert offsets[-1] == (9, 16)
    assert tokenizer.decode(ids) == f"a{EOT}b{EOT}"


class Broken(PlainRenderer):
    """Renders as told"""

    name = "broken"

    def __init__(self, change):
        self.change = change

    def render(self, record, tokenizer, eot):
        return self.change(super().render(record, tokenizer, eot))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r: Rendered(r.ids, [0.0] * len(r.ids), r.spans),
            "no token is trained. Give it an answer with a weight",
        ),
        (lambda r: Rendered(r.ids, r.weights[:-1], r.spans), "8 ids but 7 weights"),
        (
            lambda r: Rendered(r.ids[:-1], r.weights[:-1], [Span(4, 7, "The dog")]),
            r"ends with '\.' and not with its end-of-turn",
        ),
        (lambda r: Rendered(r.ids, r.weights, [Span(4, 8, "The cat.")]), "decode to 'The dog.', not to 'The cat.'"),
        (
            lambda r: Rendered([*r.ids[:2], 1, *r.ids[3:]], r.weights, r.spans),
            "not the 4 that inference would prompt with",
        ),
        (
            lambda r: Rendered(r.ids, [1.0, *r.weights[1:]], r.spans),
            r"token 0 \('Wh'\) is trained but is outside of every answer",
        ),
        (lambda r: Rendered(r.ids, r.weights, []), "0 trained answers but 1 prompts"),
    ],
)
def test_a_wrong_mask_is_refused_with_the_examples_name(tokenizer, change, message):
    with pytest.raises(LimaError, match=f"Example 'e1' of source 's', rendered by 'broken': .*{message}"):
        render(example(), Broken(change), tokenizer, EOT)


def test_two_bos_are_refused():
    made = tiny_tokenizer(special=("<|endoftext|>", "<s>", EOT))
    made.bos_token = "<s>"
    doubled = Rendered([1, 1, 5, 2], [0, 0, 1.0, 1.0], [Span(2, 4, made.decode([5]))])
    with pytest.raises(LimaError, match="it begins with two BOS tokens; expected one"):
        verify(example(), [doubled], PlainRenderer(), made, EOT)


def test_a_record_of_another_kind_names_the_renderer_that_could(tokenizer):
    class Letter(Example):
        pass

    class Plain(PlainRenderer):
        renders = (int,)

    with pytest.raises(LimaError, match=r"'plain' cannot render example 'x'.*it is a Letter. Use --renderer plain"):
        render(Letter(id="x", prompt="", response=""), Plain(), tokenizer, EOT, [PlainRenderer()])


def test_cutting_keeps_whole_answers_and_the_final_eot():
    ids = list(range(10))
    two = Rendered(ids, [0, 0, 1, 1, 1, 0, 1, 1, 1, 1], [Span(2, 5, "a"), Span(6, 10, "b")])
    assert fit(two, 10, 99) == (two, "kept", "")
    assert fit(two, 9, 99) == (
        Rendered(ids[:5], [0, 0, 1, 1, 1], [Span(2, 5, "a")]),
        "cut",
        "10 tokens; kept 1 of 2 answers in 5",
    )
    assert fit(two, 4, 99, trim=True) == (
        Rendered([0, 1, 2, 99], [0, 0, 1, 1], [Span(2, 4, "a")]),
        "cut",
        "10 tokens; its first answer was trimmed to fit 4",
    )
    dropped = "its first answer ends after 5 tokens of at most 4; trim = true would cut it"
    assert fit(two, 4, 99) == (None, "dropped", dropped)
    assert (
        fit(two, 3, 99)
        == fit(two, 3, 99, trim=True)
        == (None, "dropped", "its first prompt alone has 2 tokens of at most 3")
    )


def test_a_muted_answer_stays_muted_when_the_one_after_it_is_trimmed():
    whole = Rendered(list(range(20)), [0.0] * 10 + [1.0] * 10, [Span(10, 20, "x")], muted=[(3, 6)])
    cut, _, _ = fit(whole, 15, 99, trim=True)
    assert with_prompt_weight(cut, 0.1).weights == [0, 0.1, 0.1, 0, 0, 0, 0.1, 0.1, 0.1, 0.1, 1, 1, 1, 1, 1]


def test_a_tokenizer_that_composes_accents_is_forgiven_that():
    from tokenizers import normalizers

    from lima.model.eot import extend_tokenizer

    made = tiny_tokenizer()
    extend_tokenizer(made, [EOT])
    made.backend_tokenizer.normalizer = normalizers.NFC()
    (rendered,) = render(example(response="Cafe\u0301"), PlainRenderer(), made, EOT)
    assert made.decode(rendered.ids[rendered.spans[0].start : -1]) == "Caf\u00e9"


class Ahead(PlainRenderer):
    """Notes what it is to prepare"""

    name, renders = "ahead", (Example,)

    def __init__(self):
        self.prepared = []

    def ahead(self, records, tokenizer, eot):
        self.prepared.append([record.id for record in records])


def numbered(lengths):
    return [Example(id=str(i), source="s", prompt="Why?", response="a" * n) for i, n in enumerate(lengths)]


def test_examples_are_prepared_together_and_rendered_in_their_order(tokenizer):
    renderer, records = Ahead(), numbered([9] * 150)
    found = list(Rendering(renderer, tokenizer, EOT, 2048).each(records))
    assert [record for record, _ in found] == records
    assert [rows for _, rows in found] == [render(record, PlainRenderer(), tokenizer, EOT) for record in records]
    assert [id for portion in renderer.prepared for id in portion] == [record.id for record in records]
    assert [len(portion) for portion in renderer.prepared] == [64, 64, 22, 0]


def test_of_long_examples_few_are_prepared_together(tokenizer):
    renderer = Ahead()
    _ = list(Rendering(renderer, tokenizer, EOT, 2048).each(iter(numbered([100_000] * 5))))
    assert [len(portion) for portion in renderer.prepared] == [3, 2, 0]


def test_what_cannot_be_rendered_is_not_prepared(tokenizer):
    class Other(Record):
        def content(self):
            return {"text": "So."}

    renderer, long = Ahead(), numbered([9, 9, 1_000_001])
    each = Rendering(renderer, tokenizer, EOT, 10, [PlainRenderer()]).each(
        [*long[:1], Other(id="other", source="s"), *long]
    )
    assert next(each)[0] is long[0]
    with pytest.raises(LimaError, match="cannot render example 'other'"):
        next(each)
    assert renderer.prepared == [["0", "0", "1"]]
    with pytest.raises(LimaError, match="'2' of source 's' has 1,000,005 characters"):
        _ = list(Rendering(renderer, tokenizer, EOT, 10).each(long))


def test_a_renderer_that_prepares_nothing_is_asked_one_after_the_other(tokenizer):
    records = numbered([3] * 70)
    found = Rendering(PlainRenderer(), tokenizer, EOT, 2048).each(records)
    assert [rows for _, rows in found] == [render(record, PlainRenderer(), tokenizer, EOT) for record in records]


def test_what_goes_wrong_with_one_comes_after_those_before_it(tokenizer):
    class Wrong(Record):
        def content(self):
            raise ValueError("no content")

    def broken():
        yield from numbered([9] * 3)
        raise OSError("gone")

    first = numbered([9] * 3)
    for records, kind, what in (
        ([*first, Wrong(id="w", source="s")], ValueError, "no content"),
        (broken(), OSError, "gone"),
    ):
        renderer, found = Ahead(), []
        each = Rendering(renderer, tokenizer, EOT, 2048).each(records)
        with pytest.raises(kind, match=what):
            found.extend(record for record, _ in each)
        assert (found, renderer.prepared) == (first, [["0", "1", "2"]])


class Breaks(Ahead):
    """Cannot prepare one example, nor let go of them all"""

    def ahead(self, records, tokenizer, eot):
        if not records or any(record.id == "240" for record in records):
            raise LimaError("It cannot be prepared.")

    def render(self, record, tokenizer, eot):
        if record.id == "130":
            raise LimaError("It cannot be rendered.")
        return super().render(record, tokenizer, eot)


@pytest.mark.parametrize(
    ("first", "number", "left", "what"),
    [(120, 150, 10, "rendered"), (150, 150, 64, "prepared"), (200, 150, 0, "prepared"), (300, 70, 70, "prepared")],
    ids=["one before is wrong", "the next ones", "the first ones", "at the end"],
)
def test_what_goes_wrong_with_preparing_comes_after_those_prepared_before(first, number, left, what, tokenizer):
    records = [Example(id=str(i), source="s", prompt="Why?", response="So.") for i in range(first, first + number)]
    found = []
    with pytest.raises(LimaError, match=f"cannot be {what}"):
        found.extend(record for record, _ in Rendering(Breaks(), tokenizer, EOT, 2048).each(records))
    assert found == records[:left]
