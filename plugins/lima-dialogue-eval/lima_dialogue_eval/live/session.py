"""A dialogue run that is held with a person there: each turn and each grade is committed when it is there.

Live, the person speaks; in a script or a replay the user's turns are given, and the person grades. Knows nothing of terminals.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lima import LimaError, Sampling, Store, command_on, load_plugins, new_run_id, open_model, storable
from lima_dialogue_eval.conversation.converse import (
    ANSWERED,
    COMPLETE,
    ERROR,
    FULL,
    RUNNING,
    Dialogue,
    Outcome,
    converse,
)
from lima_dialogue_eval.conversation.grade import PEOPLE
from lima_dialogue_eval.evaluation.models import reopenable
from lima_dialogue_eval.evaluation.provenance import (
    begun_with,
    check_makers,
    made_with,
    regrade_command,
    resume_command,
    resumed,
)
from lima_dialogue_eval.record.log import DialogueLog, conversations, find_run
from lima_dialogue_eval.record.people import VERSION
from lima_dialogue_eval.record.rows import turn_row
from lima_dialogue_eval.run.evaluate import check_promptable, run_of, same_model
from lima_dialogue_eval.statistics import PRIMARY

if TYPE_CHECKING:
    from lima_chat import EvalConversation, EvalTurn, Turn

LIVE, SCRIPT, REPLAY = "live", "script", "replay"
"The person speaks; the evaluation's users speak; the users of another run speak. A model as the user would be a fourth"


class People:
    """Stands where a run has its grader: grades come from people"""

    description = "people, who grade with `lima dialogues live` and `grade`"

    def identity(self) -> str:
        """What decides the grade of several people"""
        return VERSION


@dataclass
class Held:
    """One conversation as far as it is held"""

    id: str
    topic: str
    seed: int
    system: str = ""
    given: "tuple[EvalTurn, ...]" = ()
    "The user's turns that are given; none where the person speaks"
    said: "list[EvalTurn]" = field(default_factory=list)
    history: "list[Turn]" = field(default_factory=list)
    status: str = RUNNING

    @property
    def index(self) -> int:
        """The next exchange, counted from 0"""
        return len(self.said)

    @property
    def next_given(self) -> "EvalTurn | None":
        """What the user says next, where that is given"""
        return self.given[self.index] if self.index < len(self.given) else None


@dataclass
class Session:
    """A run with its conversations, its model open"""

    log: DialogueLog
    row: dict[str, Any]
    model: Any
    by: str
    "Who grades"
    held: list[Held]

    @property
    def mode(self) -> str:
        return str(self.row["mode"])

    @property
    def left(self) -> list[Held]:
        """The conversations that are not ended"""
        return [one for one in self.held if one.status == RUNNING]

    def say(self, one: Held, turn: "EvalTurn", flagged: bool = False) -> Outcome:
        """Ask the model for the next reply of a conversation, and commit it; `flagged`: the given turn no longer fits

        LimaError when the model fails: the turn may be said again. A full context ends the conversation."""
        from lima_chat import EvalConversation

        script = EvalConversation(one.id, one.topic or one.id, (*one.said, turn), one.system)
        dialogue = Dialogue(script, one.seed, list(one.history), one.index)
        sampling = Sampling(**self.row["sampling"])
        (outcome,) = next(converse([dialogue], self.model, sampling))
        self.log.turns([{**turn_row(outcome), "flagged": int(flagged)}], [])
        if outcome.status == ERROR:
            raise LimaError(f"{self.model.name} gave no reply: {outcome.message}")
        if outcome.status == FULL:
            self.end(one, FULL, outcome.message, one.index + 1)
        else:
            one.said.append(turn)
            one.history = dialogue.history
            if self.mode != LIVE and one.index == len(one.given):
                self.end(one)
        return outcome

    def grade(self, one: Held, turn: int, grade: str | None, comment: str = "", status: str = "graded") -> None:
        """The person's grade of a reply, whose turn is counted from 1; a later one of the same person replaces it"""
        row = {"conversation": one.id, "seed": one.seed, "turn": turn, "grade": grade, "status": status}
        self.log.grades([{**row, "reason": storable(comment), "grader": PEOPLE, "rater": self.by}])

    def comment(self, one: Held, turn: int) -> str:
        """What this person wrote of a reply before; it stays where they give another grade"""
        rows = self.log.store.rows(
            "select reason from dialogue_grades where dialogue_run = ? and conversation = ? and seed = ? and turn = ? "
            "and grader = ? and rater = ? order by id desc limit 1",
            [self.log.id, one.id, one.seed, turn, PEOPLE, self.by],
        )
        return str(rows[0]["reason"] or "") if rows else ""

    def end(self, one: Held, status: str = COMPLETE, message: str = "", turns: int | None = None) -> None:
        """End a conversation; live, it had as many turns as were said"""
        one.status = status
        self.log.ended(
            one.id, one.seed, status, message, turns if turns is not None else max(one.index, len(one.given))
        )

    def ungraded(self) -> list[tuple[Held, int]]:
        """Conversation and turn of each reply that this person has not graded"""
        rows = self.log.store.rows(
            "select conversation, turn from dialogue_turns t where dialogue_run = ? and status = ? and not exists (select 1 "
            "from dialogue_grades g where g.dialogue_run = t.dialogue_run and g.conversation = t.conversation and "
            "g.seed = t.seed and g.turn = t.turn and g.grader = ? and g.rater = ?) order by rowid",
            [self.log.id, ANSWERED, PEOPLE, self.by],
        )
        by_id = {one.id: one for one in self.held}
        return [(by_id[row["conversation"]], row["turn"]) for row in rows]


