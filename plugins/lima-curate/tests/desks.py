"""A curation of a few examples in a real database, and people who do things to it; what several tests of the desk share."""

import secrets

import lima_chat
import lima_curate
import lima_dialogue_eval
from lima import Credit, Example
from lima_chat import Conversation, Turn
from lima_curate.desk.examples.events import Event
from lima_curate.desk.record.curations import Curation, add, begin

PLUGINS = {"lima_chat": lima_chat, "lima_dialogue_eval": lima_dialogue_eval, "lima_curate": lima_curate}
CHAIN = ("Why is the sky blue?", "Air scatters blue light.", "Also at night? And at dusk?", "Less light reaches us.")


def chain(id="c-1", said=CHAIN):
    turns = [Turn(("user", "assistant")[n % 2], text) for n, text in enumerate(said)]
    credits = (Credit(author="Zoë", licence="CC BY-SA 4.0", url="https://example.org/a/1", part="answer"),)
    about = {"licence": "CC BY-SA 4.0", "provenance": "https://example.org/a/1", "credits": credits}
    return Conversation(id=id, source="chains", turns=tuple(turns), **about)


def single(id="e-1"):
    return Example(
        id=id,
        source="pairs",
        licence="CC0-1.0",
        provenance="a pair",
        prompt="What is tea?",
        response="A drink.",
        weight=0.5,
    )


def curated(store, *records, people=("ana",), reviews=1, name="sky"):
    """A curation of these examples"""
    found = Curation(name, people, reviews, "CC0-1.0")
    begin(store, found)
    add(store, found, "made.jsonl", records or (chain(), single()), {})
    return found


def do(desk, number, kind, **value):
    """Something that a person does on a page that shows what stands; why it is refused, else ''"""
    event = Event(secrets.token_hex(8), number, kind, value, desk.state(number).count)
    return desk.take([event]).get(event.id, "")
