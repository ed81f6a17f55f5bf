"""Bases whose JSON files hold odd values, and odd recipes: a sentence with the file and the key, before any training."""

import json

import pytest

from lima.answer.checkpoint_model import CheckpointModel
from lima.contract.answers import Sampling
from lima.data.dataset import prepare
from lima.data.rendering import PlainRenderer
from lima.errors import QUOTED, LimaError, quoted
from lima.model.folder import load_model
from lima.plugins import load_plugins
from lima.recipe import Recipe, parse_setting
from lima.record.store import Store
from lima.testing import tiny_base
from lima.train.plan import plan
from lima.train.start import fine_tune
from odd_values import DEEP

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]


@pytest.fixture
def own(tmp_path):
    return tiny_base(tmp_path / "own")


def put(base, file, **values):
    place = base / file
    found = json.loads(place.read_text()) if place.is_file() else {}
    place.write_text(json.dumps({**found, **values}))


NUMBER = "a whole number from 1 to"


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config.json", {"vocab_size": None}, "config.json does not load: .*'vocab_size'.*NoneType"),
        ("config.json", {"num_hidden_layers": 0}, f"config.json: num_hidden_layers is 0; expected {NUMBER}"),
        ("config.json", {"num_hidden_layers": 2**40}, "config.json: num_hidden_layers is 1099511627776"),
        ("config.json", {"hidden_size": "32"}, r"config.json"),
        ("config.json", {"hidden_size": -32}, f"config.json: hidden_size is -32; expected {NUMBER}"),
        ("config.json", {"eos_token_id": "two"}, "config.json"),
        ("config.json", {"eos_token_id": [0, "two"]}, "config.json"),
        ("config.json", {"model_type": ["llama"]}, "config.json does not load: "),
        ("config.json", {"model_type": "no-such"}, "config.json does not load: "),
        ("config.json", {"rope_parameters": 5}, "does not load: "),
        ("config.json", {"layer_types": "all"}, "does not load: "),
        ("config.json", {"dtype": "float99"}, "does not load: "),
        ("config.json", {"pad_token_id": 10**9}, "does not load: "),
        ("generation_config.json", {"eos_token_id": 1.5}, "generation_config.json: eos_token_id is 1.5; expected the number"),
        ("generation_config.json", {"eos_token_id": [0, None]}, "generation_config.json: eos_token_id is .0, None.; expected"),
        ("generation_config.json", {"bos_token_id": [1]}, "generation_config.json: bos_token_id is .1.; expected the number"),
        ("tokenizer_config.json", {"model_max_length": "2048"}, "_config.json: model_max_length is '2048'; expected a n"),
        ("tokenizer_config.json", {"model_max_length": None}, ""),
        ("tokenizer_config.json", {"x": [{"a\ud800": 1}]}, r"tokenizer_config.json has .ud800 in a text, half of a character"),
        ("generation_config.json", {"x": "\udfff"}, r"generation_config.json has .udfff in a text, half of a character"),
        ("config.json", {"x": "\ud800"}, r"/config.json has .ud800 in a text, half of a character, which cannot be saved"),
        ("tokenizer_config.json", {"chat_template": 5}, "chat_template is 5; expected text|does not load"),
        ("tokenizer_config.json", {"tokenizer_class": {}}, "tokenizer of .* does not load: "),
        ("tokenizer_config.json", {"added_tokens_decoder": {"x": {}}}, "tokenizer of .* does not load: "),
    ],
)  # fmt: skip
def test_an_odd_value_is_a_sentence_with_the_file_before_anything_is_trained(
    file, values, message, own, pairs, tmp_path
):
    put(own, file, **values)
    wanted = Recipe(base=str(own), sources=(str(pairs),), out=str(tmp_path / "out"), epochs=1, residual_dropout=0.0)
    with Store(tmp_path / "l.db") as store:
        if not message:
            assert fine_tune(wanted, store).folder.is_dir()
            return
        with pytest.raises(LimaError, match=message):
            fine_tune(wanted, store)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json"])
