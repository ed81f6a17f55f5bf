"""A dialogue run as a log of Inspect, written by inspect_ai itself: a sample a reply, a score for each verdict that is a grade.

A sample's id and epoch are those of `ratings`. Knows nothing of what the verdicts mean.
"""

import json
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lima import GRADES, LimaError, Store
from lima_dialogue_eval.conversation.converse import ANSWERED
from lima_dialogue_eval.conversation.grade import ENDED
from lima_dialogue_eval.exchange.files import new_file
from lima_dialogue_eval.exchange.ratings import sample_id

Row = dict[str, Any]
SUFFIXES = (".eval", ".json")
_KEY = ("conversation", "seed", "turn")


def write_inspect_log(store: Store, run: Row, path: str | Path) -> int:
    """Write a run (a row as of `find_run`) as a new log, .eval or .json; the number of samples

    LimaError without inspect_ai, and for a file of another name or one that exists."""
    check_inspect(path)
    from inspect_ai.log import write_eval_log

    samples = _samples(store, run)
    with new_file(path) as beside:
        form: Any = Path(path).suffix[1:]
        write_eval_log(_log(run, samples), str(beside.resolve()), format=form)
    return len(samples)


def check_inspect(path: str | Path) -> None:
    """LimaError unless inspect_ai is installed and would read a file of this name"""
    if find_spec("inspect_ai") is None:
        raise LimaError("Inspect is not installed. Install it with: pip install 'lima-dialogue-eval[inspect]'")
    if Path(path).suffix not in SUFFIXES:
        raise LimaError(f"Inspect reads logs named *.eval or *.json, and not {Path(path).name!r}. Name --out so.")


def _log(run: Row, samples: Sequence[Any]) -> Any:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalResults, EvalSpec

    spec = EvalSpec(
        created=run["created"],
        task=run["evaluation"],
        run_id=run["id"],
        model=run["model"],
        dataset=EvalDataset(name=run["evaluation"], samples=len({s.id for s in samples})),
        config=EvalConfig(epochs=len(run["seeds"])),
        packages={name: str(value) for name, value in run["environment"].items()},
        metadata={
            key: run[key]
            for key in ("id", "arm", "seeds", "sampling", "grader", "grader_hash", "evaluation_hash", "model_hash")
        },
    )
    results = EvalResults(total_samples=len(samples), completed_samples=len(samples), scores=_shares(samples))
    status: Any = "success" if run["status"] == "done" else "cancelled"
    return EvalLog(status=status, eval=spec, results=results, samples=list(samples))


def _samples(store: Store, run: Row) -> list[Any]:
    """A sample for each reply, after what was said before it"""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    scores = _scores(store, run)
    systems = {
        (row["conversation"], row["seed"]): row["system"]
        for row in store.rows(
            "select conversation, seed, system from dialogue_conversations where dialogue_run = ?", [run["id"]]
        )
    }
    rows = store.rows(
        "select * from dialogue_turns where dialogue_run = ? and status = ? order by conversation, seed, turn",
        [run["id"], ANSWERED],
    )
    found: list[Any] = []
    history: list[Any] = []
    for row in rows:
        if row["turn"] == 1:
            system = systems.get((row["conversation"], row["seed"]))
            history = [ChatMessageSystem(content=system)] if system else []
        asked = [*history, ChatMessageUser(content=row["user"])]
        answer = ChatMessageAssistant(content=_content(row), source="generate", model=run["model"])
        history = [*asked, answer]
        found.append(_sample(run, row, asked, answer, scores.get(tuple(row[key] for key in _KEY), {})))
    return found


def _content(row: Row) -> Any:
    """What the model said; its thoughts apart"""
    from inspect_ai.model import ContentReasoning, ContentText

    if not row["thoughts"]:
        return row["reply"]
    return [ContentReasoning(reasoning=row["thoughts"]), ContentText(text=row["reply"])]


def _sample(run: Row, row: Row, asked: list[Any], answer: Any, scores: dict[str, Any]) -> Any:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ChatCompletionChoice, ModelOutput

    stop: Any = "stop" if row["stop"] in ENDED else "max_tokens" if row["stop"] == "length" else "unknown"
    return EvalSample(
        id=sample_id(row["conversation"], row["turn"]),
        epoch=run["seeds"].index(row["seed"]) + 1,
        input=asked,
        target="",
        messages=[*asked, answer],
        output=ModelOutput(
            model=run["model"], choices=[ChatCompletionChoice(message=answer, stop_reason=stop)], time=row["seconds"]
        ),
        scores=scores,
        metadata={
            **{key: row[key] for key in ("conversation", "seed", "turn", "kind", "stop")},
            "requirements": json.loads(row["requirements"] or "[]"),
        },
    )


def _scores(store: Store, run: Row) -> dict[tuple[Any, ...], dict[str, Any]]:
    """By reply and scorer: the latest grades; a verdict without a grade is no score"""
    from inspect_ai.scorer import Score

    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in store.rows("select * from dialogue_latest_grades where dialogue_run = ? order by id", [run["id"]]):
        scores = found.setdefault(tuple(row[key] for key in _KEY), {})
        name = f"{row['grader']}: {row['rater']}" if row["rater"] else row["grader"]
        scores.pop(name, None)  # of a grader in several versions the newest counts
        if row["grade"]:
            ticks = json.loads(row["ticks"] or "[]")
            scores[name] = Score(
                value=row["grade"],
                explanation=row["reason"] or "",
                metadata={"grader_hash": row["grader_hash"], "ticks": ticks},
            )
    return found


def _shares(samples: Sequence[Any]) -> list[Any]:
    """For each scorer the share of each grade among its scores"""
    from inspect_ai.log import EvalMetric, EvalScore

    counts: dict[str, Counter[str]] = {}
    for sample in samples:
        for name, score in sample.scores.items():
            counts.setdefault(name, Counter())[score.value] += 1
    return [
        EvalScore(
            name=name,
            scorer=name,
            scored_samples=count.total(),
            unscored_samples=len(samples) - count.total(),
            metrics={grade: EvalMetric(name=grade, value=count[grade] / count.total()) for grade in GRADES},
        )
        for name, count in counts.items()
    ]
