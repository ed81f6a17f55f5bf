"""A model's replies against those of other systems: which is clearly better, asked of judges in both orders and of people blind.

LIMA §4.1 and §4.2. Knows nothing of how anything is asked.
"""

from collections.abc import Sequence

from lima_dialogue_eval import count_of, interval_text, p_text
from lima_studies import paper
from lima_studies.figures import agreement, outcomes
from lima_studies.figures.choices import JUDGES, LOSE, RESULTS, TIE, WIN, Chooser, choosers
from lima_studies.figures.outcomes import Outcome
from lima_studies.figures.panels import Panel, panels
from lima_studies.kind import Replies
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.questions import PREFERENCE, Question
from lima_studies.record.cases import Case, Key
from lima_studies.record.study import Study
from lima_studies.report.document import Bar, Bars, Document, Number, Part, Section, Table
from lima_studies.report.making import made
from lima_studies.report.raters import about_agreement, about_orders

LEGEND = ((WIN, "wins"), (TIE, "neither is clearly better"), (LOSE, "loses"))
PAPER = "LIMA 65B in the paper"
NOT_SHOWN = (
    "Whether the replies are right: raters say which of two they would rather have had, and a judge may be fooled.",
    "How the systems do in a second turn: every prompt is answered once, alone.",
    "What the systems of today would reply, where a recording is compared with: its version and date are above.",
    "Whether it holds for other prompts than these. The intervals are over prompts like these, with one reply each.",
)


class Preference:
    """The kind `preference`"""

    name = "preference"
    questions: tuple[Question, ...] = (PREFERENCE,)

    def cases(
        self, question: Question, prompts: Sequence[StudyPrompt], systems: Sequence[str], replies: Replies
    ) -> list[Case]:
        """Each prompt with the subject's reply and another's, in both orders"""
        subject, *others = systems
        found = []
        for other in others:
            for prompt in prompts:
                two = [replies[key] for name in (subject, other) if (key := (name, prompt.id, 0)) in replies]
                if len(two) == 2:
                    case = Case(Key(prompt.id, subject, other, 0), prompt.text, tuple(two))
                    found += [case, case.turned]
        return found

    def document(self, study: Study) -> Document:
        """The report"""
        subject, *others = [system.name for system in study.systems()]
        found = choosers(study)
        of = [(panel, outcomes.outcomes(panel, others)) for panel in panels(found)]
        sections = [_results(panel, some, subject) for panel, some in of]
        sections += [*about_agreement(found, RESULTS, tie=TIE), *about_orders(found)]
        return Document(
            study=study.id,
            kind=self.name,
            title=f"{subject} against {_listed(others)}",
            lead=f"{count_of(len(study.prompts()), 'prompt')}, one reply each. Whoever reads two replies says which "
            "one is clearly better, or that neither is, and does not know whose they are.",
            sections=tuple(sections) or (Section("Results", "No rater has said anything yet."),),
            definitions={**outcomes.DEFINITIONS, **agreement.definitions(ordinal=False, tie=TIE)},
            made=made(study),
            not_shown=NOT_SHOWN,
            more={"outcomes": [{**vars(one), "n": one.n} for _, some in of for one in some]},
        )


def _results(panel: Panel[Chooser], some: Sequence[Outcome], subject: str) -> Section:
    """Bars beside the paper's, and the table"""
    groups = []
    for one in some:
        bars = [_bar("here", (one.wins / one.n, one.ties / one.n, one.losses / one.n))]
        if like := paper.system_like(one.against):
            shares = tuple(x / 100 for x in paper.PREFERENCE[panel.column][like])
            bars.append(_bar(f"{PAPER}, {like}", shares, paper=True))
        groups.append((one.against, tuple(bars)))
    who = "GPT-4" if panel.column == JUDGES else "people"
    drawn = Bars(
        f"{subject} wins, ties, loses",
        tuple(groups),
        LEGEND,
        f"Paler bars are the paper's: what {who} said of LIMA 65B and its five systems in 2023, on other prompts. They are a "
        "backdrop, not a baseline.",
    )
    return Section(f"By {panel.name}", bars=(drawn,), tables=(_table(panel.name, some),))


def _bar(name: str, shares: Sequence[float], paper: bool = False) -> Bar:
    win, tie, lose = (f"{100 * share:.0f}" for share in shares)
    parts = tuple(Part(part, share) for part, share in zip((WIN, TIE, LOSE), shares, strict=True))
    return Bar(name, parts, f"{win} / {tie} / {lose} %", paper)


def _table(raters: str, some: Sequence[Outcome]) -> Table:
    rows = []
    for one in some:
        split = " / ".join(f"{100 * count / one.n:.0f}" for count in (one.wins, one.ties, one.losses))
        about = f"against {one.against}, {raters}"
        rows.append(
            (
                one.against,
                Number(
                    about, f"{split} %  ({one.wins} / {one.ties} / {one.losses})", one.n, "wins, ties, losses", one.wins / one.n
                ),
                Number(
                    about,
                    f"{100 * one.win_or_tie:.0f} %  [{interval_text(one.win_or_tie_interval)}]",
                    one.n, "(W + T) / N", one.win_or_tie, one.win_or_tie_interval,
                ),
                Number(
                    about,
                    f"{100 * one.score:.1f} %  [{interval_text(one.score_interval)}]",
                    one.n, "(W + T/2) / N", one.score, one.score_interval,
                ),
                Number(
                    about,
                    f"{p_text(one.p_value)}; {p_text(one.adjusted)} after Holm",
                    one.wins + one.losses, "p", one.p_value, None, one.adjusted,
                ),
            )
        )  # fmt: skip
    columns = ("against", "wins / ties / losses", "(W + T) / N", "(W + T/2) / N", "p, wins against losses")
    return Table(f"By {raters}", columns, tuple(rows))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
