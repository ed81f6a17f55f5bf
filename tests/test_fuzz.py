"""Odd recipes, bases, databases, files of examples and dialogues: each command ends with a sentence or does what it should.

The fast test is the first cases of each kind, the slow one a thousand, or as many as LIMA_FUZZ says: LIMA_FUZZ=10000 was run. A
seed is a case: `fuzz("recipe", 17)` does it again.
"""

import json
import os
import random
import re
import resource

import pytest

from fuzzing import Fuzz
from lima.testing import tiny_base, tiny_tokenizer
from odd_values import as_json, broken, changed, damage, nested, odd_value, places

pytestmark = pytest.mark.slow

KINDS = ("recipe", "base_model", "damaged", "examples", "dialogues")
FEW = {"recipe": 20, "base_model": 20, "damaged": 20, "examples": 40, "dialogues": 40}
MANY = int(os.environ.get("LIMA_FUZZ", "1000")) // len(KINDS)
"Cases of each kind in the slow test"
MEMORY = 16 * 2**30
"Bytes of addresses that a case may take: a number that is counted up to fails by name, and ends no other process"

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def fuzz(base, trained, tmp_path_factory):
    folder, run = trained
    work = tmp_path_factory.mktemp("fuzz")
    tokenizer = tiny_tokenizer(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    tokenizer.chat_template = TEMPLATE
    tuned = tiny_base(work / "tuned", tokenizer=tokenizer)
    pairs = work / "pairs.jsonl"
    pairs.write_text("".join(json.dumps({"prompt": f"What is {i}?", "response": f"{i}."}) + "\n" for i in range(6)))
    (work / "case").mkdir()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, before[1]))
    yield Fuzz(work / "case", (base, tuned), pairs, folder / "l.db", run.id)
    resource.setrlimit(resource.RLIMIT_AS, before)


def check(fuzz, kind, seeds):
    faults, codes = [], set()
    for seed in seeds:
        code, said, fault, arguments = fuzz(kind, seed)
        codes.add(code)
        if fault or code not in (0, 1, 2) or (code and not re.search(r"Error: |\d problems?", said)):
            faults.append(f"{kind} {seed}: {arguments} {code} {fault or said}")
    assert not faults, "\n".join(faults[:5])
    return codes


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_odd_input_ends_in_a_sentence(kind, fuzz, monkeypatch):
    monkeypatch.chdir(fuzz.folder)
    assert check(fuzz, kind, range(FEW[kind])) >= {0, 1}, "the cases must be odd, and not only odd"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_more_odd_input_ends_in_a_sentence(kind, part, fuzz, monkeypatch):
    monkeypatch.chdir(fuzz.folder)
    check(fuzz, kind, range(part * MANY // 5, (part + 1) * MANY // 5))


def test_cases_are_the_same_for_a_seed_and_differ_between_seeds():
    value = {"a": [1, {"b": "x"}], "c": None}

    def case(seed):
        chance = random.Random(seed)
        return repr((odd_value(chance), changed(chance, value), broken(chance, b"text" * 9), as_json(chance, value)))

    assert case(5) == case(5)
    assert len({case(seed) for seed in range(100)}) > 90
    assert value == {"a": [1, {"b": "x"}], "c": None}
    assert list(places(value)) == [(), ("a",), ("a", 0), ("a", 1), ("a", 1, "b"), ("c",)]
    assert nested(2) == [[[]]]


@pytest.mark.slow
def test_a_database_is_damaged_in_many_ways(trained, tmp_path):
    whole = (trained[0] / "l.db").read_bytes()
    done = set()
    for seed in range(60):
        (tmp_path / "l.db").write_bytes(whole)
        done.add(damage(random.Random(seed), tmp_path / "l.db").partition(" ")[0])
        assert (tmp_path / "l.db").read_bytes() != whole or seed
    assert len(done) > 20
