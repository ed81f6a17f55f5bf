"""Imported by tests: the recipe of a run of six steps, and two models' weights compared."""

import torch

from lima.recipe import Recipe

FAST = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-2, "final_learning_rate": 1e-3, "residual_dropout": 0.0}


def recipe(base, pairs, out, **changes):
    return Recipe(base=str(base), sources=(str(pairs),), out=str(out)).with_values(FAST | changes)


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def assert_same(a, b, **tolerance):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(
            a[name], b[name], **(tolerance or {"rtol": 0, "atol": 0}), msg=lambda m, n=name: f"{n}: {m}"
        )
