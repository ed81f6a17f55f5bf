"""The report of a grid: what each arm scored, by judges and by the evaluation's grader, and which differences are shown.

LIMA §5. Knows nothing of how anything was trained or asked.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lima_dialogue_eval import count_of
from lima_studies.grids.graded import GRADES, graded_scores
from lima_studies.jobs.record import Ledger
from lima_studies.likert.kind import NOTHING, Likert
from lima_studies.likert.paper import ABLATIONS
from lima_studies.likert.question import HELPFULNESS
from lima_studies.likert.reading import scores_by_rater
from lima_studies.record.study import Study
from lima_studies.report.document import Document, Section, Table
from lima_studies.report.making import made
from lima_studies.report.raters import about_answers
from lima_studies.scores.comparing import compared
from lima_studies.scores.scores import Scale, Scores, mean_of
from lima_studies.scores.sections import DEFINITIONS, sections_of

ONE_SEED = "Whether another seed would say the same: with one fine-tune an arm, intervals and verdicts are of these fine-tunes."
NOT_SHOWN = (
    "Which difference between the data of two arms is the cause, where they differ in more than one.",
    "Whether it holds for other bases, recipes and sizes than these, or for other prompts.",
    "How much depends on the draw of the data: each arm's examples are one choice of them, unless its sources say otherwise.",
    "That arms are equal, where a difference is undecided: look at its interval.",
)


class Ablation(Likert):
    """The kind `ablate`"""

    name = "ablate"

    def document(self, study: Study) -> Document:
        """The report"""
        grid = study.row["settings"]["grid"]
        arms, evaluated = grid["arms"], grid["evaluated"]
        sections: list[Section] = [_arms(study, grid)]
        more = {}
        for rater, (scores, scale) in scores_of_all(study).items():
            beside = {arm["name"]: (arm["paper"], ABLATIONS[arm["paper"]]) for arm in arms if arm["paper"]}
            comparisons = compared(scores, grid["against"])
            sections += sections_of(rater, scores, scale, comparisons, beside)
            sections += self.further(scores, scale, grid, rater)
            more[rater] = {
                "means": [vars(mean) for one in scores if (mean := mean_of(one, scale))],
                "comparisons": [{**vars(one), "verdict": one.verdict} for one in comparisons],
                "further": self.figures(scores, scale, grid),
            }
        how = (
            [f"{count_of(evaluated['samples'], 'reply', 'replies')} a prompt and fine-tune"]
            if evaluated["prompts"]
            else []
        )
        how += [f"the evaluation {evaluated['evaluation']}"] if evaluated["evaluation"] else []
        return Document(
            study=study.id,
            kind=self.name,
            title=grid["title"],
            lead=f"{count_of(len(arms), 'arm')} with {count_of(grid['seeds'], 'fine-tune')} each; {' and '.join(how)}.",
            sections=(*sections, *about_answers(study), *(() if more else (NOTHING,))),
            definitions={**DEFINITIONS, **self.definitions},
            made=made_of(study),
            not_shown=(*((ONE_SEED,) if grid["seeds"] == 1 else ()), *NOT_SHOWN),
            more=more,
        )

    definitions: Mapping[str, str] = {}

    def further(self, scores: Sequence[Scores], scale: Scale, grid: Mapping[str, Any], rater: str) -> list[Section]:
        """What a kind of grid adds for each rater"""
        return []

    def figures(self, scores: Sequence[Scores], scale: Scale, grid: Mapping[str, Any]) -> Any:
        """The same for programs"""
        return None


def arms_of(grid: Mapping[str, Any]) -> dict[str, list[str]]:
    """The systems of each arm of a study's grid"""
    found = {}
    for arm in grid["arms"]:
        name = arm["name"]
        seeds = arm.get("seeds") or grid["seeds"]
        found[name] = [name] if arm["model"] else [f"{name}, seed {seed}" for seed in range(seeds)]
    return found


def scores_of_all(study: Study) -> dict[str, tuple[list[Scores], Scale]]:
    """By rater what each arm scored: judges first, then the evaluation's grader"""
    grid = study.row["settings"]["grid"]
    arms, evaluation = arms_of(grid), grid["evaluated"]["evaluation"]
    found = {rater: (scores, HELPFULNESS) for rater, scores in scores_by_rater(study, arms).items()}
    graded = graded_scores(study, evaluation, arms) if evaluation else []
    return found | ({f"the grader of {evaluation}": (graded, GRADES)} if graded else {})


def _arms(study: Study, grid: Mapping[str, Any]) -> Section:
    of = arms_of(grid)
    noted = Ledger(study.store, study.id).results()
    runs = {of[row["arm"]][row["seed"]]: row["run"] for row in noted if not row["evaluation"]}
    rows = tuple(
        (
            arm["name"],
            arm["text"],
            arm["model"] or "\n".join(runs.get(system, "not trained yet") for system in of[arm["name"]]),
        )
        for arm in grid["arms"]
    )
    return Section(
        "Arms", tables=(Table("What each arm is", ("arm", "what", "runs, or the model that is not trained"), rows),)
    )


def made_of(study: Study) -> dict[str, str]:
    """How it was made, with what all arms share"""
    grid = study.row["settings"]["grid"]
    own = {
        "recipe of all arms": ", ".join(f"{key} {value}" for key, value in grid["recipe"].items()),
        "bases": "\n".join(f"{name} (sha256 {digest[:12]})" for name, digest in grid["bases"].items()),
        "sources": "\n".join(f"{name} (sha256 {digest[:12]})" for name, digest in grid["sources"].items()),
    }
    found = made(study)
    if not study.prompts():
        found = {key: text for key, text in found.items() if key not in ("prompts", "systems", "judges", "people")}
    of, noted = arms_of(grid), Ledger(study.store, study.id).results()
    if runs := [row for row in noted if row["dialogue_run"]]:
        own["dialogue runs"] = "\n".join(f"{of[row['arm']][row['seed']]}: {row['dialogue_run']}" for row in runs)
    return {**found, **own}
