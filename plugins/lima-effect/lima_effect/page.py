"""One self-contained HTML page about an experiment: a table, a sentence for each finding, a figure, and what is not shown.

No script and no external resource, and a content security policy that allows none. Names and paths are hostile text: the template
escapes everything and writes hidden characters out. Knows nothing of how a number is computed.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lima import Store, __version__, visible
from lima_dialogue_eval import GAIN_DEFINITION, write_whole
from lima_effect.arms import ARMS
from lima_effect.experiment import Experiment
from lima_effect.figure import Panel, panel
from lima_effect.findings import NOT_SHOWN, equality, fakeness, findings, number
from lima_effect.ledger import Ledger
from lima_effect.results import Results

GAINS = {"over_none": "gain over no history", "over_other": "gain over another history"}


def write_page(store: Store, experiment: Experiment, results: Results, path: Path) -> Path:
    """Write the page to a file, completely or not at all; the file's path"""
    return write_whole(render(store, experiment, results), path)


def render(store: Store, experiment: Experiment, results: Results) -> str:
    """The page as HTML"""
    environment = Environment(
        loader=PackageLoader("lima_effect", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value,
    )
    row = Ledger(store, experiment).row()
    return environment.get_template("effect.html.jinja").render(
        version=__version__,
        experiment=experiment,
        asked=experiment.asked,
        row=row,
        r=results,
        arms=ARMS,
        gains=GAINS,
        number=number,
        findings=findings(results),
        panels=panels(results),
        not_shown=NOT_SHOWN,
        definition=GAIN_DEFINITION,
        equality=equality(results),
        fakeness=fakeness(results),
        made=_made(experiment, results, row, store),
    )


def panels(results: Results) -> list[tuple[str, list[Panel]]]:
    """The figure: by arm, by turn and by kind of follow-up, each with both gains"""
    n = results.one.conversations
    groups: dict[str, dict[str, tuple[str, Any]]] = {
        "By arm": {"all answers": (_count(n, "conversation"), results.arms)},
        "By turn": {
            f"answer {place}": (_count(arms["base"].answers, "answer"), arms)
            for place, arms in results.by_exchange.items()
        },
        "By kind of follow-up that a conversation has": {
            tag: (_count(arms["base"].conversations, "conversation"), arms) for tag, arms in results.by_tag.items()
        },
    }
    return [
        (title, [panel(f"{name[0].upper()}{name[1:]}", gain, group) for gain, name in GAINS.items()])
        for title, group in groups.items()
        if group
    ]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _made(experiment: Experiment, results: Results, row: dict[str, Any], store: Store) -> dict[str, str]:
    settings, asked = experiment.settings, experiment.asked
    training = sum(one.seconds for one in results.given)
    time = f"{row['seconds']:,.0f} s, {row['processor']:,.0f} s of processor time"
    return {
        "experiment": f"{experiment.id}, begun {row['created'][:19].replace('T', ' ')} UTC",
        "time": f"{time}; training took {training:,.0f} s, measuring {results.measuring:,.0f} s",
        "database": str(store.path),
        "base": f"{asked.base} (sha256 {settings['base']['sha256'][:16]})",
        "source": f"{asked.source} (sha256 {settings['source']['sha256'][:16]})",
        "folds and seeds": f"{asked.folds} folds, each conversation tested once; seeds {', '.join(map(str, range(asked.seeds)))}",
        "swapped histories": "those of all other test conversations of the fold"
        if not asked.others
        else f"{asked.others} of other test conversations of the fold, the same in all arms",
        "format": f"renderer {experiment.recipe.renderer}, for all arms and the base",
        "recipe": ", ".join(
            f"{key} = {value}" for key, value in settings["recipe"].items() if value not in ("", 0, {}, False, None)
        ),
        "versions": ", ".join(f"{name} {version}" for name, version in settings["versions"].items()),
    }