@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "null", "[" * DEEP, '{"a": ' + "9" * 5000 + "}", "\x00\xff", '"\\ud800"']
)
def test_a_file_that_is_no_object_of_json_is_named(file, text, own, pairs):
    (own / file).write_bytes(text.encode("latin-1"))
    wanted = Recipe(base=str(own), sources=(str(pairs),), renderer="plain", residual_dropout=0.0)

    def planned():
        prepare(wanted, load_plugins(), weights=False)
        load_model(own, weights=False)

    for load in (planned, lambda: CheckpointModel(own, PlainRenderer())):
        with pytest.raises(LimaError, match=str(own)):
            load()


@pytest.mark.parametrize(
    "values",
    [{"temperature": -3.0, "top_k": -1}, {"temperature": "hot", "top_k": [1], "max_length": {}, "x": [None]}],
)
def test_what_else_stands_in_a_generation_config_stops_no_run_and_its_model_answers(values, own, pairs, tmp_path):
    put(own, "generation_config.json", **values)
    wanted = Recipe(base=str(own), sources=(str(pairs),), out=str(tmp_path / "out"), epochs=1, residual_dropout=0.0)
    with Store(tmp_path / "l.db") as store:
        model = CheckpointModel(fine_tune(wanted, store).folder, PlainRenderer())
    assert len(model.reply(["Why?"], Sampling(max_new_tokens=2), 1)) == 1


def test_sizes_that_do_not_fit_one_another_are_a_sentence_in_a_plan(own, pairs):
    config = json.loads((own / "config.json").read_text())
    del config["head_dim"], config["num_attention_heads"]
    (own / "config.json").write_text(json.dumps(config))
    wanted = Recipe(base=str(own), sources=(str(pairs),), epochs=1, residual_dropout=0.0, device="cpu")
    with pytest.raises(
        LimaError, match=r"own/config\.json cannot compute: .*\. Correct it, or copy it from the base"
    ) as e:
        plan(wanted, prepare(wanted, load_plugins(), weights=False), bfloat16=False)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs=" + "9" * 5000, "epochs is '9999"),
        ("learning_rate=1" + "0" * 400, "learning_rate is 1000.*expected a number or 'auto'"),
        ("clip=1" + "0" * 400, "clip is 1000.*expected a number"),
        ("betas=[1" + "0" * 400 + ", 0]", "betas is .1000.*expected two numbers"),
        ("seed=" + "[" * DEEP, r"seed is '\[\[\["),
        ("renderer=" + "[" * 50 + "]" * 50, r"renderer is \[\[\["),
        ("template=" + '"x"', "template is 'x'; expected a table"),
        (f"{'x' * 5000}=1", "'xxxx.*is not a recipe key"),
    ],
)
def test_a_setting_of_any_size_is_refused_in_a_short_sentence(setting, message):
    with pytest.raises(LimaError, match=message) as error:
        Recipe().with_values(dict([parse_setting(setting)]))
    assert len(str(error.value).partition(" Known:")[0]) < QUOTED + 120


@pytest.mark.parametrize(
    "text", ["x = " + "[" * DEEP, "epochs = " + "9" * 5000, "\x00", "a.b = 1\na = 2", 'out = "a\\u0000b"']
)
def test_a_recipe_of_any_kind_is_refused_with_its_file(text, tmp_path, base, pairs, lima):
    file = tmp_path / "r.toml"
    file.write_text(text)
    said = lima("train", str(file), "--base", str(base), "--source", str(pairs), code=1).err
    assert f"{file}" in said or "'a\\x00b' is not a path" in said


def test_a_value_is_quoted_however_large_it_is():
    assert quoted("short") == "'short'"
    assert len(quoted("x" * 1000)) == QUOTED
    assert quoted(10**5000) == "a number of thousands of digits"
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert quoted(deep) == "a value that is nested too deeply"
    while deep:  # what is so deep is not taken apart at once
        deep = deep.pop()
