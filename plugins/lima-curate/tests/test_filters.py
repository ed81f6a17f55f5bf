"""The filters keep the contract, and leave out what they should."""

import lima_chat
import lima_curate
import lima_dialogue_eval
from lima import Example, FilterOptions
from lima.testing import FilterContract


def example(response, id="1"):
    return Example(id=id, source="test", prompt="Why?", response=response)


class TestLength(FilterContract):
    plugin, requires, abilities, name = lima_curate, (lima_chat, lima_dialogue_eval), (FilterOptions,), "length"
    stays = (example("a" * 1200), example("a" * 4096, "2"))
    goes = (example("a" * 1199), example("a" * 4097, "2"))
