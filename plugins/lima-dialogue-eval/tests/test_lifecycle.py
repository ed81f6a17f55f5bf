"""Evaluations that a recipe asks for, held on the checkpoints of a real training of a tiny model."""

import json
import shutil

import pytest

from lima import CheckpointModel, hookimpl
from lima.contract.answers import Sampling
from lima.errors import Interrupted, LimaError
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima_dialogue_eval import Verdict, resume_evaluation, run_evaluation
from lima_dialogue_eval.run.lifecycle import evaluate

pytestmark = pytest.mark.slow

TABLE = "lima-dialogue-eval"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("base"), tokenizer=tiny_tokenizer())


@pytest.fixture
def train(Evaluations, base, tmp_path):
    """Trains with lima-chat's renderer of bare turns; gives the run and the open store"""
    import lima_chat
    import lima_dialogue_eval
    from lima.train.start import fine_tune

    file = tmp_path / "pairs.jsonl"
    file.write_text(
        "".join(json.dumps({"prompt": f"What is {i}?", "response": f"It is {i}."}) + "\n" for i in range(8))
    )

    def run(renderer="lima", keep_epochs=False, own_code=None, **table):
        values = {"sources": (f"pairs:{file}",), "renderer": renderer, "out": str(tmp_path / "out")}
        values |= {"base": str(own_code or base), "trust_remote_code": bool(own_code), "keep_epochs": keep_epochs}
        recipe = Recipe(**values, epochs=2, batch_size=4, residual_dropout=0, device="cpu", plugins={TABLE: table})
        return fine_tune(recipe, run.store), run.store

    modules = {"lima_chat": lima_chat, "lima_dialogue_eval": lima_dialogue_eval, "evaluations": Evaluations()}
    with only_plugins(**modules), Store(tmp_path / "lima.db") as run.store:
        yield run


class Tired:
    """A plugin with a grader that Ctrl-C stops at its third reply"""

    description, graded = "gets tired", 0

    @hookimpl
    def register_graders(self, register):
        register("tired", self)

    def grade(self, turn):
        self.graded += 1
        if self.graded == 3:
            raise KeyboardInterrupt
        return Verdict("pass", "why not")


def test_the_evaluation_is_held_on_every_checkpoint_and_linked_to_the_run(train):
    run, store = train(
        keep_epochs=True, after_epoch="small", after_train="small", seeds=2, temperature=1, max_new_tokens=4, arm="tiny"
    )
    held = store.rows("select * from dialogue_runs order by created, id")
    assert [(r["run"], r["arm"], r["status"], r["evaluation"], r["seeds"]) for r in held] == [
        (run.id, "tiny, epoch 1", "done", "small", "[0, 1]"),
        (run.id, "tiny, epoch 2", "done", "small", "[0, 1]"),
        (run.id, "tiny", "done", "small", "[0, 1]"),
    ]
    assert [r["model"] for r in held] == [str(run.folder / "epoch-01"), str(run.folder / "epoch-02"), str(run.folder)]
    assert json.loads(held[0]["sampling"])["max_new_tokens"] == 4
    turns = store.rows("select * from dialogue_turns where dialogue_run = ?", [held[2]["id"]])
    assert len(turns) == 10
    assert {t["status"] for t in turns} == {"answered"}
    for turn in turns:
        assert 0 < turn["prompt_tokens"] == len(json.loads(turn["prompt_ids"]))
        assert turn["reply_tokens"] <= 4
    # The second prompt begins with the first one: the history is the model's own.
    first, second = (json.loads(t["prompt_ids"]) for t in turns if t["conversation"] == "bus" and t["seed"] == 0)
    assert second[: len(first)] == first


def test_an_evaluation_that_was_interrupted_goes_on_with_the_training(train):
    from lima.plugins import load_plugins
    from lima.train.start import resume

    load_plugins().add("tired", Tired())
    with pytest.raises(Interrupted) as e:
        train(keep_epochs=True, after_epoch="small", grader="tired", max_new_tokens=2)
    store = train.store
    sql = "select id, status, model from dialogue_runs order by created, id"
    (begun,) = store.rows(sql)
    assert begun["status"] == "interrupted"
    run = resume(e.value.run, store)
    epochs = [str(run.folder / name) for name in ("epoch-01", "epoch-02")]
    first, second = store.rows(sql)
    assert first == {**begun, "status": "done"}
    assert (second["status"], [first["model"], second["model"]]) == ("done", epochs)
    # What is held is not held again; what was held before the checkpoint was written is of another model.
    assert evaluate(run, "after_epoch", run.folder / "epoch-01", "epoch 1") == first["id"]
    with store.write() as db:
        db.execute("update checkpoints set created = '2999' where folder = ?", epochs[:1])
    assert evaluate(run, "after_epoch", run.folder / "epoch-01", "epoch 1") not in (first["id"], second["id"])


def test_a_file_is_asked_and_an_interrupted_one_is_asked_again(train, tmp_path):
    from lima.plugins import load_plugins
    from lima.train.start import resume

    file = tmp_path / "asks.jsonl"
    file.write_text("".join(json.dumps({"turns": [f"What is {i}?", "Why?"]}) + "\n" for i in range(2)))
    load_plugins().add("tired", Tired())
    with pytest.raises(Interrupted) as e:
        train(keep_epochs=True, after_epoch=str(file), grader="tired", max_new_tokens=2)
    resume(e.value.run, train.store)
    rows = train.store.rows("select status, evaluation, evaluation_path, evaluation_part from dialogue_runs")
    done = {"status": "done", "evaluation": str(file), "evaluation_path": str(file), "evaluation_part": None}
    assert rows == [done, done]


