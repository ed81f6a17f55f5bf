"""Win, tie and lose of two dialogue runs: the rows of a preference run, and what follows from them.

The unit is the conversation. Both orders must agree, else it is a tie, and a flip. Knows nothing of prompts.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lima import LimaError, exclusive, new_run_id, now
from lima_judges.match import PreferenceJudge, Showing, pairs_of

if TYPE_CHECKING:
    from lima import Store

DEFINITIONS = {
    "wins": "Conversations that A wins: each pair counts 1 for A, ½ for a tie, 0 for B; over several seeds the mean decides.",
    "ties": "Conversations with a mean of ½.",
    "losses": "Conversations that B wins.",
    "win_or_tie": "(W + T) / N, as LIMA §4 reports it.",
    "score": "(W + T/2) / N with the t interval over conversations (N − 1 degrees of freedom).",
    "p_value": "Two-sided exact sign test of wins against losses; ties are left out of it.",
    "flips": "Pairs on which the two orders disagree, of all pairs with both read; they count as ties. 95 % Wilson interval.",
    "first_preferred": "How often the conversation that was shown first was preferred, of all answers that preferred one.",
    "unread": "Answers without a verdict; their pairs are left out.",
    "errors": "Calls that failed; their pairs are left out, and the same command asks them again.",
}


@dataclass(frozen=True)
class Preference:
    """How A fares against B"""

    id: str
    wins: int
    ties: int
    losses: int
    win_or_tie: float | None
    score: float | None
    interval: tuple[float, float] | None
    p_value: float
    pairs: int
    flips: int
    flip_interval: tuple[float, float] | None
    first_preferred: tuple[int, int]
    unread: int
    errors: int
    left_out: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with what each figure means"""
        return {**asdict(self), "definitions": DEFINITIONS}


def preference(id: str, rows: Sequence[dict[str, Any]], left_out: Sequence[str]) -> Preference:
    """The figures of a preference run's rows; the last row of each showing counts"""
    from lima_dialogue_eval import sign_test, t_interval, wilson

    latest = {(r["conversation"], r["seed_a"], r["seed_b"], r["first"]): r for r in rows}
    read = {key: r["preferred"] for key, r in latest.items() if r["status"] == "parsed"}
    scores: dict[str, list[float]] = {}
    flips = pairs = 0
    for key in dict.fromkeys(k[:3] for k in latest):
        orders = [read.get((*key, first)) for first in ("A", "B")]
        if None in orders:
            continue
        pairs += 1
        flips += orders[0] != orders[1]
        agreed = orders[0] if orders[0] == orders[1] else "neither"
        scores.setdefault(key[0], []).append({"A": 1.0, "B": 0.0}.get(str(agreed), 0.5))
    means = [sum(s) / len(s) for s in scores.values()]
    points = [1.0 if m > 0.5 else 0.0 if m < 0.5 else 0.5 for m in means]
    wins, losses, n = points.count(1.0), points.count(0.0), len(points)
    interval = t_interval(points)
    chosen = [key for key, preferred in read.items() if preferred != "neither"]
    return Preference(
        id=id,
        wins=wins,
        ties=points.count(0.5),
        losses=losses,
        win_or_tie=1 - losses / n if n else None,
        score=sum(points) / n if n else None,
        interval=(max(0.0, interval[0]), min(1.0, interval[1])) if interval else None,
        p_value=sign_test(wins, losses),
        pairs=pairs,
        flips=flips,
        flip_interval=wilson(flips, pairs),
        first_preferred=(sum(read[key] == key[3] for key in chosen), len(chosen)),
        unread=sum(row["status"] == "unparsed" for row in latest.values()),
        errors=sum(row["status"] == "error" for row in latest.values()),
        left_out=tuple(left_out),
    )


def prefer(
    store: "Store",
    a: dict[str, Any],
    b: dict[str, Any],
    judge: PreferenceJudge,
    on_progress: Callable[[int, int], None] | None = None,
) -> Preference:
    """Judge dialogue runs A and B (rows of `find_run`) against each other; every answer is kept as it comes

    A preference run of the same two by the same judge that did not finish is continued."""
    pairs, left_out = pairs_of(store, a, b)
    showings = [Showing(pair, first) for pair in pairs for first in ("A", "B")]
    with exclusive(store.path.resolve().with_name(f".{a['id']}-{b['id']}.lock"), "judging these two dialogue runs"):
        id = _begun(store, a["id"], b["id"], judge)
        done = {_key(row) for row in rows_of(store, id) if row["status"] == "parsed"}
        judge.charge_to(id)

        def keep(row: dict[str, Any]) -> None:
            with store.write() as db:
                db.table("preferences").insert({"preference_run": id, **row})
            done.add(_key(row))
            if on_progress:
                on_progress(len(done), len(showings))

        try:
            judge.judge([s for s in showings if s.key not in done], keep)
        except BaseException as e:
            _mark(store, id, "interrupted" if isinstance(e, KeyboardInterrupt) else "failed")
            e.add_note("Every answer is kept. The same command continues from there.")
            raise
        rows = rows_of(store, id)
        found = preference(id, rows, left_out)
        _mark(store, id, "failed" if found.errors else "done")
        if found.errors == len(showings):
            raise LimaError(f"Every call failed. {rows[-1]['answer']}")
        return found


def rows_of(store: "Store", id: str) -> list[dict[str, Any]]:
    """The answers of a preference run, in the order in which they came"""
    return store.rows("select * from preferences where preference_run = ? order by id", [id])


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["conversation"], row["seed_a"], row["seed_b"], row["first"]


def _begun(store: "Store", a: str, b: str, judge: PreferenceJudge) -> str:
    """The id of the unfinished preference run of these two by this judge, or of a new one"""
    unfinished = store.rows(
        "select id from preference_runs where run_a = ? and run_b = ? and judge_hash = ? and status <> 'done' "
        "order by created desc limit 1",
        [a, b, judge.hash],
    )
    if unfinished:
        _mark(store, unfinished[0]["id"], "running")
        return str(unfinished[0]["id"])
    id = new_run_id()
    row = {"id": id, "created": now(), "finished": None, "status": "running", "run_a": a, "run_b": b}
    with store.write() as db:
        db.table("preference_runs").insert({**row, "judge": str(judge.model.name), "judge_hash": judge.hash})
    return id


def _mark(store: "Store", id: str, status: str) -> None:
    finished = None if status == "running" else now()
    with store.write() as db:
        db.execute("update preference_runs set status = ?, finished = ? where id = ?", [status, finished, id])
