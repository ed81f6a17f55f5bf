"""Which epoch's model is the run's, chosen by a grader's grades of its replies to dev prompts, a measure, or by hand (LIMA §3).

Perplexity chooses nothing: in LIMA's App. B it doubles while the judged quality rises. Knows nothing of how the replies
were made, nor of what a grader looks at.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lima.contract.grades import GRADED, GRADER_FAILED, SCORES, UNDECIDED
from lima.contract.kinds import GradesReplies
from lima.data.sources import open_source
from lima.errors import LimaError, did_you_mean
from lima.plugins import Plugins
from lima.record.lock import exclusive
from lima.record.places import command_on, resuming
from lima.record.runs import check_own, dev_prompts_of, lock_of, now
from lima.record.store import Store
from lima.text import blank, storable

FLUSH_SECONDS = 1.0
"Grades are written this often: an interrupted judge loses no more"

OnGrade = Callable[[int, int], None]
"Called with (grades so far, all that are missing)"


def epochs(store: Store, run: str = "") -> list[dict[str, Any]]:
    """A row for each epoch of each run, or of one: folder, perplexity, measures, grades, and whether it is the run's model"""
    chosen = {r["run"] for r in store.rows("select run from choices")}
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in store.rows(
        "select checkpoints.run, epoch, step, checkpoints.folder, checkpoints.created, perplexity, "
        "checkpoints.folder = runs.folder as top from checkpoints join runs on runs.id = run "
        "where ? in ('', run) order by runs.created, run, epoch, top",
        [run],
    ):
        top = row.pop("top")
        one = found.setdefault((row["run"], row["epoch"]), {**row, "model": "", "measures": {}, "grades": {}})
        if top:
            one["model"] = "chosen" if row["run"] in chosen else "last"
    for row in store.rows("select * from checkpoint_quality order by grader"):
        if (row["run"], row["epoch"]) not in found:
            continue
        found[row["run"], row["epoch"]]["measures"] = json.loads(row["measures"])
        if row["grader"] is not None:
            counts = {k: row[k] for k in ("mean_grade", "excellent", "pass", "fail", "n", "undecided")}
            found[row["run"], row["epoch"]]["grades"][row["grader"]] = counts
    return list(found.values())


def last_choice(store: Store, run: str) -> dict[str, Any] | None:
    """Epoch, grader or measure and reason of what was chosen last; None where nothing was, and the last epoch is the model"""
    rows = store.rows("select epoch, grader, measure, reason from choices where run = ? order by id", [run])
    return rows[-1] if rows else None


def has_replies(store: Store, run: str) -> bool:
    """Whether a run has stored replies to dev prompts"""
    return bool(store.rows("select 1 from generations where run = ? limit 1", [run]))


def generations(store: Store, run: str, epoch: int | None = None, example: str | None = None) -> list[dict[str, Any]]:
    """Stored replies of a run, prompt by prompt and epoch by epoch, each with its latest grades; LimaError if none match"""
    rows = store.rows(
        "select epoch, position, source, example, prompt, reference, reply, stop, tokens, seconds from generations "
        "join dev_prompts using (run, position) where run = :run and (:epoch is null or epoch = :epoch) "
        "and (:example is null or example = :example) order by position, epoch",
        {"run": run, "epoch": epoch, "example": example},
    )
    if not rows:
        raise LimaError(_nothing(store, run, epoch, example))
    grades: dict[tuple[int, int], dict[str, Any]] = {}
    for g in store.rows("select * from generation_latest_grades where run = ? order by grader", [run]):
        verdict = {"grade": g["grade"], "reason": g["reason"]}
        grades.setdefault((g["epoch"], g["position"]), {})[g["grader"]] = verdict
    return [{**row, "grades": grades.get((row["epoch"], row["position"]), {})} for row in rows]


