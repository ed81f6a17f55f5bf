"""The models of a run's epochs, as systems of a study. Knows nothing of scores."""

from pathlib import Path

from lima import LimaError
from lima.cli import store_to_read


def checkpoints_of(database: str | None, run: str) -> list[str]:
    """NAME=FOLDER of each epoch's model, in their order; LimaError for a run that has fewer than two"""
    with store_to_read(database) as store:
        row = store.run(run)
        folders: dict[int, str] = {}
        for one in store.checkpoints(run=row["id"]):
            if one["folder"] != row["folder"] and (Path(one["folder"]) / "config.json").is_file():
                folders[one["epoch"]] = one["folder"]
    if len(folders) < 2:
        raise LimaError(
            f"Run {row['id']} has kept the models of {len(folders)} epochs; there is nothing to choose from. Train with "
            "--set keep_epochs=true."
        )
    return [f"epoch {epoch}={folders[epoch]}" for epoch in sorted(folders)]
