"""History gain: the figures of a plain loop over transformers, the right histories, and a test that keeps its promise."""

import json
import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from lima import CheckpointModel, Example, LimaError, Recipe, Store
from lima.cli import cli
from lima.record.selection import epochs
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima.train.start import fine_tune
from lima_chat import Conversation, Turn
from lima_dialogue_eval.gain.figures import differences, summary
from lima_dialogue_eval.gain.measure import Later, gains, measured
from lima_dialogue_eval.report.figures import signed

TEMPLATE = "{% for m in messages %}{{ m.content ~ eos_token }}{% endfor %}"


def talk(name, exchanges, *, system="", tags=()):
    turns = [Turn("system", system)] if system else []
    for i in range(exchanges):
        turns += [Turn("user", f"{name} asks {i}?"), Turn("assistant", f"{name} says {i}, and more.")]
    return Conversation(id=name, turns=tuple(turns), tags=tuple(tags))


TALKS = (
    talk("ann", 3, tags=["ellipsis"]),
    talk("bob", 2, system="Be brief."),
    talk("cid", 4, tags=["ellipsis", "topic"]),
    talk("dan", 1),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return tiny_base(tmp_path_factory.mktemp("gain") / "base", tokenizer=tokenizer)


@pytest.fixture(scope="module")
def model(folder):
    from lima_chat.renderer import OwnTemplateRenderer

    return CheckpointModel(folder, OwnTemplateRenderer(), device="cpu")


def messages(turns):
    return [{"role": t.role, "content": t.content} for t in turns]


def plainly(model, history, asked, answer):
    """Mean log-likelihood of an answer by transformers alone: its own template, one forward pass, no cache"""
    template, of = model.tokenizer.apply_chat_template, messages([*history, asked])
    prompt = template(of, add_generation_prompt=True, return_dict=False)
    whole = template([*of, *messages([answer])], return_dict=False)
    with torch.inference_mode():
        scores = model.model(torch.tensor([whole])).logits[0].log_softmax(-1)
    places = range(len(prompt), len(whole))
    return sum(float(scores[i - 1, whole[i]]) for i in places) / len(places)


def test_each_answer_is_read_after_its_own_history_none_and_all_others_cut_alike(model):
    found = gains(model, TALKS)
    assert [(a.conversation, a.exchange, a.others) for a in found] == [
        ("ann", 2, 2), ("ann", 3, 2), ("bob", 2, 2), ("cid", 2, 2), ("cid", 3, 2), ("cid", 4, 2)
    ]  # fmt: skip
    of = {t.id: t for t in TALKS}
    for answer in found:
        own = of[answer.conversation]
        system = own.turns[:1] if own.turns[0].role == "system" else ()
        turns = own.turns[len(system) :]
        at = 2 * (answer.exchange - 1)
        asked, said = turns[at], turns[at + 1]
        assert answer.true == pytest.approx(plainly(model, [*system, *turns[:at]], asked, said), abs=1e-3)
        assert answer.none == pytest.approx(plainly(model, system, asked, said), abs=1e-3)
        swapped = []
        for other in (t for t in TALKS if t.id not in (own.id, "dan")):
            before = [t for t in other.turns[:-2] if t.role != "system"]  # never its last answer
            swapped.append(plainly(model, [*system, *before[:at]], asked, said))
        assert answer.other == pytest.approx(sum(swapped) / len(swapped), abs=1e-3)
        assert (answer.tags, answer.cut) == (own.tags, 0)


def test_histories_are_drawn_by_the_seed_and_the_place_alone(model):
    one, again, another = (gains(model, TALKS, others=1, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert {a.others for a in one} == {1}
    assert [a.other for a in one] != [a.other for a in another]
    assert [a.true for a in one] == pytest.approx([a.true for a in another])
    assert [a.none for a in one] == pytest.approx([a.none for a in another])
    # A conversation more or less does not change which ones the others draw from what is left.
    assert gains(model, TALKS[:3], others=1) == one


def test_a_history_that_does_not_fit_is_cut_at_exchanges_and_counted(model, monkeypatch):
    (long,) = [a for a in gains(model, TALKS) if (a.conversation, a.exchange) == ("cid", 4)]
    monkeypatch.setattr(model, "context", 70)
    (short,) = [a for a in gains(model, TALKS) if (a.conversation, a.exchange) == ("cid", 4)]
    assert (long.cut, short.cut > 0) == (0, True)
    own = TALKS[2].turns
    assert short.true == pytest.approx(plainly(model, own[2 * short.cut : 6], own[6], own[7]), abs=1e-3)
    monkeypatch.setattr(model, "context", 10)
    with pytest.raises(
        LimaError, match=r"Answer 2 of conversation 'ann' with its question has \d+ tokens, and the context"
    ):
        gains(model, TALKS)


def test_what_cannot_be_measured_is_said(model):
    with pytest.raises(LimaError, match="Gain needs at least two conversations of two exchanges or more"):
        gains(model, [TALKS[0], TALKS[3]])

    class Server:
        name = "server"

    with pytest.raises(
        LimaError, match=r"^server does not tell how likely it holds a given answer\. Name a folder or a run"
    ):
        gains(Server(), TALKS)


def made(values, others=3):
    """Answers of one exchange a conversation, from (own, none, other)"""
    return [
        Later(f"c{i}", ("odd",) if i % 2 else (), 2, 5, true, none, other, others, 0)
        for i, (true, none, other) in enumerate(values)
    ]


def test_figures_are_means_over_conversations_and_the_second_model_minus_the_first():
    first = made([(-3.0, -3.5, -3.25), (-2.0, -2.5, -2.25), (-4.0, -4.0, -4.5)])
    second = made([(-3.0, -3.75, -3.5), (-2.0, -3.0, -2.25), (-4.0, -4.25, -4.5)])
    found = summary("m", [*first, Later("c0", (), 3, 5, -5.0, -5.0, -5.0, 3, 1)])
    assert (found.answers, found.conversations, found.cut) == (4, 3, 1)
    assert found.gains["over_none"].mean == pytest.approx(((0.5 + 0.0) / 2 + 0.5 + 0.0) / 3)
    assert found.by_tag["odd"] == {"over_none": 0.5, "over_other": 0.25, "answers": 1, "conversations": 1}
    none, other = differences(first, {"n": second})["n"]
    assert (none.figure.mean, none.more, none.less) == (pytest.approx((0.25 + 0.5 + 0.25) / 3), 3, 0)
    assert (other.figure.mean, other.more, other.less) == (pytest.approx(0.25 / 3), 1, 0)
    assert none.test.p_value == 0.25  # the least that three conversations allow
    assert none.holm == 0.5
    with pytest.raises(LimaError, match="n was measured on other answers"):
        differences(first, {"n": second[:2]})


@pytest.mark.slow
def test_two_arms_without_a_difference_differ_in_one_of_twenty_experiments():
    """Each conversation's two gains are the same for both arms but for noise, with arms' labels permuted"""
    draw, rejected, experiments = np.random.default_rng(5), 0, 2000
    for _ in range(experiments):
        topic = draw.normal(0.4, 0.2, 10)
        arms = [topic + draw.standard_t(3, 10) * 0.05 for _ in range(2)]
        swap = draw.integers(0, 2, 10).astype(bool)
        first, second = (np.where(swap, a, b) for a, b in (arms, arms[::-1]))
        one, two = (made([(-3.0, -3.0 - g, -3.0 - g) for g in gain]) for gain in (first, second))
        rejected += differences(one, {"m": two})["m"][0].test.p_value <= 0.05
    assert 0.04 <= rejected / experiments <= 0.06


def test_the_command_measures_stores_and_compares(folder, tmp_path, monkeypatch):
    import lima_chat
    import lima_dialogue_eval
    from lima_dialogue_eval.cli.dialogues import dialogues

    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "user"))
    file = tmp_path / "talks.jsonl"
    rows = [{"id": t.id, "messages": messages(t.turns)} for t in TALKS]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = tmp_path / "other"
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tiny_base(other, tokenizer=tokenizer, num_hidden_layers=2)
    command = ["gain", str(folder), str(other), "--source", str(file), "-d", str(tmp_path / "l.db")]
    with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval):
        done = CliRunner().invoke(dialogues, [*command, "--json"], catch_exceptions=False)
        said = CliRunner().invoke(dialogues, command, catch_exceptions=False).output
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [m["answers"] for m in found["models"]] == [6, 6]
    assert {d["gain"] for d in found["differences"][str(other)]} == {"over_none", "over_other"}
    assert "pointwise conditional mutual information" in found["definition"]
    with Store(tmp_path / "l.db") as store:
        rows = store.rows("select * from gain_summary order by created")
        assert [row["conversations"] for row in rows] == [3] * 4
        assert rows[0]["over_none"] == pytest.approx(found["models"][0]["gains"]["over_none"]["mean"])
        assert math.isfinite(rows[1]["over_other"])
    for one in found["differences"][str(other)]:
        shown = [signed(value, 3) for value in (one["figure"]["mean"], *one["figure"]["interval"])]
        assert f": {shown[0]} [{shown[1]}, {shown[2]}], more in" in " ".join(said.split())
    assert "Likelihood of given answers is not the quality" in " ".join(said.split())


