"""Everything that a report shows, as data: figures with their definitions, how the grades came about, and every conversation.

The file, the served page and `--json` are made of it. Knows nothing of HTML.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lima import Store, __version__, now
from lima_dialogue_eval.comparison.alone import DEFINITIONS_OF_ONE, Alone
from lima_dialogue_eval.comparison.comparable import can_only_fail, mode_text, version
from lima_dialogue_eval.comparison.definitions import DEFINITIONS
from lima_dialogue_eval.comparison.family import Family
from lima_dialogue_eval.comparison.result import Arm, Comparison
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.record.people import DEFINITION
from lima_dialogue_eval.report.filters import filters_for
from lima_dialogue_eval.report.talks import Talks
from lima_dialogue_eval.report.verdicts import graders_and_raters

Row = dict[str, Any]
Subject = Alone | Comparison | Family
"What a report is about: one arm, two, or more, each against the first"
_LETTERS = {"excellent": "E", "pass": "P", "fail": "F", "undecided": "U", "not graded": "U", "error": "X"}


@dataclass(frozen=True)
class Document:
    """A report of a subject; the conversations are read when they are asked for"""

    subject: Subject
    title: str
    beside_paper: bool = False

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Each further arm against the first; none for one arm"""
        subject = self.subject
        return (
            subject.comparisons
            if isinstance(subject, Family)
            else (subject,)
            if isinstance(subject, Comparison)
            else ()
        )

    @property
    def first(self) -> Alone | Comparison:
        """What has the evaluation, the grader and what is known of it"""
        return self.subject if isinstance(self.subject, Alone) else self.comparisons[0]

    @property
    def arms(self) -> list[Arm]:
        """The first arm, with which all others are compared, and those"""
        if isinstance(self.subject, Alone):
            return [self.subject.arm]
        return [self.comparisons[0].before, *(one.after for one in self.comparisons)]

    @property
    def definitions(self) -> dict[str, str]:
        """What its numbers mean"""
        return DEFINITIONS_OF_ONE if isinstance(self.subject, Alone) else DEFINITIONS

    def talks(self) -> Talks:
        return Talks(self.arms, self.first.grader, self.first.grader_hash, self.first.outcome)

    def conversations(self, store: Store, talks: Talks) -> Iterator[Row]:
        """Every conversation: id, topic, changes, and its dialogues"""
        changes = [{c.conversation: c for c in one.changes} for one in self.comparisons]
        for id, topic in talks.topics(store).items():
            of_one = [found.get(id) for found in changes]
            yield {
                "id": id,
                "topic": topic,
                "changes": [c and {"before": c.before, "after": c.after, "verdict": c.verdict} for c in of_one],
                "dialogues": talks.read(store, id),
            }

    def as_dict(self, store: Store) -> Row:
        """JSON-ready: all that the page shows"""
        talks = self.talks()
        conversations = list(self.conversations(store, talks))
        counts = [{flag for d in c["dialogues"] for flag in d["flags"]} for c in conversations]
        return {
            "title": self.title,
            "created": now(),
            "lima": __version__,
            "how": self.how(store),
            "arms": [arm.as_dict() for arm in self.arms],
            "seeds": talks.seeds,
            "figures": self.subject.as_dict(),
            "definitions": self.definitions,
            "filters": {
                name: {"definition": text, "conversations": sum(name in found for found in counts)}
                for name, text in filters_for(len(self.arms)).items()
            },
            "made": self.made(),
            "conversations": conversations,
            "models": [
                {"model": model, "prompts": note, "pieces": {str(id): piece for id, piece in sorted(pieces.items())}}
                for model, note, pieces in zip(
                    talks.prompts.folders, talks.prompts.notes(), talks.prompts.pieces, strict=True
                )
            ],
        }

    def how(self, store: Store) -> dict[str, str]:
        """How the grades came about: who gave those that count, what is known of that, who graded besides, and what is open"""
        first, graders = self.first, self._graders(store)
        counts = [arm.counts for arm in self.arms]
        replies, undecided, cut = (sum(getattr(c, name) for c in counts) for name in ("replies", "undecided", "cut"))
        errors, unreached = (sum(getattr(c, name) for c in counts) for name in ("errors", "not_reached"))
        own = [row for row in graders if _is_of(row, first.grader, first.grader_hash)]
        others = [row for row in graders if row not in own]
        missed = f" Turns not reached, which are Fails: {unreached:,}." if unreached else ""
        return {
            "grades": self._who([row for row in own if row["rater"]]),
            "audit": f"{first.audit}. {first.floor}.",
            "besides": f"Graded besides, below each reply: {', '.join(map(_named, others))}." if others else "",
            "replies": f"Of {replies:,} replies {undecided:,} undecided, {cut:,} cut; errors: {errors:,}.{missed}",
        }

    def _who(self, raters: Sequence[Row]) -> str:
        """Whose grades count, and what they can say"""
        first = self.first
        named = f"{first.grader} ({version(first.grader_hash)})"
        if raters:
            people = ", ".join(f"{row['rater']} ({row['replies']:,})" for row in raters)
            return f"Grades by people: {people}. {DEFINITION}"
        only_fails = can_only_fail(self.arms[0].runs[0], first.grader)
        if only_fails is None:
            return f"Grades by {named}."
        if only_fails:
            return f"Grades by {named}: checks can only fail a reply, and Pass and Excellent are left to a reader."
        return f"Grades by {named}: the evaluation declares that its checks decide."

    def _graders(self, store: Store) -> list[Row]:
        """Who has graded replies of these runs, and how many of them"""
        found: dict[tuple[str, str | None, str], Row] = {}
        for run in (run for arm in self.arms for run in arm.runs):
            for row in graders_and_raters(store, run["id"]):
                key = row["grader"], row["grader_hash"], row["rater"] or ""
                known = found.setdefault(key, {**row, "rater": key[2], "replies": 0})
                known["replies"] += row["replies"]
        return list(found.values())

    def made(self) -> list[dict[str, str]]:
        """How each side was made, one entry a dialogue run"""
        arms = self.arms
        names = ["before", "after"] if len(arms) == 2 else [arm.label for arm in arms]
        return [_made(name, run) for name, arm in zip(names, arms, strict=True) for run in arm.runs]


