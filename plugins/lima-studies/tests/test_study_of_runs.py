"""Likert grades, sizes, epochs and evaluations with graders, each by its command on tiny models with a judge on loopback."""

import json
import re

import pytest
from grid_in_small import GRID, pairs, rows, start, written

from lima.testing import run_command, tiny_base

TRAINING = (
    "epochs=1",
    "batch_size=4",
    "learning_rate=3e-3",
    "max_tokens=128",
    "precision=float32",
    "renderer=plain",
    "device=cpu",
)
SET = [part for setting in TRAINING for part in ("--set", setting)]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture
def judge(serve, code_in):
    """Grades by length: a point for four characters"""

    def say(prompt, model):
        reply = " ".join(re.findall(r"^\| ?(.*)$", prompt.partition("THE REPLY")[2], re.M))
        if code := code_in(prompt):
            return f"So.\n{code} VERDICT: {min(6, 1 + len(reply) // 4)}"
        code = re.findall(r"^([A-Z]{6}) OVERALL: ", prompt, re.M)[-1]
        return f"So.\n{code} OVERALL: {'excellent' if len(prompt) % 2 else 'fail'}"

    return serve(say)


def test_several_systems_are_graded_five_times_a_prompt_and_compared_with_the_first(plugins, judge, tmp_path):
    prompts = rows(tmp_path / "p.jsonl", *({"id": f"p{n}", "prompt": f"Question {n}?"} for n in range(7)))
    for name, words in (("short", 1), ("long", 4)):
        replies = ({"prompt": f"Question {n}?", "reply": "word " * (words + n % 2)} for n in range(7))
        rows(tmp_path / f"{name}.jsonl", *replies)
    systems = [f"{name}=replies:{tmp_path / name}.jsonl" for name in ("short", "long")]
    command = [
        "study",
        "likert",
        *systems,
        "--prompts",
        prompts,
        "--judge",
        f"J={judge.spec()}",
        "-d",
        tmp_path / "l.db",
    ]
    told = run_command(*command, "--json").json
    assert len(judge.asked) == 2 * 7 * 5
    short, long = told["more"]["J"]["means"]
    by_hand = [sum(min(6, 1 + len(("word " * (w + n % 2)).strip()) // 4) for n in range(7)) / 7 for w in (1, 4)]
    assert [short["value"], long["value"]] == pytest.approx(by_hand)
    assert (short["units"], long["units"]) == (7, 7)  # prompts, not samples
    (difference,) = told["more"]["J"]["comparisons"]
    assert (difference["arm"], difference["against"], difference["p_value"]) == ("long", "short", 2 / 2**7)
    assert difference["verdict"] == "better"
    found = {number["name"]: number for number in told["numbers"] if number["definition"].startswith("How often")}
    assert found["short, J"]["n"] == 35
    assert run_command(*command, "--json").json["more"] == told["more"]
    assert len(judge.asked) == 70


@pytest.mark.slow
def test_sizes_are_drawn_anew_for_each_fine_tune_and_have_a_curve(plugins, judge, base, tmp_path):
    source = pairs(tmp_path / "pairs.jsonl", 4, 16)
    prompts = rows(tmp_path / "p.jsonl", *({"id": f"p{n}", "prompt": f"Question {n}?"} for n in range(5)))
    command = [
        "study",
        "scaling",
        source,
        "--base",
        base,
        "--sizes",
        "8,2,4,16",
        "--prompts",
        prompts,
        "--samples",
        "1",
        *SET,
    ]
    command += [
        "--same-steps",
        "--judge",
        f"J={judge.spec()}",
        "-d",
        tmp_path / "l.db",
        "--max-new-tokens",
        "6",
        "--json",
    ]
    told = run_command(*command).json
    further = told["more"]["J"]["further"]
    assert list(further["fitted"]) == ["2", "4", "8", "16"]
    assert [step["size"] for step in further["steps"]] == [2, 4, 8]
    assert told["definitions"]["plateau"]
    titles = [section["title"] for section in told["sections"]]
    assert titles == ["Arms", "By J", "Differences, by J", "Over sizes, by J"]
    from lima import Store

    with Store(tmp_path / "l.db") as store:
        recipes = [store.run(row["id"])["recipe"] for row in store.runs()]
    assert {(r["sources"][0].split("/")[0], r["sources"][0].split("/")[1], r["seed"]) for r in recipes} == {
        (f"sample:{size}", str(seed), seed) for size in (2, 4, 8, 16) for seed in (0, 1)
    }
    assert {r["sources"][0].split("/")[0]: r["epochs"] for r in recipes} == {
        "sample:2": 4, "sample:4": 4, "sample:8": 2, "sample:16": 1,
    }  # fmt: skip
    said = run_command(*command[:5], "--sizes", "8", "-d", tmp_path / "l.db", code=1).err
    assert "--sizes '8' are not two numbers of examples or more" in said


@pytest.mark.slow
def test_choosing_an_epoch_is_scored_on_other_prompts(plugins, judge, base, tmp_path):
    source, database = pairs(tmp_path / "pairs.jsonl", 4, 16), tmp_path / "l.db"
    train = ["train", "--base", base, "--source", source, "-d", database, *SET[2:], "--set", "epochs=3"]
    run_command(*train, "--set", f"out={tmp_path / 'kept'}", "--set", "keep_epochs=true")
    run_command(*train, "--set", f"out={tmp_path / 'last'}")
    from lima import Store

    with Store(database) as store:
        kept, last = (row["id"] for row in store.runs())
    prompts = rows(tmp_path / "p.jsonl", *({"id": f"p{n}", "prompt": f"Question {n}?"} for n in range(6)))
    command = ["--prompts", prompts, "--judge", f"J={judge.spec()}", "-d", database, "--max-new-tokens", "6", "--json"]
    told = run_command("study", "epochs", kept, *command).json
    found = told["more"]["J"]["choice"]
    assert found["names"] == ["epoch 1", "epoch 2", "epoch 3"]
    assert (found["units"], sum(found["chosen"].values())) == (6, 2_000)
    assert found["naive"] >= found["honest"]
    assert "has kept the models of 0 epochs" in run_command("study", "epochs", last, *command, code=1).err


@pytest.mark.slow
def test_an_evaluation_with_its_grader_takes_the_place_of_a_judge_in_processes_side_by_side(judge, base, tmp_path):
    talks = rows(
        tmp_path / "talks.jsonl", *({"question_id": n, "category": "c", "turns": ["Why?", "And?"]} for n in range(3))
    )
    grid = written(tmp_path, base)
    text = (
        GRID.partition("[arms.untrained]")[0].replace('"plain"', '"lima"')
        + "[evaluate]\nevaluation = {e}\ngrader = {g}\nsamples = 1\nmax_new_tokens = 5\n"
    )
    values = {"base": base, "short": tmp_path / "short.jsonl", "long": tmp_path / "long.jsonl"}
    values |= {"e": talks, "g": f"judge:{judge.spec()}"}
    grid.write_text(text.format(**{key: json.dumps(str(value)) for key, value in values.items()}), encoding="utf-8")

    def told(folder, *more):
        (tmp_path / folder).mkdir(exist_ok=True)
        process = start(["study", "ablate", grid, "-d", tmp_path / folder / "l.db", "--json", "--name", "g", *more])
        out, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors
        return json.loads(out)["more"]

    alone = told("one")
    (rater,) = alone
    assert rater == f"the grader of {talks}"
    assert [mean["units"] for mean in alone[rater]["means"]] == [3, 3]
    asked = len(judge.asked)
    assert asked == 2 * 2 * 3 * 2
    together = told("two", "--workers", "2")
    assert [m["units"] for m in together[rater]["means"]] == [3, 3]
    assert len(judge.asked) == 2 * asked
    assert told("two") == together
    assert len(judge.asked) == 2 * asked
