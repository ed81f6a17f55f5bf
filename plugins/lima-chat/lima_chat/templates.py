"""The template files: those that come with the plugin, and the user's own.

A file is Jinja with up to three comments on top (`description`, `eot`, `tokens`; see templates/README.md). Knows nothing of what
is rendered with them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import click

from lima import LimaError, did_you_mean, read_bytes, user_folder, visible

KEYS = ("description", "eot", "tokens")
TAKEN = ("plain", "template")
"Renderers that come from no file"
HEAD = re.compile(r"\{#-?[ \t]*(\w+):[ \t]*(.*?)[ \t]*-?#\}[ \t]*(?:\r?\n|$)")


@dataclass(frozen=True)
class TemplateFile:
    """A template and what its head says"""

    name: str
    "The file's name without .jinja: the renderer's name"
    source: str
    "The Jinja text after the head"
    description: str = ""
    eot: str = ""
    "The token that ends a turn; 'eos_token' is the tokenizer's EOS, '' the tokenizer's own turn token or a new one"
    tokens: tuple[str, ...] = ()
    "Other tokens that the format needs in the vocabulary"
    head: int = 0
    "Lines before the source"


def parse(name: str, text: str, where: str) -> TemplateFile:
    """Split the head of a template from its text; LimaError with file and line for an unknown key"""
    found: dict[str, str] = {}
    rest, line = text, 1
    while match := HEAD.match(rest):
        key, value = match.groups()
        if key not in KEYS:
            raise LimaError(
                f"{where}, line {line}: {key!r} is not a key of a template's head.{did_you_mean(key, KEYS)}"
            )
        if key in found:
            raise LimaError(f"{where}, line {line}: {key!r} occurs twice. Keep one.")
        if key == "eot" and len(value.split()) > 1:
            raise LimaError(f"{where}, line {line}: eot is {value!r}; expected one token.")
        found[key] = value
        rest, line = rest[match.end() :], line + 1
    if not rest.strip():
        raise LimaError(f"{where} has no template in it. See templates/README.md for the variables.")
    return TemplateFile(
        name=name,
        source=rest,
        description=found.get("description", ""),
        eot=found.get("eot", ""),
        tokens=tuple(found.get("tokens", "").split()),
        head=line - 1,
    )


def own_folder() -> Path:
    """Where a user puts templates: the folder `templates` beside lima's database"""
    return user_folder() / "templates"


def template_files() -> Iterator[TemplateFile]:
    """The plugin's templates and the user's, in the order of their names

    A user's template that is wrong, or whose name is taken, is left out with a warning on stderr; the rest still work."""
    shipped = resources.files("lima_chat") / "templates"
    if not shipped.is_dir():
        raise LimaError(
            "lima-chat finds no templates: lima_chat/templates is a symbolic link to the folder templates/, and this checkout "
            "was made without symbolic links. Clone again with `git clone -c core.symlinks=true`, or install the wheel."
        )
    found = {}
    for file in shipped.iterdir():
        if file.name.endswith(".jinja"):
            name = file.name.removesuffix(".jinja")
            found[name] = parse(name, file.read_text(encoding="utf-8"), str(file))
    for own in sorted(own_folder().glob("*.jinja")):
        name = own.name.removesuffix(".jinja")
        if name in found or name in TAKEN:
            _skip(f"{own} has the name of another renderer, {name!r}. Rename it.")
            continue
        try:
            found[name] = parse(name, read_bytes(own).decode(), str(own))
        except UnicodeDecodeError as e:
            _skip(f"cannot read {own}: {e}. Repair or remove it.")
        except LimaError as e:
            _skip(f"{e} Repair or remove it.")
    yield from (found[name] for name in sorted(found))


def _skip(why: str) -> None:
    click.echo(visible(f"Skipped a template: {why}"), err=True)
