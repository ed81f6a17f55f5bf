"""Installed by tests as a plugin: every object that one can register, whole until PLACE and CODE say where and how it breaks.

Before the call of PLACE number AT (from 1) `CODE` runs; after it `VALUE` is evaluated, with `value` for what was returned, and
is returned instead. So each break is in another line of this file and of lima.
"""

import functools
import os

import click

import lima
from lima.data.rendering import PlainRenderer

counts = {}


class Own(BaseException):
    pass


def before(place, **names):
    counts[place] = counts.get(place, 0) + 1
    if os.environ.get("PLACE") == place and counts[place] >= int(os.environ.get("AT", "1")):
        exec(compile(os.environ.get("CODE", ""), "code", "exec"), globals() | names)
        return os.environ.get("VALUE", "")
    return ""


def breaks(function):
    """A method that breaks where its name is PLACE"""

    @functools.wraps(function)
    def broken(*arguments, **named):
        instead = before(function.__name__, arguments=arguments)
        value = function(*arguments, **named)
        return eval(instead, globals() | {"value": value, "arguments": arguments}) if instead else value

    return broken


def whole(name, value):
    """A property that breaks where its name is PLACE"""

    def read(self):
        instead = before(name)
        return eval(instead, globals() | {"value": value}) if instead else value

    return property(read)


class Source:
    licence = whole("licence", "CC0-1.0")
    description = whole("description", "three examples")
    options = ("width",)

    @breaks
    def with_options(self, values):
        return Source()

    @breaks
    def recognises(self, row):
        return False

    @breaks
    def examples(self, argument):
        return self._examples()

    def _examples(self):
        for i in range(3):
            instead = before("next", number=i)
            value = lima.Example(id=str(i), prompt=f"What is {i}?", response=f"It is {i}.")
            yield eval(instead, globals() | {"value": value}) if instead else value


class Renderer(PlainRenderer):
    name, description = "odd", "as plain"

    @breaks
    def end_of_turn(self, tokenizer):
        return super().end_of_turn(tokenizer)

    @breaks
    def special_tokens(self, tokenizer):
        return super().special_tokens(tokenizer)

    @breaks
    def render(self, record, tokenizer, eot):
        return super().render(record, tokenizer, eot)

    @breaks
    def prompts(self, record, tokenizer, eot):
        return super().prompts(record, tokenizer, eot)

    @breaks
    def prompt(self, text, tokenizer, eot):
        return super().prompt(text, tokenizer, eot)

    @breaks
    def chat_prompt(self, turns, tokenizer, eot):
        return super().prompt("\n".join(turn.content for turn in turns), tokenizer, eot)

    @breaks
    def chat_template(self, tokenizer, eot):
        return super().chat_template(tokenizer, eot)

    @breaks
    def named_templates(self, tokenizer, eot):
        return {}

    @breaks
    def with_variables(self, variables, date):
        return Renderer()

    @breaks
    def suits(self, tokenizer):
        return False

    @breaks
    def split_reply(self, text, prompt, tokenizer, eot):
        return "", text


class Base:
    description = "the tests'"

    @breaks
    def folder(self):
        return os.environ["BASE"]

    @breaks
    def fetch(self, say, file=None):
        say("fetching")
        return os.environ["BASE"]


class Model:
    name = "odd:1"

    @breaks
    def reply(self, prompts, settings, seed, on_progress=None):
        return [lima.Reply("So.", [1], "eot", 0.1, []) for _ in prompts]

    @breaks
    def identity(self):
        return "odd"


class Opener:
    description = "odd"

    @breaks
    def open(self, argument, store):
        return Model()


class Grader:
    description = "odd"

    @breaks
    def grade(self, turn):
        return lima.Verdict("pass", "so it is")

    @breaks
    def grade_reply(self, example, reply, stop):
        return lima.Verdict("pass", "so it is")


class Evaluation:
    description, licence, grader = "odd", "CC0-1.0", "odd"

    @breaks
    def conversations(self):
        from lima_chat import EvalConversation, EvalTurn

        return [EvalConversation(id=f"c{i}", topic="t", turns=(EvalTurn("Why?"), EvalTurn("How?"))) for i in range(2)]


class Filter:
    description = "odd"

    @breaks
    def excludes(self, examples):
        return [lima.Excluded(0, "odd")] if examples else []


@lima.hookimpl
def register_sources(register):
    before("register_sources", register=register)
    register("odd", Source())


@lima.hookimpl
def register_renderers(register):
    before("register_renderers", register=register)
    register("odd", Renderer())


@lima.hookimpl
def register_base_models(register):
    before("register_base_models", register=register)
    register("odd", Base())


@lima.hookimpl
def register_models(register):
    before("register_models", register=register)
    register("odd", Opener())


@lima.hookimpl
def register_graders(register):
    before("register_graders", register=register)
    register("odd", Grader())


@lima.hookimpl
def register_evaluations(register):
    before("register_evaluations", register=register)
    register("odd", Evaluation())


@lima.hookimpl
def register_filters(register):
    before("register_filters", register=register)
    register("odd", Filter())


@lima.hookimpl
def register_migrations(register):
    before("register_migrations", register=register)


@lima.hookimpl
def declare_protocols(declare):
    before("declare_protocols", declare=declare)


@lima.hookimpl
def register_commands(cli):
    before("register_commands", cli=cli)

    @cli.command()
    @click.pass_context
    def odd(context):
        before("command", context=context)


@lima.hookimpl
def before_train(run, examples):
    before("before_train", run=run, examples=examples)


@lima.hookimpl
def after_step(run, step, metrics):
    before("after_step", run=run, step=step, metrics=metrics)


@lima.hookimpl
def after_epoch(run, epoch, checkpoint):
    before("after_epoch", run=run, epoch=epoch, checkpoint=checkpoint)


@lima.hookimpl
def measure_epoch(model, examples, record):
    before("measure_epoch", model=model, examples=examples, record=record)


@lima.hookimpl
def after_train(run, checkpoint):
    before("after_train", run=run, checkpoint=checkpoint)


before("import")
