"""All findings of the study in the order of the report.

To add one, write a function like these, name it here and give it its prose in `findings.toml`.
"""

from __future__ import annotations

from typing import Any

from lima import Store
from lima_village_study.ablations import diversity, in_context, longest_and_random, quality, quantity
from lima_village_study.appendices import formats, perplexity
from lima_village_study.dialogue_findings import controls, draws_of_ten, number_of_dialogues, thirty_dialogues, turns
from lima_village_study.finding import Finding, common
from lima_village_study.gain_finding import history_gain
from lima_village_study.scores import Results
from lima_village_study.study import Study

SECTIONS = (
    thirty_dialogues,
    controls,
    history_gain,
    turns,
    number_of_dialogues,
    draws_of_ten,
    diversity,
    quality,
    quantity,
    perplexity,
    formats,
    longest_and_random,
    in_context,
)


def findings(store: Store, study: Study) -> list[Finding]:
    """The findings of a study so far, without those whose arms were not evaluated"""
    results = Results(store, study.id)
    return [finding for section in SECTIONS if (finding := section(results, study.sets))]


def as_dict(finding: Finding) -> dict[str, Any]:
    """JSON-ready"""
    return {
        "finding": finding.key,
        "title": finding.title,
        "where": finding.where,
        "claim": finding.claim,
        "agrees": finding.agrees if finding.judged else None,
        "sentence": finding.sentence,
        "rule": (finding.rule or common("rule")) if finding.judged else "The paper makes no such claim.",
        "method": finding.method,
        "tables": [[dict(zip(table.head, row, strict=True)) for row in table.rows] for table in finding.tables],
    }
