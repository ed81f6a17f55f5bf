"""Every finding of the study in the order of the report. To add one, write a function like these and name it here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lima_village_study.ablations import diversity, quality, quantity
from lima_village_study.appendices import formats, perplexity
from lima_village_study.baselines import in_context, longest_and_random
from lima_village_study.dialogue_findings import controls, number_of_dialogues, thirty_dialogues, turns
from lima_village_study.draws import draws_of_ten
from lima_village_study.finding import RULE, Finding
from lima_village_study.scores import Results

if TYPE_CHECKING:
    from lima.store import Store
    from lima_village_study.study import Study

SECTIONS = (
    thirty_dialogues,
    controls,
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
    """What a study says so far; a section whose arms were not held is left out"""
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
        "rule": (finding.rule or RULE) if finding.judged else "The paper makes no such claim.",
        "method": finding.method,
        "tables": [[dict(zip(table.head, row, strict=True)) for row in table.rows] for table in finding.tables],
    }