def _nothing(store: Store, run: str, epoch: int | None, example: str | None) -> str:
    """Why no such reply was found"""
    kept = [r["epoch"] for r in store.rows("select distinct epoch from generations where run = ?", [run])]
    if not kept:
        return (
            f"Run {run} has no replies to dev prompts. Name held-out examples in its recipe: "
            "--set dev=FILE.jsonl --set keep_epochs=true."
        )
    if epoch is not None and epoch not in kept:
        return f"Run {run} has no replies of epoch {epoch}; it has those of {', '.join(map(str, sorted(kept)))}."
    names = [r["example"] for r in store.rows("select example from dev_prompts where run = ?", [run])]
    return f"Run {run} has no dev example {example!r}.{did_you_mean(str(example), names)}"


def grade(store: Store, run: str, grader: str, plugins: Plugins, on_grade: OnGrade | None = None) -> int:
    """Let a grader grade those replies of a run that it has not graded; their number

    LimaError for a grader that grades no single replies, and when it fails: what it graded before is kept."""
    judge = replying(plugins, grader, store)
    finished(store, run)
    lock = store.path.resolve().with_name(f".{Path(run).name}.grading.lock")
    with exclusive(lock, f"grading the replies of run {run}"):  # two at once would pay twice for each grade
        return _grade(store, run, judge, grader, plugins, on_grade)


def _grade(store: Store, run: str, judge: Any, grader: str, plugins: Plugins, on_grade: OnGrade | None) -> int:
    done = {
        (r["epoch"], r["position"])
        for r in store.rows("select * from generation_latest_grades where run = ? and grader = ?", [run, grader])
        if r["status"] != GRADER_FAILED
    }
    missing = [r for r in generations(store, run) if (r["epoch"], r["position"]) not in done]
    if not missing:
        return 0
    records = _records(store, run, plugins)
    pending: list[dict[str, Any]] = []
    flushed = time.monotonic()

    def flush() -> None:
        with store.write() as db:
            db.table("generation_grades").insert_all(pending)
        pending.clear()

    try:
        for number, row in enumerate(missing, 1):
            verdict = _verdict(judge, grader, records[row["position"]], row)
            key = {"run": run, "epoch": row["epoch"], "position": row["position"], "grader": grader}
            pending.append({**key, **verdict, "created": now()})
            if time.monotonic() - flushed > FLUSH_SECONDS:
                flush()
                flushed = time.monotonic()
            if on_grade:
                on_grade(number, len(missing))
    finally:
        flush()
    return len(missing)


def replying(plugins: Plugins, grader: str, store: Store) -> GradesReplies:
    """The grader NAME or NAME:ARGUMENT; LimaError listing those that grade single replies when it does not"""
    graders = plugins.registry("graders")
    found = graders.open(grader, store)
    if not isinstance(found, GradesReplies):
        why = graders.lacking(grader, GradesReplies, "grade a reply to a dev prompt")
        raise LimaError(f"{why} Or choose by hand, with --epoch N.")
    return found


def _records(store: Store, run: str, plugins: Plugins) -> list[Any]:
    """The dev examples of a run in their order, from their sources, which must be what they were"""
    # The sources of the rows and not of the recipe, from which `dev` may have been left out when the run was resumed.
    prompts = dev_prompts_of(store, run)
    specs = {row["source"] for row in prompts}
    tables = store.run(run)["recipe"].get("plugins", {})
    opened = {spec: {r.content_hash: r for r in open_source(spec, plugins, tables).records} for spec in specs}
    records = []
    for row in prompts:
        if row["hash"] not in opened[row["source"]]:
            raise LimaError(
                f"The dev example {row['example']!r} is no longer in {row['source']!r}, or has changed since run {run}. "
                "Restore the source, or choose by hand, with --epoch N."
            )
        records.append(opened[row["source"]][row["hash"]])
    return records


