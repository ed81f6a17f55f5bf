"""Several texts together are tokenized as each is by itself."""

import os
import signal
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.data.encoding import encode, encode_meanwhile
from odd_tokenizers import CONTROLS, ODD

pytestmark = pytest.mark.usefixtures("core_alone")

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
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_several_texts_are_tokenized_as_each_is(kind, data):
    tokenizer = tokenizer_of(kind)
    asked = [(text, ranges_in(data, text)) for text in data.draw(st.lists(texts, max_size=5))]
    tokenizer.backend_tokenizer.enable_padding()
    tokenizer.backend_tokenizer.enable_truncation(3)  # as somebody may have left them
    assert encode_meanwhile(tokenizer, asked)() == [encode(tokenizer, *one) for one in asked]


def test_a_process_that_is_forked_off_while_another_thread_tokenizes_can_tokenize():
    tokenizer = tokenizer_of(next(iter(ODD)))
    texts = [("the dog " * 500, []) for _ in range(40)]
    for _ in range(3):
        waits = encode_meanwhile(tokenizer, texts)
        child = os.fork()
        if not child:
            signal.alarm(20)
            encode(tokenizer, "the dog")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(waits()) == 40


@pytest.mark.parametrize("kind", ODD)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_characters_of_tokens_are_those_of_the_tokenizer(kind, data):
    tokenizer, text = tokenizer_of(kind), data.draw(texts)
    ids, characters = encode(tokenizer, text)
    expected = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).offsets
    assert (len(characters), list(characters)) == (len(ids), expected)
    assert [characters[at] for at in range(-len(ids), len(ids))] == expected * 2
    assert characters[1:-1] == expected[1:-1]
    assert characters == expected
    with pytest.raises(IndexError):
        characters[len(ids)]
