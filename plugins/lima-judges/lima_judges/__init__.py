"""lima-judges: models behind APIs and recorded replies, and judges that grade replies by their requirements.

What the plugin registers; libraries load when a model is opened or asked. Knows nothing of training.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click


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