def in_short(conversation: Row) -> Row:
    """What a list of conversations shows of one: flags and grades of each set of replicates, and no text of a reply"""
    dialogues = conversation["dialogues"]
    return {
        **{key: conversation[key] for key in ("id", "topic", "changes")},
        "flags": [dialogue["flags"] for dialogue in dialogues],
        "grades": [_letters(dialogue["turns"]) for dialogue in dialogues],
    }


def _letters(turns: Sequence[Row]) -> list[str]:
    """A letter a turn for each arm: E, P, F, U (undecided), X (failed), N (not reached)"""
    sides = zip(*(turn["replies"] for turn in turns), strict=True)
    return ["".join(_letter(reply) for reply in side) for side in sides]


def _letter(reply: Row | None) -> str:
    if reply is None:
        return "N"
    if reply["status"] == "error":
        return "X"
    return _LETTERS.get(reply["grade"] or reply["grade_status"], "U")


def _is_of(row: Row, grader: str, grader_hash: str | None) -> bool:
    """Whether somebody's verdicts are those that count, or for people are among those of which one counts"""
    return row["grader"] == grader and (grader == PEOPLE or row["grader_hash"] == grader_hash)


def _named(row: Row) -> str:
    who = row["rater"] or f"{row['grader']} ({version(row['grader_hash'])})"
    return f"{who} {row['replies']:,}"


def _made(side: str, run: Row) -> dict[str, str]:
    return {
        "side": side,
        "dialogue run": run["id"],
        "arm": run["arm"] or "",
        "model": run["model"],
        "trained in run": run["run"] or "unknown",
        "held": run["created"][:19].replace("T", " "),
        "held as": mode_text(run),
        "seconds": f"{run['seconds'] or 0:.1f}",
        "seeds": ", ".join(map(str, run["seeds"])),
        "sampling": _pairs(run["sampling"]),
        "versions": _pairs(run["environment"]),
        "plugins": ", ".join(f"{p['plugin']} {p['version']} ({p['hash'][:8]})" for p in run["plugins"]),
        "script": f"{run['evaluation']}, sha256 {run['evaluation_hash'][:16]}",
        "weights": version(run["model_hash"]) if run["model_hash"] else "unknown",
        "template": version(run["template_hash"]) if run["template_hash"] else "unknown",
        "primary test": run["primary_test"] or "",
    }


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
