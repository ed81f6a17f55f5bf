"""One self-contained HTML page about a study: a section for each finding, its figure, the numbers and where they come from.

No script and no external resource, and a content security policy that allows none. Names and paths are hostile text: the
template escapes everything, and hidden characters are written out. Knows nothing of how a number is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima_village_study.finding import INTERVALS, RULE, Finding

if TYPE_CHECKING:
    from lima.store import Store
    from lima_village_study.study import Study

TEMPLATE = "study.html.jinja"


def write_page(store: Store, study: Study, findings: Sequence[Finding], path: Path) -> Path:
    """Write the page to a file, whole or not at all; the file's path"""
    from lima_dialogue_eval.report import write_whole

    return write_whole(render(store, study, findings), path)


def render(store: Store, study: Study, findings: Sequence[Finding]) -> str:
    """The page as HTML"""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    from lima import __version__
    from lima.hostile import visible
    from lima_village_study.drawing import draw
    from lima_village_study.study import find_study

    environment = Environment(
        loader=PackageLoader("lima_village_study", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    row = find_study(store, study.id)
    return environment.get_template(TEMPLATE).render(
        study=study,
        row=row,
        findings=findings,
        figures={finding.key: Markup(draw(finding)) for finding in findings},
        verdicts={
            word: sum(finding.judged and finding.agrees is agrees for finding in findings)
            for agrees, word in ((True, "agree"), (None, "undecided"), (False, "disagree"))
        },
        arms=_arms(store, study),
        settings=row["settings"],
        rule=RULE,
        intervals=INTERVALS,
        version=__version__,
    )


def _arms(store: Store, study: Study) -> list[dict[str, Any]]:
    """What was trained and held, an arm a row"""
    found = []
    for arm in study.arms:
        runs = store.rows(
            "select distinct runs.* from village_study_results results join runs on runs.id = results.run "
            "where results.study = ? and results.arm = ? and results.evaluation = '' order by results.seed",
            [study.id, arm.name],
        )
        held = store.rows(
            "select distinct evaluation from village_study_results where study = ? and arm = ? and evaluation != '' "
            "order by evaluation",
            [study.id, arm.name],
        )
        found.append(
            {
                "name": arm.name,
                "text": arm.text,
                "trained on": ", ".join(arm.sources) or arm.model,
                "changes": ", ".join(f"{key} = {value}" for key, value in arm.changes.items()),
                "steps": ", ".join(sorted({str(run["steps"]) for run in runs})),
                "trained tokens": f"{runs[0]['trained_tokens']:,}" if runs else "",
                "runs": " ".join(run["id"] for run in runs),
                "held": ", ".join(row["evaluation"] for row in held),
            }
        )
    return found
