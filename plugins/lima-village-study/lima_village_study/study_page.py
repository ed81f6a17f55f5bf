"""One self-contained HTML page about a study: a section for each finding with its figure, its numbers and their origin.

The page has no script and no external resource, and a content security policy that forbids both. Names and paths are hostile
text: the template escapes everything and writes hidden characters out. This module does not know how a number is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lima import Store, __version__, visible
from lima_dialogue_eval.report.page import write_whole
from lima_village_study.drawing import draw
from lima_village_study.finding import Finding, common
from lima_village_study.recorded import find_study
from lima_village_study.scores import Results
from lima_village_study.study import Study

TEMPLATE = "study.html.jinja"


def write_page(store: Store, study: Study, findings: Sequence[Finding], path: Path) -> Path:
    """Write the page to a file, completely or not at all; returns the file's path"""
    return write_whole(render(store, study, findings), path)


def render(store: Store, study: Study, findings: Sequence[Finding]) -> str:
    """The page as HTML"""
    environment = Environment(
        loader=PackageLoader("lima_village_study", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    row = find_study(store, study.id)
    verdicts = [finding.verdict for finding in findings]
    return environment.get_template(TEMPLATE).render(
        study=study,
        row=row,
        findings=findings,
        figures={finding.key: Markup(draw(finding)) for finding in findings},
        verdicts={word: verdicts.count(word) for word in ("agree", "undecided", "disagree")},
        arms=_arms(store, study),
        settings=row["settings"],
        rule=common("rule"),
        intervals=common("intervals"),
        version=__version__,
    )


def _arms(store: Store, study: Study) -> list[dict[str, Any]]:
    """What was trained and evaluated, a row for each arm"""
    results, found = Results(store, study.id), []
    for arm in study.grid.arms:
        runs = results.runs(arm.name)
        found.append(
            {
                "name": arm.name,
                "text": arm.text,
                "trained on": ", ".join(arm.sources) or arm.model,
                "changes": ", ".join(f"{key} = {value}" for key, value in arm.own.items()),
                "steps": ", ".join(sorted({str(run["steps"]) for run in runs})),
                "trained tokens": f"{runs[0]['trained_tokens']:,}" if runs else "",
                "runs": " ".join(dict.fromkeys(run["id"] for run in runs)),
                "held": ", ".join(results.evaluations(arm.name)),
            }
        )
    return found
