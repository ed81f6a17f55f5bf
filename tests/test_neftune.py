"""The noise has NEFTune's size for each example's own length, only in training, and is off by default."""

import pytest
import torch

from lima.model.neftune import Neftune
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import tiny_model
from lima.train.start import fine_tune

pytestmark = pytest.mark.usefixtures("core_alone")


def test_the_size_follows_each_examples_length():
    model = tiny_model().train()
    embedding = model.get_input_embeddings()
    ids = torch.arange(1, 105)[None]
    clean = embedding(ids).detach()
    noise = Neftune(model, alpha=5.0)
    noise.segments = (4, 100)
    torch.manual_seed(0)
    added = embedding(ids).detach() - clean
    for part, length in ((added[0, :4], 4), (added[0, 4:], 100)):
        bound = 5.0 / (length * 32) ** 0.5
        assert 0.9 * bound < part.abs().max() <= bound * 1.0001
    model.eval()
    assert torch.equal(embedding(ids), clean)


@pytest.mark.slow
def test_it_is_felt_under_lora_with_a_new_token_too(base, pairs, tmp_path):
    losses = []
    for alpha in (0.0, 50.0):
        recipe = Recipe(base=str(base), sources=(str(pairs),), out=str(tmp_path / f"o{alpha}"), epochs=1, lora_rank=2)
        with Store(tmp_path / f"{alpha}.db") as store:
            fine_tune(recipe.with_values({"neftune_alpha": alpha}), store)
            losses.append(store.rows("select loss from steps order by step")[0]["loss"])
    assert losses[0] != losses[1]


def test_it_changes_training_and_repeats_under_a_seed(base, pairs, tmp_path):
    def losses(name, alpha):
        recipe = Recipe(base=str(base), sources=(str(pairs),), out=str(tmp_path / name), epochs=1, neftune_alpha=alpha)
        with Store(tmp_path / f"{name}.db") as store:
            fine_tune(recipe, store)
            return [r["loss"] for r in store.rows("select loss from steps order by step")]

    assert losses("a", 5.0) == losses("b", 5.0)
    assert losses("a2", 5.0) != losses("c", 0.0)