def begin(
    store: Store,
    evaluation: str,
    talks: "Sequence[Held] | Sequence[EvalConversation]",
    model: Any,
    mode: str,
    columns: Mapping[str, Any],
    *,
    by: str,
    arm: str,
    seed: int,
    sampling: Sampling,
    trust_remote_code: bool = False,
) -> Session:
    """Begin a run whose conversations are these, with what else its row says (`columns`); LimaError for an unknown model"""
    answering = open_model(model, store, trust_remote_code) if isinstance(model, str) else model
    held = [one if isinstance(one, Held) else Held(one.id, one.topic, seed, one.system, one.turns) for one in talks]
    _check_promptable(answering, held)
    log = DialogueLog(store, new_run_id())
    row = {
        "evaluation": evaluation,
        "mode": mode,
        "model": reopenable(model, answering),
        "run": run_of(store, str(answering.name)),
        "evaluation_path": None,
        "arm": arm,
        "seeds": json.dumps([seed]),
        "sampling": json.dumps(asdict(sampling)),
        "grader": PEOPLE,
        "primary_test": PRIMARY,
        **made_with(load_plugins(), People(), answering, False),
        "grader_hash": VERSION,
        **columns,
    }
    rows = ({"conversation": one.id, "topic": storable(one.topic), "system": storable(one.system)} for one in held)
    log.start(row, [{**of_one, "seed": seed, "turns": len(one.given)} for of_one, one in zip(rows, held, strict=True)])
    return Session(
        log, {**row, "id": log.id, "database": str(store.path), "sampling": asdict(sampling)}, answering, by, held
    )


def _check_promptable(model: Any, held: Sequence[Held]) -> None:
    """LimaError for a model that cannot hold these conversations, before anything is said"""
    from lima_chat import EvalConversation, EvalTurn

    asked = [(one, one.next_given or EvalTurn("Hello.")) for one in held]
    scripts = [EvalConversation(one.id, one.topic, (*one.said, turn), one.system) for one, turn in asked]
    check_promptable(
        model,
        [Dialogue(s, one.seed, list(one.history), one.index) for s, one in zip(scripts, held, strict=True)],
    )


def live_hash(talks: Sequence[Held]) -> str:
    """What makes live runs comparable: their topics"""
    return hashlib.sha256(json.dumps([LIVE, [(t.id, t.topic, t.system) for t in talks]]).encode()).hexdigest()


