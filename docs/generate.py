"""What cog calls to fill the documentation: real commands with their real output, and tables from the code itself.

Ids and times differ from run to run and are written as such; everything else must come out the same, which CI checks.
"""

import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_folder = tempfile.TemporaryDirectory()
BIN = Path(sys.executable).parent


def files(**texts: str) -> None:
    """Write files into the folder where the session's commands run"""
    for name, text in texts.items():
        (Path(_folder.name) / name.replace("__", ".")).write_text(text)


def run(*commands: str, lines: int | None = None, must: bool = False) -> str:
    """A console block: each command and what it printed, cut after `lines` lines; with `must` a failing command ends cog"""
    home = Path(_folder.name)
    environment = os.environ | {
        "LIMA_USER_PATH": str(home / "user"),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "COLUMNS": "110",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "OMP_NUM_THREADS": "1",
        "ONEDNN_MAX_CPU_ISA": "AVX512_CORE",  # the same precision on every machine
    }
    block = []
    for command in commands:
        done = subprocess.run(
            command, shell=True, cwd=home, env=environment, capture_output=True, text=True, timeout=300
        )
        if must and done.returncode:
            sys.exit(f"$ {command}\n{done.stderr}")
        output = done.stdout + (done.stderr if done.returncode else "")
        shown = [line.rstrip() for line in _settled(output, home).strip("\n").splitlines()]
        if lines and len(shown) > lines:
            shown = [*shown[:lines], "…"]
        block += [f"$ {command}", *shown, ""]
    return "```console\n" + "\n".join(block).rstrip() + "\n```\n"


def ran(*commands: str) -> str:
    """A console block of the commands alone: each must succeed, but what it prints differs between machines"""
    run(*commands, must=True)
    return "```console\n" + "".join(f"$ {command}\n" for command in commands) + "```\n"


def _settled(text: str, home: Path) -> str:
    """Ids, times and places as placeholders of a fixed kind"""
    text = text.replace(str(home.resolve()), "~").replace(str(home), "~")
    text = re.sub(r"\b\d{8}-\d{6}-[0-9a-f]{6}\b", "20260102-150405-1f3a9c", text)
    return re.sub(r"in \d+\.\d s", "in … s", text)


def hooks() -> str:
    """Every hook with its exact signature, its one line, and the first-party plugins that implement it, else the example"""
    from lima.contract import hooks as hookspecs
    from lima.plugins import load_plugins

    rows = []
    for name, function in vars(hookspecs).items():
        if hasattr(function, "lima_spec"):
            owners = [p.name for p in load_plugins().loaded if name in p.hooks and p.name.startswith("lima-")]
            owners = owners or ["the [example](../examples/06_plugin/lima_limericks/losses.py)"]
            arguments = ", ".join(inspect.signature(function).parameters)
            rows.append(f"### `{name}({arguments})`\n\n{function.__doc__}. Implemented by {', '.join(owners)}.\n")
    return "\n".join(rows)


def registered(kind: str) -> str:
    """Everything that is registered of a kind, as `lima sources` and the like list it"""
    from lima.plugins import load_plugins

    registry = load_plugins().registry(kind)
    licences = kind == "sources"
    rows = ["| name | plugin | licence | |\n|---|---|---|---|" if licences else "| name | plugin | |\n|---|---|---|"]
    for name, one in sorted(registry.items()):
        licence = f" {one.licence} |" if licences else ""
        text = re.sub(r"(<\|?\w+\|?>\w*)", r"`\1`", one.description).replace("|", chr(92) + "|")
        rows.append(f"| `{name}` | {registry.owners[name]} |{licence} {text} |")
    return "\n".join(rows) + "\n"


def metadata() -> str:
    """The keys of a row that say nothing about what is learnt"""
    from lima.data.keys import ENDS, METADATA

    named = ", ".join(f"`{key}`" for key in sorted(filter(None, METADATA)))
    return f"{named}; and what ends with {', '.join(f'`{end}`' for end in ENDS)}.\n"


