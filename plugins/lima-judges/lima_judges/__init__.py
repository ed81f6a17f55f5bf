"""lima-judges: models behind APIs and recorded replies, and judges that grade replies by their requirements.

The public names, found on first use, and what the plugin registers; libraries load when a model is opened or asked. Knows nothing
of training.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click

_HOME = {
    "Charges": "asking",
    "PromptTemplate": "templates",
    "Unparsed": "ballots",
    "check_known": "options",
    "code_for": "asking",
    "divided": "options",
    "hear_all": "asking",
    "identity_of": "asking",
    "joined": "options",
    "labelled": "ballots",
    "lines_of": "ballots",
    "number_of": "options",
    "purse_of": "spending",
    "quoted": "quoting",
    "whole": "options",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_judges' has no attribute {name!r}")
    return getattr(import_module(f"lima_judges.{_HOME[name]}"), name)


@hookimpl
def register_commands(cli: "click.Group") -> None:
    from lima_judges.cli import judges

    cli.add_command(judges)


@hookimpl
def register_models(register: Callable[[str, Any], None]) -> None:
    from lima_judges.llm_library import LlmModels
    from lima_judges.openai_server import OpenAIServers
    from lima_judges.recorded import RecordedReplies

    register("openai", OpenAIServers())
    register("llm", LlmModels())
    register("recorded", RecordedReplies())


@hookimpl
def register_graders(register: Callable[[str, Any], None]) -> None:
    from lima_judges.judge import Judges

    register("judge", Judges())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_judges.tables import migrations

    register("lima-judges", migrations)