@pytest.mark.slow
def test_gain_of_each_epoch_stands_beside_its_perplexity(folder, tmp_path):
    import lima_chat
    import lima_dialogue_eval
    from lima_chat.renderer import OwnTemplateRenderer

    def rows(*talks):
        return "".join(json.dumps({"id": t.id, "messages": messages(t.turns)}) + "\n" for t in talks)

    (tmp_path / "dev.jsonl").write_text(rows(*TALKS))
    (tmp_path / "train.jsonl").write_text(rows(*(talk(f"eve{i}", 2) for i in range(8))))
    recipe = Recipe(
        base=str(folder),
        sources=(str(tmp_path / "train.jsonl"),),
        dev=(str(tmp_path / "dev.jsonl"),),
        renderer="template",
        out=str(tmp_path / "out"),
        epochs=2,
        batch_size=4,
        keep_epochs=True,
        device="cpu",
    )
    with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval), Store(tmp_path / "l.db") as store:
        run = fine_tune(recipe, store)
        for row in epochs(store, run.id):
            model = CheckpointModel(
                row["folder"] if row["epoch"] == 1 else run.folder, OwnTemplateRenderer(), device="cpu"
            )
            later = gains(model, TALKS, others=1)
            one = summary("", later)
            assert row["measures"] == {
                "gain": pytest.approx(one.gains["over_none"].mean, abs=1e-5),
                "gain_over_other": pytest.approx(one.gains["over_other"].mean, abs=1e-5),
            }
            assert row["perplexity"]
        best = max(epochs(store, run.id), key=lambda r: r["measures"]["gain"])["epoch"]
        arguments = ["checkpoints", "choose", run.id, "--by", "gain", "--json", "-d", str(store.path)]
        chosen = CliRunner().invoke(cli, arguments)
        assert json.loads(chosen.stdout)["epoch"] == best