def formats() -> str:
    """A row of each of lima-chat's formats, as its source has it"""
    from lima.plugins import load_plugins

    registry = load_plugins().registry("sources")
    mine = [name for name, owner in registry.owners.items() if owner == "lima-chat"]
    lines = [f"| `{name}` | `{registry[name].shape}` | {registry[name].description} |" for name in mine]
    return "\n".join(["| source | a row | its keys |", "|---|---|---|", *lines]) + "\n"


def floors() -> str:
    """The floors of the core, from the test that holds them"""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_layout import FLOORS

    def named(part: str) -> str:
        return f"`lima/{part}/`" if (ROOT / "lima" / part).is_dir() else f"`lima/{part}.py`"

    rows = [f"| {n} | {', '.join(map(named, sorted(floor)))} |" for n, floor in enumerate(FLOORS, 1)]
    return "\n".join(["| floor | |", "|---|---|", *rows]) + "\n"


def kinds() -> str:
    """A row for each registered kind: what an object of it must have, and what it may have, from the Protocols themselves"""
    from lima.contract.conformance import signatures
    from lima.contract.kinds import KINDS
    from lima.plugins import load_plugins
    from lima.registry import singular

    def listed(protocols: Any) -> str:
        found = {signatures(p): f"{p.__doc__[0].lower()}{p.__doc__[1:]}" for p in protocols}
        return "<br>".join(f"`{members}`: {what}" for members, what in found.items())

    plugins = load_plugins()
    rows = ["| kind | must have | may have |", "|---|---|---|"]
    for name, kind in KINDS.items():
        optional = [*kind.optional, *plugins.declared(name)]
        some = "; at least one of what it may have" if kind.some else ""
        rows.append(f"| {singular(name)} | `{signatures(kind.needed)}`{some} | {listed(optional)} |")
        if kind.opened:
            needed = f"`{signatures(kind.opened.needed)}`" if kind.opened.needed else "one of what it may have"
            rows.append(f"| what a {singular(name)}'s `open` returns | {needed} | {listed(kind.opened.optional)} |")
    return "\n".join(rows) + "\n"


def fixtures() -> str:
    """A row for each fixture of `lima.testing.pytest`, from the module itself"""
    source = (ROOT / "lima" / "testing" / "pytest.py").read_text()
    rows = [
        f"| `{name}` | `{kind.replace('|', chr(92) + '|')}` | {text} |"
        for name, kind, text in re.findall(r'^def (lima_\w+)\(.*\) -> (.+):\n    """(.+)"""$', source, re.M)
    ]
    return "\n".join(["| fixture | type | |", "|---|---|---|", *rows]) + "\n"


def contract(cls: Any, base: Any = None) -> str:
    """What an author gives to a contract, what he may override, and what it checks; without what `base` has already"""
    source, own = inspect.getsource(cls), vars(cls)
    given = re.findall(r'^    (\w+): ClassVar\[(.+?)\](?: = (.+))?\n    "(.+)"$', source, re.M)
    rows = [f"| `{name}` | `{kind}` | {f'`{value}`' if value else ''} | {text} |" for name, kind, value, text in given]
    table = ["", "| attribute | type | default | |", "|---|---|---|---|", *rows] if rows else []
    methods = [n for n, m in own.items() if inspect.isfunction(m) and not n.startswith(("_", "test_"))]
    documented = [(n, own[n]) for n in methods if own[n].__doc__ and n in OVERRIDABLE]
    called = [f"- `{n}({_parameters(m)})`: {m.__doc__}" for n, m in documented]
    checks = cls._checks if base is None else {n: m for n, m in cls._checks.items() if base._checks.get(n) is not m}
    lines = [f"| `{n}` | {m.__doc__} | {', '.join(map(_need, m.needs))} |" for n, m in checks.items()]
    parts = [f"{cls.__doc__}.", *table, *(["", "May be overridden:", "", *called] if called else [])]
    return "\n".join([*parts, "", "| check | promise | only with |", "|---|---|---|", *lines]) + "\n"


OVERRIDABLE = ("row", "text", "record", "unlearnt", "tokenizers", "turn", "prompt", "prepare", "ask")


