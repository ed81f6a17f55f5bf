"""Whether a run that is resumed is the one that was started: its base, sources, dev examples, tokens and code.

Knows nothing of states or of steps.
"""

import logging
from typing import Any

from lima.contract.runs import Run
from lima.data.dataset import Prepared
from lima.errors import LimaError
from lima.record.runs import dev_prompts_of, plugins_of, sources_of
from lima.record.store import Store


def check_same(run: Run, row: dict[str, Any], ready: Prepared, store: Store) -> None:
    """Raise LimaError where base, sources, dev examples or tokens are others than in the run's `row`; warn of other code"""
    if run.base_hash != row["base_hash"]:
        raise LimaError(
            f"The base model {run.base} is not what run {run.id} was started from. Restore it, or start a new run."
        )
    hashes = {r["source"]: r["hash"] for r in sources_of(store, run.id)}
    changed = [s["source"] for s in run.sources if hashes.get(s["source"]) != s["hash"]]
    if changed:
        raise LimaError(
            f"The source {changed[0]!r} has changed since run {run.id} was started. Restore it, or start a new run."
        )
    known = [(r["source"], r["hash"]) for r in dev_prompts_of(store, run.id)]
    if ready.dev and known != [(d.source, d.record.content_hash) for d in ready.dev]:
        raise LimaError(
            f"The dev examples of run {run.id} ({', '.join(ready.recipe.dev)}) have changed since it was started, so its epochs "
            "could not be compared. Restore them, or start a new run."
        )
    _check_rows(run, row["rows_hash"])
    _warn_of_other_code(run, row["environment"], store)


def _check_rows(run: Run, rows_hash: str | None) -> None:
    """Raise LimaError if other ids or weights would be trained than when the run was started; warn if that cannot be known"""
    if not rows_hash:
        logging.getLogger("lima").warning(
            "Run %s was started by a lima that did not note which tokens it trains, nor the date that its template may write. It "
            "is resumed, but whether with the same tokens is not known.",
            run.id,
        )
    elif rows_hash != run.rows_hash:
        raise LimaError(
            f"The examples of run {run.id} are the same, but they give other tokens than when it was started: the template, the "
            "tokenizer or a plugin has changed. Restore it, or start a new run."
        )


def _warn_of_other_code(run: Run, environment: dict[str, str], store: Store) -> None:
    """Warn if the code has changed since the run was started: the result may then not be that of a run that never stopped"""
    apart = ("processes", "directory")  # they do not affect the result
    before = {k: v for k, v in environment.items() if k not in apart}
    before |= {r["plugin"]: r["hash"] for r in plugins_of(store, run.id)}
    here = {k: v for k, v in run.environment.items() if k not in apart} | {p["plugin"]: p["hash"] for p in run.plugins}
    changed = sorted(name for name in before | here if before.get(name) != here.get(name))
    if changed:
        logging.getLogger("lima").warning(
            "Since run %s was started these have changed: %s. It is resumed, but may not end in the same bits as if it had "
            "never stopped.",
            run.id,
            ", ".join(changed),
        )