def replayed(store: Store, name: str, seed: int) -> tuple[dict[str, Any], list[Held]]:
    """A finished live run, and its conversations with what the person said, as it is said to another model

    Of a replay, the run that it replays. LimaError for a run of a script, whose users' turns the evaluation has."""
    from lima_chat import EvalTurn

    row = find_run(store, name)
    if row["mode"] == REPLAY:
        row = find_run(store, row["replays"])
    if row["mode"] != LIVE:
        evaluation = row["evaluation_path"] or row["evaluation"]
        again = command_on(store.path, "dialogues", "live", evaluation, "--script", "--model", "MODEL")
        raise LimaError(
            f"In dialogue run {row['id']} the users of {row['evaluation']!r} spoke. They speak again with: {again}"
        )
    if row["status"] != "done":
        raise LimaError(f"Dialogue run {row['id']} is {row['status']!r}, not done: finish it before you replay it.")
    turns: dict[str, list[EvalTurn]] = {}
    for one in store.rows(
        "select * from dialogue_turns where dialogue_run = ? order by conversation, turn", [row["id"]]
    ):
        asked = EvalTurn(one["user"], tuple(json.loads(one["requirements"] or "[]")), one["kind"] or "")
        turns.setdefault(one["conversation"], []).append(asked)
    found = [
        Held(c["conversation"], c["topic"], seed, c["system"] or "", tuple(turns.get(c["conversation"], ())))
        for c in conversations(store, row["id"])
    ]
    return row, [one for one in found if one.given]


def resume(
    store: Store,
    name: str,
    model: Any,
    by: str,
    evaluation: str | None = None,
    trust_remote_code: bool = False,
) -> Session:
    """A run that was begun before, as far as it came; what is read from a file, and a plugin's model, must be named again

    LimaError for a run that no person holds or that is complete, for another model, or an evaluation that has changed."""
    row = find_run(store, name)
    if row["mode"] is None:
        raise LimaError(f"Dialogue run {row['id']} is not held by a person. Resume it with: {resume_command(row)}")
    if row["status"] == "done":
        raise LimaError(
            f"Dialogue run {row['id']} is complete. Its replies are graded with `{regrade_command([row], PEOPLE)}`."
        )
    plugins, log = load_plugins(), DialogueLog(store, row["id"])
    given: dict[str, tuple[EvalTurn, ...]] = {}
    if row["mode"] == SCRIPT:
        given = {c.id: c.turns for c in begun_with(plugins, row, evaluation, resume_command(row))[0].values()}
    elif row["mode"] == REPLAY:
        given = {one.id: one.given for one in replayed(store, row["replays"], row["seeds"][0])[1]}
    answering = same_model(row, model, store, trust_remote_code, resume_command(row))
    now = {**made_with(plugins, People(), answering, False), "grader_hash": VERSION}
    check_makers(row, now)
    held = [_recalled(store, row, c, given.get(c["conversation"], ())) for c in conversations(store, row["id"])]
    _check_promptable(answering, [one for one in held if one.status == RUNNING])
    changes, _ = resumed(row, now)
    log.identify(changes)
    return Session(log, {**row, **changes}, answering, by, held)


def _recalled(store: Store, row: Mapping[str, Any], c: Mapping[str, Any], given: "tuple[EvalTurn, ...]") -> Held:
    """A conversation with what was said and answered"""
    from lima_chat import EvalTurn, Turn

    system = c["system"] or ""
    one = Held(c["conversation"], c["topic"], c["seed"], system, given, status=c["status"])
    one.history = [Turn("system", system)] if system else []
    where = "dialogue_run = ? and conversation = ? and seed = ? and status = ?"
    for turn in store.rows(
        f"select * from dialogue_turns where {where} order by turn", [row["id"], c["conversation"], c["seed"], ANSWERED]
    ):
        one.said.append(EvalTurn(turn["user"], tuple(json.loads(turn["requirements"] or "[]")), turn["kind"] or ""))
        one.history += [
            Turn("user", turn["user"]), Turn("assistant", turn["reply"], thoughts=turn["thoughts"] or "")
        ]  # fmt: skip
    return one
