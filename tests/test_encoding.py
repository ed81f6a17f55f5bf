"""A text's beginning, and several texts together, are tokenized as each is by itself."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.data import encoding
from lima.data.encoding import encode, encode_all, encode_beginning
from odd_tokenizers import CONTROLS, ODD

PIECES = [
    *CONTROLS,
    "<|endoftext|>",
    "</s>",
    "<s>",
    " ",
    "  ",
    "\n",
    "the dog",
    "The",
    "x",
    "X",
    "e\u0301",
    "日本",
    "\u2581",
    "<|",
    "a|>",
]
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@cache
def tokenizer_of(kind):
    return ODD[kind]()


def ranges_in(data, text):
    """Some ranges of a text that do not touch, in order"""
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    return [(a, b) for a, b in zip(places[::2], places[1::2], strict=False)]


@pytest.mark.parametrize("kind", ODD)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_a_beginning_is_tokenized_as_it_is_by_itself(kind, data):
    tokenizer, text = tokenizer_of(kind), data.draw(texts)
    literal = ranges_in(data, text)
    stop = data.draw(st.integers(0, len(text)))
    kept = [(a, min(b, stop)) for a, b in literal if a < stop]
    whole = encode(tokenizer, text, literal)
    found = encode_beginning(tokenizer, text[:stop], kept, (text, literal), whole)
    assert found == encode(tokenizer, text[:stop], kept)


@pytest.mark.parametrize("kind", ODD)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_is_no_beginning_is_tokenized_as_it_is(kind, data):
    tokenizer, text, other = tokenizer_of(kind), data.draw(texts), data.draw(texts)
    literal, there = ranges_in(data, text), ranges_in(data, other)
    found = encode_beginning(tokenizer, text, literal, (other, there), encode(tokenizer, other, there))
    assert found == encode(tokenizer, text, literal)


@pytest.mark.parametrize("kind", ODD)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_several_texts_are_tokenized_as_each_is(kind, data):
    tokenizer = tokenizer_of(kind)
    asked = [(text, ranges_in(data, text)) for text in data.draw(st.lists(texts, max_size=5))]
    tokenizer.backend_tokenizer.enable_padding()
    tokenizer.backend_tokenizer.enable_truncation(3)  # as somebody may have left them
    assert encode_all(tokenizer, asked) == [encode(tokenizer, *one) for one in asked]


def test_the_beginnings_of_a_long_text_cost_hardly_more_than_the_text(monkeypatch):
    tokenizer, turn = tokenizer_of("bytes"), "<|a|>the quick brown fox<|b|>jumps over"
    text, asked = turn * 40, []
    whole = encode(tokenizer, text)
    tokenized = encoding._encode_piece
    monkeypatch.setattr(
        encoding, "_encode_piece", lambda t, text, split: asked.append(len(text)) or tokenized(t, text, split)
    )
    for turns in range(1, 40):
        encode_beginning(tokenizer, turn * turns, (), (text, ()), whole)
    assert sum(asked) < len(text)
