"""Which dialogue runs may be compared or pooled, and what else differs between them.

A hash is the identity: of the evaluation, of the grader, and of the weights that answered. Rows of versions before hashes have
none, and are comparable with each other only. Knows nothing of grades.
"""

import shlex
from collections.abc import Sequence
from typing import Any

from lima import LimaError, Store
from lima_dialogue_eval.comparison.grid import Grid
from lima_dialogue_eval.evaluation.provenance import regrade_command, resume_command
from lima_dialogue_eval.record.log import find_run

Row = dict[str, Any]


def find_arm(store: Store, names: str | Sequence[str]) -> list[Row]:
    """The dialogue runs of one arm, by id, start of an id, or arm"""
    runs = [find_run(store, name) for name in ([names] if isinstance(names, str) else names)]
    if not runs:
        raise LimaError("An arm has no dialogue run; name at least one. `lima dialogues` lists them.")
    return runs


def check_runs(arms: Sequence[Sequence[Row]], grader: str | None) -> str:
    """The grader whose verdicts count; LimaError unless all are finished runs of one evaluation, each named once"""
    runs = [run for arm in arms for run in arm]
    first, ids = runs[0], [run["id"] for run in runs]
    for run in runs:
        if ids.count(run["id"]) > 1:
            raise LimaError(f"Dialogue run {run['id']} is named twice; each run may be on one side, once.")
        _same(first, run, "evaluation", "only runs of the same can be compared. `lima dialogues` lists them.")
        if grader is None:
            chosen = f"--grader {shlex.quote(first['grader'])}"
            again = f"`{regrade_command([run], first['grader'])}`, then compare with `{chosen}`."
            _same(first, run, "grader", f"only runs of the same can be compared. Let one grade both: {again}")
        declared = {one.get("checks_decide") for one in (first, run)} - {None}
        if run["evaluation_hash"] != first["evaluation_hash"] or len(declared) > 1:
            raise LimaError(
                f"The evaluation {run['evaluation']!r} changed between dialogue runs {first['id']} and {run['id']} "
                "(their hashes differ): run both arms again."
            )
        if run["status"] != "done":
            raise LimaError(
                f"Dialogue run {run['id']} is {run['status']!r}, not done. Finish it with: {resume_command(run)}"
            )
    return grader or str(first["grader"])


def _same(first: Row, run: Row, key: str, advice: str) -> None:
    if run[key] != first[key]:
        raise LimaError(
            f"Dialogue run {first['id']} is of the {key} {first[key]!r} and {run['id']} of {run[key]!r}: {advice}"
        )


def can_only_fail(run: Row, grader: str) -> bool | None:
    """Whether the grader's kind is known to leave praise to a reader: `requirements`, unless the checks decide all

    None where that is not known: other graders, and runs of earlier versions."""
    declared = run.get("checks_decide")
    return None if grader != "requirements" or declared is None else not declared


def check_grader(runs: Sequence[Row], grids: Sequence[Grid], grader: str) -> str | None:
    """The hash of the grader that gave all verdicts on the arms' runs; None for an earlier version; LimaError for several"""
    if unseen := [id for grid in grids for id in grid.unseen]:
        raise LimaError(
            f"Dialogue run {unseen[0]} has no verdict of the grader {grader!r}. Let it grade: "
            f"{regrade_command(_named(runs, unseen), grader)}"
        )
    found = [(hash, id) for grid in grids for hash, id in grid.versions.items()]
    for hash, id in found:
        if hash != found[0][0]:
            ids = list(dict.fromkeys((found[0][1], id)))
            raise LimaError(
                f"The grader {grader!r} graded {' and '.join(f'dialogue run {one}' for one in ids)} in two versions "
                f"({version(found[0][0])}, {version(hash)}), whose grades are not compared. Let the present one grade: "
                f"{regrade_command(_named(runs, ids), grader)}"
            )
    return found[0][0] if found else None


def _named(runs: Sequence[Row], ids: Sequence[str]) -> list[Row]:
    """The runs of these ids, in their order"""
    return [next(run for run in runs if run["id"] == id) for id in ids]


