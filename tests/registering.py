"""Imported by tests: a plugin that registers any objects, a source and a grader."""

import lima
from lima.contract.examples import Example
from lima.contract.grades import Verdict


class Registers:
    """A plugin that registers these objects, by kind and name"""

    def __init__(self, **kinds):
        self.kinds, self.protocols = kinds, ()

    def _register(self, kind, register):
        for name, thing in self.kinds.get(kind, {}).items():
            register(name, thing)

    @lima.hookimpl
    def register_sources(self, register):
        self._register("sources", register)

    @lima.hookimpl
    def register_renderers(self, register):
        self._register("renderers", register)

    @lima.hookimpl
    def register_base_models(self, register):
        self._register("base_models", register)

    @lima.hookimpl
    def register_models(self, register):
        self._register("models", register)

    @lima.hookimpl
    def register_graders(self, register):
        self._register("graders", register)

    @lima.hookimpl
    def register_evaluations(self, register):
        self._register("evaluations", register)

    @lima.hookimpl
    def register_filters(self, register):
        self._register("filters", register)

    @lima.hookimpl
    def register_migrations(self, register):
        self._register("migrations", register)

    @lima.hookimpl
    def declare_protocols(self, declare):
        for kind, protocol in self.protocols:
            declare(kind, protocol)


class Source:
    description, licence = "one example", "CC0-1.0"

    def examples(self, argument):
        yield Example(id="1", prompt="a", response="b")


class Grader:
    description = "everything passes"

    def grade_reply(self, example, reply, stop):
        return Verdict("pass", "why not")
