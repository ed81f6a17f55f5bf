"""The `lima` command: its groups, the commands of the plugins, and how errors are shown.

Imports nothing heavy: torch, transformers and sqlite_utils load inside the commands that need them.
"""

import io
import os
import sys
import traceback
from collections.abc import Iterable

import click

from lima import __version__
from lima.cli import ask, checkpoints, listings, plan, plugins, preview, runs, train
from lima.cli.group import Group as Group
from lima.cli.group import options_given as options_given
from lima.cli.reading import with_reading as with_reading
from lima.cli.show import any_text_printed, drop_output, notes_printed
from lima.cli.show import (
    database_option as database_option,
)
from lima.cli.show import (
    json_option as json_option,
)
from lima.cli.show import (
    print_fields as print_fields,
)
from lima.cli.show import (
    print_json as print_json,
)
from lima.cli.show import (
    print_rows as print_rows,
)
from lima.cli.show import (
    print_table as print_table,
)
from lima.cli.show import (
    store_to_read as store_to_read,
)
from lima.cli.show import (
    trust_option as trust_option,
)
from lima.errors import Interrupted, LimaError
from lima.isolation import before_click, contained, failed_in
from lima.isolation.output import own_output
from lima.paths import cannot
from lima.plugins import CORE, Plugins, load_plugins, loaded_so_far
from lima.text import storable, visible


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lima")
def cli() -> None:
    """Fine-tune a language model on a thousand good examples

    \b
    lima demo                                   the paper's experiment on an embedded model
    lima train --base FOLDER --source FILE      fine-tune, one checkpoint folder out
    lima preview --base FOLDER --source FILE    which tokens are trained, in colour
    """


for command in (
    *train.COMMANDS,
    *ask.COMMANDS,
    *plan.COMMANDS,
    *preview.COMMANDS,
    *runs.COMMANDS,
    *checkpoints.COMMANDS,
    *listings.COMMANDS,
    *plugins.COMMANDS,
):
    cli.add_command(command)


def warn(loaded: Plugins, already: Iterable[str] = ()) -> set[str]:
    """Say on stderr which plugins are set aside, why, and what to do, and what others' authors should know; their names"""
    for plugin in loaded.all:
        said = [f"plugin {plugin.name!r}: {remark}." for remark in plugin.remarks]
        if plugin.error:
            said = [f"plugin {plugin.name!r} is not loaded: {plugin.error.rstrip('.')}. {plugin.advice}"]
        for sentence in said if plugin.name not in {*already, *loaded.told} else ():
            click.echo(visible(f"Warning: {sentence}"), err=True)
    return {p.name for p in loaded.all if p.error or p.remarks}


PANIC = "pyo3_runtime"
"Where the errors of libraries in Rust are, such as tokenizers, that are no Exceptions"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 something the user can fix, 2 usage, 130 interrupted"""
    given = sys.argv[1:] if arguments is None else arguments
    any_text_printed()
    with own_output():
        code = _exit_code(given)
    raise SystemExit(code)


def _exit_code(arguments: list[str]) -> int:
    """Run the command line, and say what went wrong"""
    place = f"the command {next(iter(arguments), '')!r}"
    try:
        with contained(place, command=True):
            code = _run(arguments)
        sys.stdout.flush()  # a full disk is an error while it can still be said
        return code if 0 <= code <= 255 else 1  # of which a shell would see the last byte
    except (LimaError, OSError) as e:
        if os.environ.get("LIMA_DEBUG"):
            raise
        click.echo(visible(f"Error: {_said(e)}"), err=True)  # a downloaded model's template may have written the text
        return 1
    except click.ClickException as e:
        text = io.StringIO()
        e.show(text)
        click.echo(visible(text.getvalue().rstrip()), err=True)
        return e.exit_code
    except (click.Abort, KeyboardInterrupt) as e:
        stopped = before_click(e)
        if not isinstance(stopped, Interrupted):  # which has said so already, and how to resume
            click.echo(visible(f"Interrupted {stopped}".rstrip() + "."), err=True)
        return 130
    except BaseException as e:
        panic = type(e).__module__ == PANIC
        if os.environ.get("LIMA_DEBUG") or not (panic or isinstance(e, Exception)):
            raise
        damaged = f"Error: A library failed: {e}. A damaged tokenizer.json does that: copy it again."
        click.echo(visible(damaged if panic else _unexpected(e, place)), err=True)
        return 1


def _unexpected(error: BaseException, place: str) -> str:
    """What is said of an error that nobody foresaw: of a plugin's a sentence, else all of it, and what may have to do with it"""
    if failed := failed_in(error, place):
        return f"Error: {failed}"
    names = ", ".join(f"{p.name} {p.version}" for p in loaded_so_far() if p.code and p.name != CORE)
    advice = (
        f"Whether it is one of the plugins ({names}), LIMA_LOAD_PLUGINS= shows, which loads none. " if names else ""
    )
    trace = "".join(traceback.format_exception(error)).rstrip()
    return f"{trace}\nError: This is a fault of the code, in {place}. {advice}Tell its author what is above."


def _said(error: LimaError | OSError) -> str:
    """An error as a sentence; what the system refused is no fault of the code, wherever it was met"""
    if isinstance(error, LimaError):
        return str(error)
    if error.filename is None:
        drop_output()  # what is left of it cannot be written either
        return f"Cannot write: {error.strerror or error}. Make room, or write the output elsewhere (LIMA_DEBUG=1 shows where)."
    return f"{cannot('use', os.fsdecode(error.filename), error)} Name another path, or change that one."


def _check_arguments(arguments: list[str]) -> None:
    """Raise LimaError for an argument that is not UTF-8 text, which no database and no JSON holds"""
    for argument in arguments:
        if storable(argument) != argument or "\0" in argument:
            raise LimaError(
                f"The argument {argument!r} is not UTF-8 text. Rename the file, or set the locale to UTF-8."
            )


def _run(arguments: list[str]) -> int:
    _check_arguments(arguments)
    if arguments[:1] in (["install"], ["uninstall"]) or arguments[:2] == ["plugins", "retry"]:
        return _command(arguments)  # what repairs a plugin does not load it
    with notes_printed():
        loaded = load_plugins()
        loaded.add_commands(cli)
    # The command that lists them says it itself.
    known = {p.name for p in loaded.broken} if arguments[:1] == ["plugins"] else warn(loaded)
    try:
        return _command(arguments)
    finally:
        warn(loaded, known)


def _command(arguments: list[str]) -> int:
    with notes_printed():
        code = cli.main(arguments, prog_name="lima", standalone_mode=False)
    return code if isinstance(code, int) else 0
