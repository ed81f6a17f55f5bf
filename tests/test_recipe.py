"""LIMA's numbers, and what a wrong recipe is told."""

from pathlib import Path

import pytest

from lima.errors import LimaError
from lima.recipe import Recipe, parse_setting
from lima.train.batching import epoch_order, split, steps_of


def test_the_defaults_are_the_papers():
    assert Recipe().as_dict() == {
        "base": "",
        "sources": (),
        "renderer": "auto",
        "out": "",
        "epochs": 15,
        "batch_size": 32,
        "learning_rate": "auto",
        "final_learning_rate": "auto",
        "betas": (0.9, 0.95),
        "weight_decay": 0.1,
        "clip": 1.0,
        "residual_dropout": 0.3,
        "max_tokens": 2048,
        "trim": False,
        "prompt_weight": 0.0,
        "lora_rank": 0,
        "lora_alpha": 0,
        "lora_dropout": 0.0,
        "neftune_alpha": 0.0,
        "freeze": "",
        "seed": 0,
        "precision": "auto",
        "device": "auto",
        "micro_batch_tokens": 0,
        "gradient_checkpointing": False,
        "compile": False,
        "shard": False,
        "keep_epochs": False,
        "dev": (),
        "save_every": 0,
        "trust_remote_code": False,
        "plugins": {},
        "template": {},
    }


def test_the_schedule_reaches_both_ends_in_a_straight_line():
    recipe, steps = Recipe(), 480
    rates = [recipe.learning_rate_at(i, steps) for i in range(steps)]
    assert rates[0] == 1e-5
    assert rates[-1] == 1e-6
    drops = [a - b for a, b in zip(rates, rates[1:], strict=False)]
    assert max(drops) == pytest.approx(min(drops))
    assert recipe.learning_rate_at(0, 1) == 1e-5


def test_a_thousand_examples_make_32_steps_an_epoch_and_480_in_all():
    steps = steps_of(epoch_order(1000, 0, 1), 32)
    assert [len(s) for s in steps] == [32] * 31 + [8]
    assert len(steps) * 15 == 480
    assert sorted(i for s in steps for i in s) == list(range(1000))


def test_each_epoch_has_its_own_order_and_the_same_one_every_time():
    assert epoch_order(50, 3, 1) == epoch_order(50, 3, 1)
    assert epoch_order(50, 3, 1) != epoch_order(50, 3, 2)
    assert epoch_order(50, 3, 1) != epoch_order(50, 4, 1)


def test_splitting_keeps_the_budget_and_gives_every_process_work():
    assert split([5, 3, 4, 2], 7) == [[0, 3], [2, 1]]
    assert split([9, 1], 4) == [[0], [1]]
    assert split([1, 1, 1, 1], 100, parts=2) == [[0, 1], [2, 3]]
    assert split([1], 100, parts=2) == [[0]]


def test_settings_are_read_as_toml_else_as_text():
    read = ["epochs=3", "learning_rate=1e-4", "renderer=lima", "betas=[0.8, 0.9]", "keep_epochs=true", "lima-x.k='v'"]
    assert dict(map(parse_setting, read)) == {
        "epochs": 3,
        "learning_rate": 1e-4,
        "renderer": "lima",
        "betas": [0.8, 0.9],
        "keep_epochs": True,
        "lima-x.k": "v",
    }
    assert Recipe().with_values({"lima-x.k": "v"}).plugins == {"lima-x": {"k": "v"}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "'epoch' is not a recipe key. Did you mean 'epochs'?"),
        ({"epochs": "three"}, "epochs is 'three'; expected a whole number."),
        ({"epochs": 0}, "epochs is 0; expected 1 to 10000."),
        ({"epochs": True}, "epochs is True; expected a whole number."),
        ({"residual_dropout": 1.0}, "residual_dropout is 1.0; expected 0 to 0.99."),
        ({"learning_rate": float("nan")}, "learning_rate is nan; expected 0 to 10."),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; expected a number or 'auto'."),
        ({"learning_rate": True}, "learning_rate is True; expected a number or 'auto'."),
        ({"final_learning_rate": 11}, "final_learning_rate is 11.0; expected 0 to 10."),
        ({"betas": [0.9]}, "betas is [0.9]; expected two numbers."),
        ({"betas": [0.9, 1.0]}, "betas has 1.0; expected two numbers from 0 to below 1."),
        ({"precision": "bf16"}, "precision is 'bf16'."),
        ({"sources": 3}, "sources is 3; expected a list of texts."),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(values, message):
    with pytest.raises(LimaError) as caught:
        Recipe().with_values(values)
    assert message in str(caught.value)


def test_a_recipe_file_is_read_and_a_malformed_one_gives_file_and_line(tmp_path):
    file = tmp_path / "r.toml"
    file.write_text('base = "x"\nepochs = 2\n[plugins.lima-x]\nk = 1\n')
    assert Recipe.from_toml(file) == Recipe(base="x", epochs=2, plugins={"lima-x": {"k": 1}})
    file.write_text("base = 'x'\nepochs = = 2\n")
    with pytest.raises(LimaError, match=r"r\.toml is not TOML: .*line 2"):
        Recipe.from_toml(file)
    with pytest.raises(LimaError, match=r"Cannot read the recipe .*nowhere\.toml: No such file"):
        Recipe.from_toml(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[1] / "examples" / "recipes").glob("*.toml")), ids=lambda p: p.stem
)
def test_the_recipes_that_ship_are_recipes(file):
    recipe = Recipe.from_toml(file)
    first, last = recipe.rates()
    assert 0 < last <= 1.001 * first / 10


def test_the_laptop_recipe_is_the_demos():
    root = Path(__file__).parents[1]
    demo = Recipe.from_toml(root / "plugins" / "lima-village" / "lima_village" / "recipe.toml")
    assert Recipe.from_toml(root / "examples" / "recipes" / "laptop.toml") == demo


def test_the_65b_recipe_is_the_papers():
    shipped = Recipe.from_toml(Path(__file__).parents[1] / "examples" / "recipes" / "lima-65b.toml").as_dict()
    ours = {"renderer", "learning_rate", "final_learning_rate", "keep_epochs", "gradient_checkpointing", "shard"}
    assert (shipped["learning_rate"], shipped["final_learning_rate"]) == Recipe().rates()
    assert {k: v for k, v in shipped.items() if k not in ours} == {
        k: v for k, v in Recipe().as_dict().items() if k not in ours
    }
