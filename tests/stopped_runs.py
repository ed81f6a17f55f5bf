"""Imported by tests: the recipe of a run of thirty steps, and a way to stop it at one of them."""

from lima.recipe import Recipe

KEYS = {
    "epochs": 6,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "final_learning_rate": 1e-3,
    "residual_dropout": 0.3,
    "save_every": 3,
}


def recipe(base, pairs, out, **changes):
    return Recipe(base=str(base), sources=(str(pairs),), out=str(out)).with_values(KEYS | changes)


class Stop(BaseException):
    """What a test stops a run with"""


def stop_at(number):
    def on_step(step, steps, metrics):
        if step == number:
            raise Stop

    return on_step