def _verdict(judge: Any, grader: str, record: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Grade or None, reason and status of one reply; an empty one is a Fail whatever the grader says"""
    if blank(row["reply"]):
        return {"grade": "fail", "reason": "The reply is empty.", "status": GRADED}
    where = f"The grader {grader!r} failed on the reply of epoch {row['epoch']} to {row['example']!r}"
    kept = "Its earlier grades are kept: the same command resumes from here."
    try:
        verdict = judge.grade_reply(record, row["reply"], row["stop"])
    except LimaError as e:
        raise LimaError(f"{where}: {e} {kept}") from e
    grade, reason, status = verdict.grade, storable(verdict.reason), storable(verdict.status)
    if grade is not None and grade not in SCORES:
        raise LimaError(f"{where}: it returned {grade!r}; expected {', '.join(SCORES)} or None. {kept}")
    if status not in (GRADED, UNDECIDED, GRADER_FAILED) or (grade is None) != (status != GRADED):
        raise LimaError(
            f"{where}: it returned the grade {grade!r} with the status {status!r}; expected a grade with {GRADED!r}, or None "
            f"with {UNDECIDED!r} or {GRADER_FAILED!r}. {kept}"
        )
    return {"grade": grade, "reason": reason, "status": status}


def best(store: Store, run: str, grader: str) -> tuple[int, str]:
    """(epoch, why) with the highest mean of Fail 0, Pass 1, Excellent 2; of equal ones the earlier, which has seen less

    Epochs are compared on the dev prompts that have a verdict in all of them, and not only undecided ones; LimaError if none has.
    With undecided replies among them a mean would compare nothing but what failed: then the fewest fails decide."""
    replies = generations(store, run)
    verdicts: dict[int, dict[int, str]] = {r["epoch"]: {} for r in replies}
    for r in store.rows("select * from generation_latest_grades where run = ? and grader = ?", [run, grader]):
        found = UNDECIDED if r["status"] == UNDECIDED else r["grade"]
        if found is not None and r["epoch"] in verdicts:
            verdicts[r["epoch"]][r["position"]] = found
    everywhere = set.intersection(*map(set, verdicts.values()))
    common = {i for i in everywhere if any(of[i] != UNDECIDED for of in verdicts.values())}
    if not common:
        raise LimaError(
            f"No dev prompt of run {run} has a grade by {grader!r} in every epoch; "
            f"`{command_on(store.path, 'checkpoints', 'show', run)}` has the reasons. Choose by hand, with --epoch N."
        )
    undecided = sum(of[i] == UNDECIDED for of in verdicts.values() for i in common)
    values = {epoch: _value([of[i] for i in common], bool(undecided)) for epoch, of in verdicts.items()}
    epoch = max(values, key=lambda e: (values[e], -e))
    why = f"mean grade {values[epoch]:.2f} of 2 by {grader} over {len(common)} dev prompts, the best of {len(values)} epochs"
    if undecided:
        why = (
            f"fewest fails, {-values[epoch]:.0f} of {len(common)} dev prompts by {grader}, of {len(values)} epochs ({undecided} "
            "replies are undecided, so there is no mean grade)"
        )
    if tied := [str(e) for e in values if e != epoch and values[e] == values[epoch]]:
        why += f"; the same as of {', '.join(tied)}, and the earliest is taken"
    left = len({r["position"] for r in replies} - common)
    return epoch, why + (f"; {left} without a grade in every epoch left out" if left else "")


def _value(verdicts: list[str], undecided: bool) -> float:
    """What an epoch's verdicts are worth: their mean grade, or where some are undecided minus the number of fails"""
    if undecided:
        return -float(verdicts.count("fail"))
    return sum(SCORES[v] for v in verdicts) / len(verdicts)


def best_by(store: Store, run: str, measure: str) -> tuple[int, str]:
    """(epoch, why) with the highest value of what a plugin measured; of equal ones the earlier

    LimaError if some epoch that was kept has no such value."""
    kept = [row for row in epochs(store, run) if row["folder"]]
    known = sorted({name for row in kept for name in row["measures"]})
    values = {row["epoch"]: row["measures"][measure] for row in kept if measure in row["measures"]}
    if not values:
        has = did_you_mean(measure, known) if known else " Measures are taken where a recipe names `dev` examples."
        raise LimaError(f"Run {run} has no measure {measure!r}.{has}")
    if lacking := [str(row["epoch"]) for row in kept if row["epoch"] not in values]:
        raise LimaError(
            f"Epoch {', '.join(lacking)} of run {run} has no {measure!r}, so the epochs cannot be compared by it. "
            "Choose by hand, with --epoch N."
        )
    epoch = max(values, key=lambda e: (values[e], -e))
    return epoch, f"{measure} {values[epoch]:.3f}, the highest of {len(values)} epochs"


def choose(store: Store, run: str, epoch: int, grader: str, reason: str, measure: str = "") -> Path:
    """Make an epoch's model the run's, and record who chose it (a grader, a measure, or neither: by hand) and why; its folder

    The epochs' own folders stay as they are, the last one's among them. LimaError for an epoch that was not kept, and where the
    folders that the database names hold anything but this run's models."""
    folder = Path(finished(store, run)["folder"])
    _choosable(store, run, epoch)
    with exclusive(lock_of(folder), f"writing to {folder}"):
        _choose(store, run, epoch, (grader, measure, reason), _choosable(store, run, epoch))
    return folder


def _choosable(store: Store, run: str, epoch: int) -> dict[int, dict[str, Any]]:
    """The epochs that a run kept, by their numbers; LimaError unless this one may become its model"""
    row = finished(store, run)
    folder = Path(row["folder"])
    kept = {r["epoch"]: r for r in epochs(store, run) if r["folder"] != row["folder"]}
    if not kept:
        raise LimaError(f"Run {run} kept no epoch to choose. Train with --set keep_epochs=true.")
    if epoch not in kept:
        raise LimaError(f"Run {run} kept no epoch {epoch}; it kept {', '.join(map(str, kept))}.")
    later = store.rows(
        "select run from checkpoints where folder = ? and run != ? and created > ?",
        [row["folder"], run, row["created"]],
    )
    if later:
        raise LimaError(
            f"{folder} now has the model of run {later[0]['run']}. The epoch is in {kept[epoch]['folder']}."
        )
    source = Path(kept[epoch]["folder"])
    if (
        source != folder / f"epoch-{epoch:02d}" or source.resolve() != source
    ):  # a database may come from anywhere, and must not say what is copied where
        raise LimaError(
            f"{source} is not epoch {epoch} of {folder}, so it is not copied there. Copy it yourself if it is right."
        )
    for place in (source, folder):
        check_own(place, run)
    return kept


def _choose(store: Store, run: str, epoch: int, by: tuple[str, str, str], kept: dict[int, dict[str, Any]]) -> None:
    """Copy a kept epoch's model over the run's, and record it"""
    from lima.model.folder import check_weights
    from lima.model.saving import beside, put_in_place, to_disk

    grader, measure, reason = by
    source = check_weights(kept[epoch]["folder"])
    folder = source.parent
    who = f"by the grader {grader}" if grader else f"by the measure {measure}" if measure else "by hand"
    how = f"Epoch {epoch} of {len(kept)}, chosen {who}"
    with beside(folder) as copy:
        shutil.copytree(source, copy, dirs_exist_ok=True)
        with open(copy / "README.md", "a", encoding="utf-8") as card:
            card.write(f"\n{how}{f': {reason}' if reason else ''}.\n")
        to_disk(copy)
        # Copied first, so that the database is locked only for a few renames.
        with store.write() as db:
            about = {"grader": grader, "measure": measure, "reason": storable(reason), "created": now()}
            db.table("choices").insert({"run": run, "epoch": epoch, **about})
            db.execute(
                "update checkpoints set epoch = ?, step = ?, perplexity = ? where run = ? and folder = ?",
                [epoch, kept[epoch]["step"], kept[epoch]["perplexity"], run, str(folder)],
            )
            put_in_place(copy, folder)


def finished(store: Store, run: str) -> dict[str, Any]:
    """The row of a run that is done; LimaError if the run may still change"""
    row = store.run(run)
    if row["status"] != "done":
        kept = [r["folder"] for r in epochs(store, row["id"]) if r["folder"] != row["folder"]]
        so_far = f" What it kept so far: {', '.join(kept)}." if kept else ""
        raise LimaError(
            f"Run {row['id']} is not done, it is {row['status']!r}: its epochs can be graded and chosen when all are there. "
            f"Resume with `{resuming(row['id'], store.path)}`.{so_far}"
        )
    return row
