"""The loss of every step, in a CSV file beside the checkpoint."""

from lima import hookimpl


@hookimpl
def after_step(run, step, metrics):
    with open(f"{run.folder}-losses.csv", "a", encoding="utf-8") as file:
        print(step, metrics["loss"], sep=",", file=file)