def _parameters(method: Any) -> str:
    return ", ".join(list(inspect.signature(method).parameters)[1:])


def _need(need: Any) -> str:
    return f"`{need}`" if isinstance(need, str) else f"`lima.{need.__name__}`"


def recipe_keys() -> str:
    """Every key of a recipe with its default and meaning, from the class itself"""
    from lima.recipe import Recipe

    source = inspect.getsource(Recipe)
    meanings = dict(re.findall(r"^    (\w+): [^\n]+\n    \"(.+)\"$", source, re.M))
    rows = ["| key | default | |", "|---|---|---|"]
    for key, value in Recipe().as_dict().items():
        shown = "" if value in ("", (), {}) else f"`{json.dumps(value)}`"
        rows.append(f"| `{key}` | {shown} | {meanings[key].replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def commands() -> str:
    """The help of every command, from click itself"""
    import click

    from lima.cli import cli
    from lima.plugins import load_plugins

    load_plugins().add_commands(cli)
    blocks = []

    def add(command: click.Command, path: str) -> None:
        context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
        blocks.append(f"## `{path}`\n\n```text\n{command.get_help(context)}\n```\n")
        if isinstance(command, click.Group):
            for name in sorted(command.commands):
                add(command.commands[name], f"{path} {name}")

    add(cli, "lima")
    return "\n".join(blocks)


def demo_table() -> str:
    """The recorded result of `lima demo --more --json`, next to the paper's"""
    result = json.loads((ROOT / "docs" / "demo.json").read_text())

    def share(arm: dict[str, int], grade: str) -> str:
        return f"{100 * arm[grade] / arm['turns']:.1f} % ({arm[grade]}/{arm['turns']})"

    rows = ["| turns that are | paper, 1,000 | paper, + 30 | village, 1,000 | village, + 30 |", "|---|---|---|---|---|"]
    paper = {"excellent": ("45.2 % (19/42)", "76.1 % (35/46)"), "pass": ("19.0 % (8/42)", "21.7 % (10/46)")}
    paper["fail"] = ("35.7 % (15/42)", "2.2 % (1/46)")
    for grade, (before, after) in paper.items():
        rows.append(
            f"| {grade} | {before} | {after} | {share(result['before'], grade)} | {share(result['after'], grade)} |"
        )
    c, more = result["conversations"], result["more"]
    d = more["conversations"]
    rows += [
        "",
        f"Recorded with `lima demo --more --json` ({result['seconds']:.0f} s on two free cores). "
        "Ten conversations, "
        f"{len(result['seeds'])} seeds: better in {c['better']}, tied in {c['tied']}, worse in {c['worse']} "
        f"(paper: 7, 3, 0), exact sign-flip p = {result['p_value']:.4f}. On {sum(d.values())} further held-out conversations "
        f"({more['before']['turns']:,} turns an arm): excellent {share(more['before'], 'excellent')} → "
        f"{share(more['after'], 'excellent')}, fail {share(more['before'], 'fail')} → {share(more['after'], 'fail')}; "
        f"better in {d['better']}, tied in {d['tied']}, worse in {d['worse']}.",
        "",
    ]
    return "\n".join(rows)


def of_earlier_dialogues(sha256: str) -> str:
    """A sentence if something was recorded with other dialogues than today's"""
    from lima import load_plugins, open_source

    if open_source("dialogues", load_plugins()).hash == sha256:
        return ""
    return " The thirty dialogues have been rewritten since: these are figures of their earlier text."


def english() -> str:
    """The recorded commands and replies of `benchmarks/english.py`: before and after the thirty dialogues"""
    result = json.loads((ROOT / "docs" / "english.json").read_text(encoding="utf-8"))

    def asked(model: str, rows: list[dict[str, str]]) -> list[str]:
        lines = []
        for row in rows:
            cut = " …" if row["stop"] == "length" else ""
            lines += ["", f'$ lima ask {model} "{row["prompt"]}" {result["ask"]}', f"{row['reply']}{cut}"]
        return lines

    def minutes(step: dict[str, Any]) -> str:
        clock, used = (
            f"{s:.0f} s" if s < 100 else f"{s / 60:.0f} minutes" for s in (step["seconds"], step["processor"])
        )
        return f"{clock} ({used} of processor time)"

    block = [f"$ {result['fetch']['command']}", *asked("smollm2", result["before"])]
    block += ["", f"$ {result['train']['command']}", *asked("english", result["after"])]
    return (
        "```console\n" + "\n".join(block) + "\n```\n\n"
        f"Recorded on {result['date']} with `benchmarks/english.py`, on {result['cores']} cores with much other work: the fetch "
        f"took {minutes(result['fetch'])}, the training {minutes(result['train'])}."
        f"{of_earlier_dialogues(result['dialogues'])}\n"
    )


def effect() -> str:
    """The recorded result of `lima effect --json`: the table of the arms, and a sentence for each finding"""
    result = json.loads((ROOT / "docs" / "effect.json").read_text(encoding="utf-8"))

    def cell(figure: dict[str, Any], bold: bool) -> str:
        mean, low, high = (f"{x:.3f}".replace("-", "−") for x in (figure["mean"], *figure["interval"]))
        return f"{f'**{mean}**' if bold else mean} [{low}, {high}]"

    rows = [
        "| arm | log-likelihood, own history | gain over no history | gain over another history |",
        "|---|---|---|---|",
    ]
    for arm, one in result["arms"].items():
        figures = (one["true"], one["gains"]["over_none"], one["gains"]["over_other"])
        rows.append(f"| {arm} | {' | '.join(cell(figure, arm == 'dialogues') for figure in figures)} |")
    one, settings = result["arms"]["dialogues"], result["settings"]
    told = [sentence for finding in result["findings"] for sentence in finding["sentences"]]
    minutes = (sum(fold["seconds"] for fold in result["given"]) + result["measuring"]) / 60
    spent = f", {result['processor'] / 60:.0f} of processor time" if result["processor"] else ""
    return "\n".join(
        [
            *rows,
            "",
            f"Nats per token, 95 % t intervals over conversations: {one['answers']} later answers of {one['conversations']} "
            f"conversations, each tested once in {len(settings['folds'])} folds; seeds: {result['seeds']}; base: "
            f"{settings['base']['name']}. Recorded with `benchmarks/effect.py` on two cores with AVX-512 and other work on them: "
            f"{minutes:.0f} minutes{spent}.{of_earlier_dialogues(settings['source']['sha256'])}",
            "",
            *(f"- {sentence}" for sentence in told),
            "",
        ]
    )


def zoo() -> list[Path]:
    """The templates of lima-chat's tests"""
    return sorted((ROOT / "plugins" / "lima-chat" / "tests" / "zoo").glob("*.jinja"))


def certified(path: Path) -> list[tuple[str, Any]]:
    """(name, certificate) of a template, and for each value of enable_thinking that makes another one"""
    from lima_chat.certificate import certify
    from lima_chat.renderer import OwnTemplateRenderer
    from lima_chat.stand_in import stand_in
    from lima_chat.templates import parse

    file, found = parse(path.stem, path.read_text(encoding="utf-8"), str(path)), list[tuple[str, Any]]()
    for value in (None, True, False) if "enable_thinking" in file.source else (None,):
        variables = {} if value is None else {"enable_thinking": value}
        one = certify(file.name, OwnTemplateRenderer(), stand_in(file), variables)
        if value is None or one.as_row() != found[0][1].as_row():
            name = f"`{file.name}`" + ("" if value is None else f", `enable_thinking = {json.dumps(value)}`")
            found.append((name, one))
    return found


def template_line(name: str, certificate: Any) -> str:
    """A row of the table of templates"""
    cells = [name, *[f"`{v}`" if k == "EOT" else v for k, v in certificate.as_row().items() if k != "name"]]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def templates() -> str:
    """A row for each template of lima-chat's tests"""
    names = ("template", "", "EOT", "BOS", "system", "rows", "thoughts", "`<think>` in the text", "tools")
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
    rows = [template_line(name, one) for path in zoo() for name, one in certified(path)]
    return "\n".join([head, *rows]) + "\n"
