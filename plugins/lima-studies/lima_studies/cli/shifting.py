"""A token-shift study from what a command asks for: begun or found again, done, and reported. Knows nothing of shares."""

from functools import partial
from pathlib import Path
from typing import Any

from lima import CheckpointModel, Sampling, Store, is_registered, load_plugins, open_model
from lima.cli import print_rows
from lima.cli.progress import Bar
from lima_dialogue_eval import check_place
from lima_studies.asking.named import check_there
from lima_studies.asking.replying import settings_of
from lima_studies.asking.work import REPLY_TOKENS
from lima_studies.cli.options import to_ask
from lima_studies.cli.terminal import finish, rows_of_estimates
from lima_studies.prompts.files import read_prompts, take
from lima_studies.record.study import Study
from lima_studies.record.systems import systems_of
from lima_studies.shift.kind import TokenShift
from lima_studies.shift.work import ShiftWork

SAME = "requests in the fine-tune's format"


def carry_out_shift(
    *,
    tuned: str,
    base: str,
    prompts: str,
    take: int | None,
    name: str | None,
    temperature: float,
    max_new_tokens: int,
    seed: int,
    base_renderer: str | None,
    dry_run: bool,
    report: Path | None,
    trust_remote_code: bool,
    database: str | None,
    as_json: bool,
) -> None:
    """Do what is left, write the report and print it; with `dry_run` say what is left"""
    if report:
        check_place(report)
    sampling = Sampling(temperature, 1.0, 1.0, max_new_tokens)
    own = f"requests in the format {base_renderer}" if base_renderer else "requests as it writes them itself"
    reads = own if base_renderer or is_registered(systems_of([base])[0].spec) else SAME
    settings = {**settings_of(sampling, 1, seed), "reads": reads}
    chosen = _take(prompts, take, seed)
    systems = systems_of([tuned, base])
    with to_ask(database) if dry_run else Store(database) as store:

        def opened(spec: str) -> Any:
            return open_model(spec, store, trust_remote_code)

        begin = partial(Study.begin, store, TokenShift.name, settings, chosen, systems, name)
        study = begin(dry=True)
        for system in systems:
            check_there(system.spec, store, opened)
        if dry_run:
            left = len(chosen) - len(study.texts())
            print_rows(rows_of_estimates([_row(study, systems[0].spec, left, max_new_tokens)], as_json), as_json, "")
            return
        fine_tune, ranks = (opened(system.spec) for system in systems)
        if base_renderer and isinstance(ranks, CheckpointModel):
            ranks.renderer = load_plugins().registry("renderers").find(base_renderer)
        work = ShiftWork(study, fine_tune, ranks, reads != SAME)
        begin()
        with Bar("ranking tokens") as bar:
            work.run(sampling, seed, lambda what, done, total: bar.move(done, total))
        finish(study, TokenShift(), report, as_json)


def _take(prompts: str, count: int | None, seed: int) -> list[Any]:
    return take(read_prompts(prompts), count, seed)


def _row(study: Study, spec: str, left: int, most: int) -> dict[str, Any]:
    seconds = study.seconds_a_call(spec)
    hours = 0.0 if not left else None if seconds is None else left * seconds / 3600
    what = {"for": "replies and their ranks", "runs": 0, "calls": left, "prompt_tokens": None}
    return {**what, "completion_tokens": left * min(REPLY_TOKENS, most), "hours": hours, "usd": 0.0}