def version(hash: str | None) -> str:
    """'sha256 1a2b3c4d', or 'an earlier version' where there were no hashes yet"""
    return f"sha256 {hash[:8]}" if hash else "an earlier version"


def check_pooled(runs: Sequence[Row]) -> None:
    """LimaError if runs of one side are of different models or sampling, or have a seed in common"""
    anyway = "compare them as arms of their own, or pool them all the same with --pool-anyway."
    first, seeds = runs[0], dict[int, str]()
    for run in runs:
        pair = f"Dialogue runs {first['id']} and {run['id']} are pooled on one side, but"
        hashes = first.get("model_hash"), run.get("model_hash")
        key = "model_hash" if all(hashes) else "model"
        if run[key] != first[key]:
            raise LimaError(f"{pair} of different models ({_model(first, key)}, {_model(run, key)}): {anyway}")
        if run["sampling"] != first["sampling"]:
            names = sorted(first["sampling"].keys() | run["sampling"].keys())
            told = [n for n in names if first["sampling"].get(n) != run["sampling"].get(n)]
            raise LimaError(f"{pair} of different sampling ({', '.join(told)}): {anyway}")
        for seed in run["seeds"]:
            if seed in seeds:
                raise LimaError(
                    f"Dialogue runs {seeds[seed]} and {run['id']} are pooled on one side, but both have the seed {seed}: the "
                    "same replies would count twice. Leave one out, or pool them all the same with --pool-anyway."
                )
            seeds[seed] = run["id"]


def _model(run: Row, key: str) -> str:
    return f"{run['model']}, {version(run[key])}" if key == "model_hash" else str(run["model"])


def differences(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Sentences on what differs between the runs besides the model: sampling, environment, template, plugins"""
    notes, arms = [], (before, after)
    for key in ("sampling", "environment"):
        for name in sorted({name for arm in arms for run in arm for name in run[key]}):
            sides = [{str(run[key].get(name, "?")) for run in arm} for arm in arms]
            notes += _differing(name.replace("_", " "), sides)
    notes += _differing("template", [{version(run.get("template_hash")) for run in arm} for arm in arms])
    owners = sorted({p["plugin"] for arm in arms for run in arm for p in run["plugins"]})
    code = [owner for owner in owners if len({_code(run, owner) for arm in arms for run in arm}) > 1]
    if code:
        notes.append(f"The runs used different versions of {', '.join(code)}.")
    weights = [{run.get("model_hash") for run in arm} for arm in arms]
    if weights[0] == weights[1] and None not in weights[0]:
        notes.append("Both arms were answered by the same weights.")
    return notes


def turns_pair(before: Sequence[Row], after: Sequence[Row]) -> bool:
    """Whether the users say the same on both sides: a script, or one live run and replays of it

    Live conversations differ in their turns, so that only their means pair (LIMA §6: 42 turns against 46)."""
    spoken = {run.get("replays") or (run["id"] if run.get("mode") == "live" else "script") for run in [*before, *after]}
    return len(spoken) == 1


def modes(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Sentences on runs that a person held, and what that means for the comparison"""
    said = [", ".join(dict.fromkeys(mode_text(run) for run in arm)) for arm in (before, after)]
    if not any(run.get("mode") for run in [*before, *after]):
        return []
    found = [f"How the conversations were held: {said[0]} before, {said[1]} after."]
    if not turns_pair(before, after):
        found.append(
            "The users' turns differ between the arms, so turns do not pair: a conversation counts with its own turns' mean."
        )
    return found


def mode_text(run: Row) -> str:
    """'live', 'replay of RUN', 'script, graded while it was held', or 'script'"""
    mode = run.get("mode")
    if mode == "replay":
        return f"replay of {run['replays']}"
    return "script, graded while it was held" if mode == "script" else str(mode or "script")


def _differing(name: str, sides: Sequence[set[str]]) -> list[str]:
    if len(sides[0] | sides[1]) < 2:
        return []
    here, there = (" and ".join(sorted(side)) for side in sides)
    return [f"The arms differ in {name}: {here} before, {there} after."]


def _code(run: Row, owner: str) -> tuple[str, str] | None:
    """Version and hash of a plugin in a run"""
    return next(((p["version"], p["hash"]) for p in run["plugins"] if p["plugin"] == owner), None)
