"""Token shift: how much of what a fine-tune writes its base would have written, by place in the reply, and which tokens change.

URIAL (2312.01552); a question about LIMA's claim that alignment teaches a style. Knows nothing of how models are read.
"""

from collections.abc import Sequence
from typing import Any

from lima_dialogue_eval import count_of
from lima_studies.kind import Replies
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.questions import Question
from lima_studies.record.cases import Case
from lima_studies.record.study import Study
from lima_studies.report.document import Bar, Bars, Document, Number, Part, Passage, Section, Table
from lima_studies.report.making import made
from lima_studies.scores.scores import Interval
from lima_studies.shift.figures import CLASSES, MARGINAL, SHIFTED, UNSHIFTED, Share, class_of, most_shifted, shares

SHOWN = 12
"Replies that the page shows token by token; all are in the table study_tokens"
LEGEND = (
    (UNSHIFTED, "unshifted: the base's first choice"),
    (MARGINAL, "marginal: its second or third"),
    (SHIFTED, "shifted: lower"),
)
DEFINITIONS = {
    "shares": "Of the tokens of the fine-tune's replies those that the base, after the same prompt and the same reply so far, "
    "ranks first (unshifted), second or third (marginal), or lower (shifted). Mean over prompts of each prompt's share. 95 % t "
    "interval over prompts, of the shifted share. The token that ends a reply is not counted.",
    "shifted tokens": "How often the token was shifted, of how often the fine-tune wrote it; descriptive.",
}
NOT_SHOWN = (
    "Which replies are better: a token that the base would not have written may be right or wrong.",
    "What the base would reply: it reads the fine-tune's reply, and each token is ranked after the fine-tune's own words, which "
    "carry the base along; early shifts decide what is unshifted later.",
    "What is the format's and what the fine-tune's: where the base reads requests in another format, the first token of a reply "
    "may be shifted for that alone, such as by a space before it.",
    "How likely tokens are: a first choice may be hardly likelier than the second. The table study_tokens has the base's "
    "log-likelihood of each.",
)


class TokenShift:
    """The kind `token-shift`"""

    name = "token-shift"
    questions: tuple[Question, ...] = ()

    def cases(
        self, question: Question, prompts: Sequence[StudyPrompt], systems: Sequence[str], replies: Replies
    ) -> list[Case]:
        """None: nobody is asked anything"""
        return []

    def document(self, study: Study) -> Document:
        """The report"""
        tuned, base = (system.name for system in study.systems())
        rows = study.store.rows("select * from study_tokens where study = ? order by prompt, position", [study.id])
        texts = study.texts()
        empty = len(texts) - len({row["prompt"] for row in rows})
        sections = [
            Section("Results", "All replies are empty: no token to rank." if texts else "No reply has been read yet.")
        ]
        found: list[Share] = []
        if rows:
            found = shares(rows)
            sections = [_by_position(found), _words(rows), _passages(study, rows)]
        return Document(
            study=study.id,
            kind=self.name,
            title=f"What {tuned} writes, ranked by {base}",
            lead=f"{count_of(len(texts), 'reply', 'replies')} with {count_of(len(rows), 'token')}, each ranked by the base after "
            "the same prompt and the same words." + (f" Empty, and in no figure: {empty:,}." if empty else ""),
            sections=tuple(sections),
            definitions=DEFINITIONS,
            made=_made(study),
            not_shown=NOT_SHOWN,
            more={"shares": [vars(one) for one in found]},
        )


def _made(study: Study) -> dict[str, str]:
    """How it was made; the base replies nothing"""
    _, base = study.systems()
    found = {**made(study), "the base reads": study.row["settings"]["reads"]}
    own = [line for line in found["systems"].splitlines() if not line.startswith(f"{base.name}: ")]
    return {**found, "systems": "\n".join([*own, f"{base.name}: {base.spec}; ranks the tokens"])}


def _by_position(found: Sequence[Share]) -> Section:
    groups: list[tuple[str, tuple[Bar, ...]]] = []
    rows: list[tuple[str | Number, ...]] = []
    for one in found:
        parts = tuple(Part(name, share) for name, share in zip(CLASSES, one.shares, strict=True))
        text = " / ".join(f"{100 * share:.0f}" for share in one.shares) + " %"
        low = one.intervals[2] and (1 - one.intervals[2][1], 1 - one.intervals[2][0])
        bar = Bar("of the tokens", parts, f"{text}  ({count_of(one.prompts, 'reply', 'replies')})", interval=low)
        groups.append((f"token {one.name}" if one.name[0].isdigit() else one.name, (bar,)))
        rows.append((one.name, *_numbers(one), f"{one.tokens:,}"))
    drawn = Bars("Unshifted, marginal and shifted tokens, by position in the reply", tuple(groups), LEGEND,
                 "The line below a bar is the interval of where the shifted part begins.")  # fmt: skip
    columns = ("position", *CLASSES, "tokens")
    return Section("By position", bars=(drawn,), tables=(Table("By position in the reply", columns, tuple(rows)),))


def _numbers(one: Share) -> list[Number]:
    return [
        Number(
            f"{name}, {one.name}", f"{100 * share:.1f} %  {_between(interval)}", one.prompts, "shares", share, interval
        )
        for name, share, interval in zip(CLASSES, one.shares, one.intervals, strict=True)
    ]


def _between(interval: Interval) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "[no interval]"


def _words(rows: Sequence[Any]) -> Section:
    words: list[tuple[str | Number, ...]] = []
    for word in most_shifted(rows):
        share = Number(
            word.text, f"{word.shifted} of {word.count}", word.count, "shifted tokens", word.shifted / word.count
        )
        words.append((repr(word.text), share, repr(word.instead)))
    if not words:
        return Section("Which tokens", "No token was shifted.")
    columns = ("token", "shifted", "most often instead")
    return Section("Which tokens", tables=(Table("The tokens that are most often shifted", columns, tuple(words)),))


def _passages(study: Study, rows: Sequence[Any]) -> Section:
    found: list[Passage] = []
    for prompt in study.prompts():
        own = [row for row in rows if row["prompt"] == prompt.id]
        if own and len(found) < SHOWN:
            pieces = tuple((class_of(r["rank"]), r["text"], _tip(r)) for r in own)
            counts = [sum(class_of(r["rank"]) == name for r in own) for name in CLASSES]
            title = f"{prompt.id}: {counts[0]} unshifted, {counts[1]} marginal, {counts[2]} shifted"
            found.append(Passage(title, prompt.text, pieces))
    many = count_of(len(found), "reply", "replies")
    lead = (
        f"{many}, in the order of the prompts. Shifted tokens have a ground of their own, marginal ones are underlined."
    )
    return Section("Token by token", lead, passages=tuple(found))


def _tip(row: Any) -> str:
    first = "" if row["rank"] == 1 else f"; first: {row['first']!r}"
    return f"token {row['position']}, rank {row['rank']}, {row['nats']:.2f} nats{first}"
