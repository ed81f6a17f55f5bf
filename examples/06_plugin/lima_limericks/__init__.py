"""A source of examples from a package of your own."""

from lima import Example, hookimpl


class Limericks:
    description, licence = "First lines, and how they go on", "CC0-1.0"

    def examples(self, argument):
        yield Example(
            id="1",
            source="limericks",
            prompt="There was an old man of Peru,",
            response="who dreamt he was eating his shoe.",
        )


@hookimpl
def register_sources(register):
    register("limericks", Limericks())