def test_single_turns_and_one_conversation_have_no_gain(model):
    assert measured(model, [talk("ann", 1), talk("bob", 1), Example(id="c", prompt="Why?", response="So.")]) == {}
    assert measured(model, [talk("ann", 3), talk("bob", 1)]) == {}


def tree(name):
    """Open Assistant's messages: two exchanges, and a worse first answer"""
    said = [
        ("a", None, "prompter"),
        ("b", "a", "assistant"),
        ("x", "a", "assistant"),
        ("c", "b", "prompter"),
        ("d", "c", "assistant"),
    ]
    return [
        {
            "message_id": name + own,
            "parent_id": parent and name + parent,
            "role": role,
            "text": f"{name} {own}",
            "rank": own == "x",
        }
        for own, parent, role in said
    ]


def history(name):
    return {
        "task": "GR",
        "id": name,
        "history": [{"user": f"{name} {i}?", "bot": f"{name} says {i}."} for i in range(2)],
    }


@pytest.mark.parametrize("rows", [[*tree("t"), *tree("u")], [history("g"), history("h")]], ids=["trees", "histories"])
def test_trees_and_histories_are_measured_and_bad_rows_left_out_on_request(rows, folder, tmp_path):
    import lima_chat
    import lima_dialogue_eval
    from lima_dialogue_eval.cli.dialogues import dialogues

    file = tmp_path / "talks.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"odd": 1}]))
    command = ["gain", str(folder), "--source", str(file), "-d", str(tmp_path / "l.db"), "--json"]
    with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval):
        with pytest.raises(LimaError, match="To leave out this row: --skip-bad"):
            CliRunner().invoke(dialogues, command, catch_exceptions=False)
        done = CliRunner().invoke(dialogues, [*command, "--skip-bad"], catch_exceptions=False)
    (measured,) = json.loads(done.stdout)["models"]
    assert (measured["answers"], measured["conversations"]) == (2, 2)