def test_the_base_s_own_code_runs_where_the_recipe_trusts_it(train, base, tmp_path):
    own = shutil.copytree(base, tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    code = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    config |= {"model_type": "own", "architectures": ["OwnForCausalLM"], "auto_map": code}
    (own / "config.json").write_text(json.dumps(config))
    (own / "configuration_own.py").write_text(
        "from transformers import LlamaConfig\nclass OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
    )
    (own / "modeling_own.py").write_text(
        "from transformers import LlamaForCausalLM\nfrom .configuration_own import OwnConfig\n"
        "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    run, store = train(own_code=own, after_train="small", max_new_tokens=2)
    held = store.rows("select run, status, model from dialogue_runs")
    assert held == [{"run": run.id, "status": "done", "model": str(run.folder)}]


def test_a_model_in_a_relative_folder_is_found_again_from_anywhere(train, tmp_path, monkeypatch):
    run, store = train()
    monkeypatch.chdir(tmp_path)
    id = run_evaluation(store, "small", "out", arm="", seeds=[0], sampling=Sampling(max_new_tokens=2))
    assert store.rows("select model, run from dialogue_runs") == [{"model": str(run.folder), "run": run.id}]
    with store.write() as db:
        db.execute("update dialogue_conversations set status = 'error'")
        db.execute("delete from dialogue_turns where turn = 2")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resume_evaluation(store, id) == id
    assert {row["status"] for row in store.rows("select status from dialogue_conversations")} == {"complete"}


def test_a_folder_with_other_weights_under_its_name_is_neither_resumed_nor_taken_for_held(train, tmp_path):
    run, store = train(after_train="small", max_new_tokens=2)
    (id,) = [row["id"] for row in store.rows("select id from dialogue_runs")]
    assert evaluate(run, "after_train", run.folder, "") == id
    with store.write() as db:
        db.execute("update dialogue_conversations set status = 'error'")
        db.execute("delete from dialogue_turns where turn = 2")
    weights = run.folder / "model.safetensors"
    shutil.copy(weights, tmp_path / "mine")
    other = tiny_base(
        tmp_path / "other", tokenizer=tiny_tokenizer(), vocab_size=len(CheckpointModel(run.folder).tokenizer)
    )
    shutil.copy(other / "model.safetensors", weights)
    with pytest.raises(LimaError) as e:
        resume_evaluation(store, id)
    assert str(e.value).startswith(
        f"The model '{run.folder}', by its weights, configuration and tokenizer, has changed since "
    )
    assert str(e.value).endswith(
        f"put the earlier one back, or start a new run: lima dialogues run small --model {run.folder} "
        f"--grader requirements --arm out -d {run.database}"
    )
    assert evaluate(run, "after_train", run.folder, "") != id
    shutil.copy(tmp_path / "mine", weights)
    assert resume_evaluation(store, id) == id


def test_without_a_table_nothing_is_held(train):
    _, store = train()
    assert store.rows("select * from dialogue_runs") == []


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            {"after_trian": "small"},
            "'after_trian' is not a key of [plugins.lima-dialogue-eval]. Did you mean 'after_train'?",
        ),
        ({"after_train": "smal"}, "There is no evaluation 'smal', and no such file. Did you mean 'small'?"),
        ({"after_train": "small", "grader": "x"}, "There is no grader 'x'. Known: requirements."),
        ({"after_train": 3}, "after_train of [plugins.lima-dialogue-eval] is 3; expected text."),
        ({"seeds": 0}, "seeds of [plugins.lima-dialogue-eval] is 0; expected a whole number of 1 or more."),
        ({"temperature": True}, "temperature of [plugins.lima-dialogue-eval] is True; expected a number."),
        ({"seeds": 2, "temperature": 0}, "[plugins.lima-dialogue-eval] has 2 seeds at temperature 0"),
        ({"after_epoch": "small"}, "needs a checkpoint of every epoch: set keep_epochs = true."),
        ({"after_train": "small", "renderer": "plain"}, "the renderer 'plain' cannot prompt with a conversation."),
    ],
)
def test_a_mistake_in_the_table_stops_the_training_before_its_first_step(train, table, sentence):
    with pytest.raises(LimaError) as e:
        train(**table)
    assert sentence in str(e.value)


class Choosy:
    """A plugin with a grader that fails on every second question"""

    description = "fails on some"

    @hookimpl
    def register_graders(self, register):
        register("choosy", self)

    def grade(self, turn):
        if turn.index:
            raise ValueError("no idea")
        return Verdict("pass", "why not")


def test_errors_in_an_evaluation_are_said_at_the_end_of_a_training_that_is_done(train):
    import re

    from lima.plugins import load_plugins

    load_plugins().add("choosy", Choosy())
    with pytest.raises(LimaError, match="The training is done and its model is complete, but 3 errors happened") as e:
        train(after_train="small", grader="choosy", max_new_tokens=2)
    (run,), (held,) = (train.store.rows(f"select * from {table}") for table in ("runs", "dialogue_runs"))
    assert (run["status"], held["status"]) == ("done", "done")
    assert re.findall(r"--resume (\S+) -d (\S+)", str(e.value)) == [(held["id"], str(train.store.path))]
