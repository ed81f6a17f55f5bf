"""Evaluations that a recipe asks for, held on the checkpoints of a real training of a tiny model."""

import json

import pytest

from lima.errors import LimaError
from lima.recipe import Recipe
from lima.testing import only_plugins, tiny_base, tiny_tokenizer

TABLE = "lima-dialogue-eval"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("base"), tokenizer=tiny_tokenizer())


@pytest.fixture
def train(Evaluations, base, tmp_path):
    """Trains with lima-chat's renderer of bare turns; gives the run and the open store"""
    import lima_chat
    import lima_dialogue_eval
    from lima.store import Store
    from lima.train import fine_tune

    file = tmp_path / "pairs.jsonl"
    file.write_text(
        "".join(json.dumps({"prompt": f"What is {i}?", "response": f"It is {i}."}) + "\n" for i in range(8))
    )

    def run(renderer="lima", keep_epochs=False, **table):
        values = {"base": str(base), "sources": (f"pairs:{file}",), "renderer": renderer, "out": str(tmp_path / "out")}
        recipe = Recipe(**values, epochs=2, batch_size=4, device="cpu", keep_epochs=keep_epochs, plugins={TABLE: table})
        with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, evaluations=Evaluations()):
            store = Store(tmp_path / "lima.db")
            opened.append(store)
            return fine_tune(recipe, store), store

    opened = []
    yield run
    for store in opened:
        store.close()


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


def test_without_a_table_nothing_is_held(train):
    _, store = train()
    assert store.rows("select * from dialogue_runs") == []


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            {"after_trian": "small"},
            "'after_trian' is no key of [plugins.lima-dialogue-eval]. Did you mean 'after_train'?",
        ),
        ({"after_train": "smal"}, "There is no evaluation 'smal'. Did you mean 'small'?"),
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
