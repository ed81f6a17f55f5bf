"""`lima runs`: what was trained on what, from the store."""

import json
from typing import Any

import click

from lima.cli.group import Group
from lima.cli.show import database_option, json_option, print_fields, print_json, print_rows, store_to_read
from lima.text import visible


@click.group(cls=Group, invoke_without_command=True)
@database_option
@json_option
@click.pass_context
def runs(ctx: click.Context, database: str | None, as_json: bool) -> None:
    """List the runs, newest last"""
    if ctx.invoked_subcommand is not None:
        return
    from lima.record.places import resuming
    from lima.record.runs import summaries, was_killed

    with store_to_read(database) as store:
        rows = summaries(store)
        killed = [row["id"] for row in rows if row["status"] == "running" and was_killed(store, row["id"])]
        print_rows(
            [{**row, "status": "killed" if row["id"] in killed else row["status"]} for row in rows],
            as_json,
            f"No run in {store.path}. Make one with `lima train` or `lima demo`.",
            ("id", "status", "seed", "steps", "last_loss", "sources"),
        )
    if killed and not as_json:
        click.echo(visible(f"To resume a run that was killed: `{resuming(killed[-1], store.path)}`."))


@runs.command("show")
@click.argument("run")
@database_option
@json_option
def show_run(run: str, database: str | None, as_json: bool) -> None:
    """Everything recorded of one run (the start of its id is enough)"""
    from lima.record import runs as of
    from lima.record.selection import last_choice

    with store_to_read(database) as store:
        row = store.run(run)
        if of.was_killed(store, row["id"]):
            row["status"] = "killed"
        row["plugins"] = of.plugins_of(store, row["id"])
        row["sources"] = of.sources_of(store, row["id"])
        row["examples_by_status"] = of.examples_by_status(store, row["id"])
        row["left_out"] = of.left_out(store, row["id"])
        row["losses"] = of.losses_of(store, row["id"])
        if chosen := last_choice(store, row["id"]):
            row["chosen"] = chosen
        if as_json:
            print_json(row)
            return
        losses, left_out = row.pop("losses"), row.pop("left_out")
        said = [f"{one['example']} {one['status']}: {one['reason']}" for one in left_out]
        more = [f"{len(said) - MOST:,} more; --json has all"] if len(said) > MOST else []
        row["left_out"] = "\n".join([*said[:MOST], *more])
        row["losses"] = f"{losses[0]:.3f} → {losses[-1]:.3f} over {len(losses)} steps" if losses else "none"
        print_fields({k: _plain(v) for k, v in row.items() if v not in (None, "")}, as_json=False)


MOST = 10
"Examples that were not kept whole of which the reason is shown"


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


COMMANDS = (runs,)
