"""lima-chat: conversations for lima, as a plugin.

Brings the conversation types (importable from here, cheaply), sources that read the usual chat formats, and renderers made of
Jinja chat templates. Knows nothing of training; it only notes what each run learnt from.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lima import hookimpl
from lima_chat.conversation import Conversation, EvalConversation, EvalTurn, Turn, problem_of
from lima_chat.known import (
    FLAWS,
    NULL_REPLIES,
    VISIBLE_FLAWS,
    KnownReply,
    has_known_replies,
    known_problems,
    known_replies,
)

if TYPE_CHECKING:
    import click

    from lima import Record, Renderer, Run
    from lima_chat.talk.recorded import recorded_talks as recorded_talks
    from lima_chat.talk.terminal import typed as typed

__all__ = [
    "FLAWS",
    "NULL_REPLIES",
    "VISIBLE_FLAWS",
    "Conversation",
    "EvalConversation",
    "EvalTurn",
    "KnownReply",
    "Turn",
    "has_known_replies",
    "known_problems",
    "known_replies",
    "problem_of",
    "recorded_talks",
    "template_renderer",
    "typed",
]

_HOME = {"recorded_talks": "talk.recorded", "typed": "talk.terminal"}
"Public names that are imported on first use"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_chat' has no attribute {name!r}")
    return getattr(import_module(f"lima_chat.{_HOME[name]}"), name)


def template_renderer(name: str, jinja: str) -> "Renderer":
    """A renderer to register under the name, made of a chat template of your own; LimaError for one that cannot be used"""
    from lima_chat.renderer import TemplateRenderer
    from lima_chat.templates import parse

    return TemplateRenderer(parse(name, jinja, f"the template {name!r}"))


@hookimpl
def register_commands(cli: "click.Group") -> None:
    import click

    from lima_chat.command import check
    from lima_chat.talk.command import chat

    cli.add_command(chat)
    # A command of the core's listing: `lima renderers check`.
    if isinstance(listing := cli.commands.get("renderers"), click.Group):
        listing.add_command(check)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    from lima_chat.formats.chats import Exchanges, LimaStrings, OpenAI, ShareGPT
    from lima_chat.formats.exchanges import Alpaca, Completion, Dolly, Questions
    from lima_chat.formats.oasst import Oasst
    from lima_chat.formats.preference import Preference
    from lima_chat.formats.prompts import Prompts

    kinds = (OpenAI, ShareGPT, LimaStrings, Exchanges, Alpaca, Dolly, Questions, Completion, Preference, Oasst, Prompts)
    for kind in kinds:
        register(kind.name, kind())


@hookimpl
def register_renderers(register: Callable[[str, Any], None]) -> None:
    from lima_chat.renderer import OwnTemplateRenderer, TemplateRenderer
    from lima_chat.templates import template_files

    # The first one that can render an example is what the core suggests: the paper's format.
    for file in sorted(template_files(), key=lambda f: f.name != "lima"):
        register(file.name, TemplateRenderer(file))
    register("template", OwnTemplateRenderer())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_chat.tables import migrations

    register("lima-chat", migrations)


@hookimpl
def before_train(run: "Run", examples: "Sequence[Record]") -> None:
    from lima_chat.tables import note_conversations

    note_conversations(run, examples)
