"""`lima renderers check`: certificates for the chat templates of a base model, of renderers, or of a folder of files.

Knows nothing of how a certificate is made.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lima import LimaError, Recipe, absolute, is_file, is_folder, parse_setting, read_bytes
from lima.cli import json_option, print_json, print_rows, trust_option


@click.command()
@click.argument("what", metavar="BASE|TEMPLATES")
@click.option("--renderer", "names", multiple=True, help="Which renderers to check with a base; may be repeated")
@click.option("--set", "settings", multiple=True, metavar="template.NAME=VALUE", help="A variable for the templates")
@json_option
@trust_option
def check(what: str, names: tuple[str, ...], settings: tuple[str, ...], as_json: bool, trust_remote_code: bool) -> None:
    """Check that a chat template can be trained on exactly

    BASE is a model folder or a name from `lima base-models`; its own template is checked, or what --renderer names. TEMPLATES is
    a folder of *.jinja files, or one, checked with a small tokenizer that has the special tokens they write.

    Conversations of every shape are rendered, and transformers' apply_chat_template judges them: the tokens before each answer
    must be those that it prompts with, what is trained must be what it writes then, up to the end-of-turn token (EOT). The exit
    code is 1 if something else is trained, or if something is refused that inference can be prompted with.

    \b
    lima renderers check llama-folder --renderer template --renderer chatml
    lima renderers check templates/ --set template.enable_thinking=false
    """
    variables = _variables(settings)
    files = _files(what)
    if files and names:
        raise LimaError(
            "--renderer is for a base model; the templates of a folder are checked themselves. Leave it out."
        )
    found = list(_of_files(files, variables) if files else _of_base(what, names, variables, trust_remote_code))
    if as_json:
        print_json([one.as_json() for one in found])
    else:
        print_rows([one.as_row() for one in found], False, "")
        for one in found:
            for line in _remarks(one):
                click.echo(line)
    if not all(one.passed for one in found):
        click.get_current_context().exit(1)


def _variables(settings: tuple[str, ...]) -> dict[str, Any]:
    if wrong := [s for s in settings if not s.startswith("template.")]:
        raise LimaError(f"--set {wrong[0]!r}: only template.NAME=VALUE has an effect here, as in a recipe.")
    return Recipe().with_values(dict(map(parse_setting, settings))).template


def _files(what: str) -> list[Path]:
    """Template files, unless it is a model's folder"""
    path = absolute(what)
    if path.suffix == ".jinja" and is_file(path):
        return [path]
    model = any(is_file(path / name) for name in ("config.json", "tokenizer.json", "tokenizer_config.json"))
    return [] if model or not is_folder(path) else sorted(path.glob("*.jinja"))


def _of_files(files: list[Path], variables: dict[str, Any]) -> Iterator[Any]:
    from lima_chat.certificate import Certificate, certify
    from lima_chat.renderer import OwnTemplateRenderer, TemplateRenderer
    from lima_chat.stand_in import stand_in
    from lima_chat.templates import parse

    for path in files:
        try:
            file = parse(path.stem, read_bytes(path).decode(), str(path))
        except UnicodeDecodeError as e:
            yield Certificate(path.stem, "", "", (), f"cannot read {path}: {e}. Repair or remove it.")
            continue
        except LimaError as e:
            yield Certificate(path.stem, "", "", (), str(e))
            continue
        ours = "eot_token" in file.source
        yield certify(path.stem, TemplateRenderer(file) if ours else OwnTemplateRenderer(), stand_in(file), variables)


def _of_base(what: str, names: tuple[str, ...], variables: dict[str, Any], trust: bool) -> Iterator[Any]:
    from lima import find_base, load_plugins, load_tokenizer
    from lima_chat.certificate import certify
    from lima_chat.renderer import ChatRenderer

    plugins = load_plugins()
    base, renderers = find_base(what, plugins), plugins.registry("renderers")
    for name in names or ("template",):
        renderer = renderers.find(name)
        if not isinstance(renderer, ChatRenderer):
            able = ", ".join(n for n, one in sorted(renderers.items()) if isinstance(one, ChatRenderer))
            raise LimaError(
                f"The renderer {name!r} is not made of a chat template, so there is none to check. It is proven on every "
                "example that it renders, and by its plugin's tests (lima_chat.testing.RendererContract). Renderers that can "
                f"be checked: {able}."
            )
        yield certify(name, renderer, load_tokenizer(base, trust), variables)


def _remarks(certificate: Any) -> Iterator[str]:
    """A line for each shape that became several rows, was refused or is wrong"""
    from lima import visible

    if certificate.problem:
        yield visible(f"{certificate.name}: {certificate.problem}")
    shapes: dict[str, list[str]] = {}
    for one in certificate.checks:
        remarks = [f"WRONG: {fault}." for fault in one.faults]
        if one.refused:
            allowed = "as it must be" if one.cannot else "WRONG, inference can be prompted with it"
            remarks.append(f"refused, {allowed}: {one.refused}")
        if one.why:
            remarks.append(f"a row an answer: {one.why}.")
        for remark in remarks:
            shapes.setdefault(remark, []).append(one.shape)
    for remark, some in shapes.items():
        yield visible(f"{certificate.name} ({'; '.join(some)}): {remark}")
