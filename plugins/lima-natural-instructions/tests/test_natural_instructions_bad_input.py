"""Files and instances that are not what they should be: a sentence with the place, in bounded memory, and nothing lost."""

import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima import LimaError, Refused
from lima_natural_instructions import tasks
from lima_natural_instructions.source import NaturalInstructions
from lima_natural_instructions.tasks import TaskFile

from .conftest import HEAD, instance, task


def refused(folder, **options):
    """(where, reason) of each fault"""
    found = NaturalInstructions().with_options({"instances": 100, **options}).examples(folder)
    return [(one.where, one.reason) for one in found if isinstance(one, Refused) and one.fault]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (7, "it has no text as its input; expected"),
        ({"input": None, "output": ["a"]}, "it has no text as its input; expected"),
        ({"input": "a"}, "its output is null; expected a list of texts."),
        ({"input": "a", "output": [1]}, "its output is a list; expected a list of texts."),
        ({"input": "a", "output": [" ", ""]}, "its output is empty."),
        ({"input": "a", "output": []}, "its output is empty."),
    ],
)
def test_an_instance_of_another_shape_is_refused_with_its_place(folder, bad, reason):
    ((where, said),) = refused(folder(task1=task(instance(), bad, instance())))
    assert where == "task1.json, instance 2"
    assert said.startswith(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "task1.json is empty. Expected a task"),
        (b"[1, 2]", "is not a task: expected an object with Definition and Instances."),
        (b'"text"', "is not a task: expected"),
        (b'{"prompt": "x", "response": "y"}', "is not a task: it has no Instances. Its keys are prompt, response."),
        (b'{"Instances": {"a": 1}}', "its Instances are not a list."),
        (b'{"Instances": 7}', "its Instances are not a list."),
        (b'{"Instances": [], "Instances": []}', "has the key 'Instances' twice."),
        (json.dumps(task(instance()), indent=4).encode()[:-60], "task1.json is not JSON ("),
        (json.dumps(task(instance("Caf\u00e9")), ensure_ascii=False).encode("latin-1"), "is not UTF-8 text"),
        (json.dumps(task(instance()), indent=4).encode() + b"{}", "task1.json is not JSON (Extra data, line"),
        (b'{"Instances": ' + b"[" * 400_000, "is nested too deeply"),
        (b'{"Instances": [], "Reasoning": ' + b'{"a":' * 400_000, "is nested too deeply"),
        (json.dumps(task(instance())).replace("Rain", "\\ud83d Rain").encode(), "half of a character"),
        (json.dumps(task(instance())).replace("Rain", "\\ude00").encode(), "half of a character"),
        (json.dumps(task(instance())).replace('"Rain fell."', "NaN").encode(), "between bytes 0 and"),
        (task(instance(), Definition=[]), "the task has no Definition."),
        (task(instance(), Definition=[7]), "its Definition is a list; expected a list of texts."),
        (task(instance(), Categories={"a": 1}), "its Categories is an object; expected a list of texts."),
    ],
)
def test_a_file_that_cannot_be_read_is_one_refusal(folder, content, reason):
    where = folder(task1=content, task2=task(instance()))
    found = list(NaturalInstructions().examples(where))
    (bad,) = [one for one in found if isinstance(one, Refused)]
    assert (bad.where, bad.fault) == ("task1.json", True)
    assert reason in bad.reason
    assert [one.id for one in found if not isinstance(one, Refused)] == ["task2/1"]


def test_characters_beyond_16_bits_are_whole_wherever_the_file_is_cut(folder, monkeypatch):
    """An escape of two halves is no half, also across the pieces in which a file is read; nor is a backslash with such letters"""
    checked = list[str]()
    monkeypatch.setattr(TaskFile, "_check_whole", lambda self: checked.append(self.path.name))
    for shift in range(14):
        text = "x" * (65_536 - 60 + shift - len(json.dumps(HEAD))) + "😀😀 \\ud83"
        where = folder(task1=task(instance(text, "Yes 😀.")))
        (one,) = NaturalInstructions().examples(where)
        assert one.prompt.endswith("😀😀 \\ud83")
    assert checked == []


def test_an_instance_without_end_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(tasks, "LONGEST", 200_000)
    ((where, reason),) = refused(folder(task1=task(instance("x" * 400_000))))
    assert (where, "an instance of more than 200,000 bytes" in reason) == ("task1.json", True)


def test_memory_does_not_grow_with_a_file(folder):
    peaks = []
    for count in (1_000, 6_000):
        where = folder(task1=task(*(instance(f"Text {n}. " * 20) for n in range(count))))
        tracemalloc.start()
        for _ in NaturalInstructions().examples(where):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 100_000


@pytest.mark.parametrize(
    ("argument", "error"),
    [(None, "reads tasks: write it as natural-instructions:FOLDER"), ("gone", "gone does not exist"), (".", "has no task files")],
)  # fmt: skip
def test_a_path_without_tasks(tmp_path, monkeypatch, argument, error):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".task1.json").write_text("{}")
    with pytest.raises(LimaError, match=error):
        list(NaturalInstructions().examples(argument))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4), lambda one: st.lists(one, max_size=3)
)
INSTANCES = (
    st.fixed_dictionaries({"input": st.text(max_size=9) | JSON, "output": st.lists(st.text(max_size=5)) | JSON}) | JSON
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(INSTANCES, max_size=6), min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 2))
def test_read_is_kept_and_refused(tmp_path_factory, given_tasks, instances, limit):
    folder = tmp_path_factory.mktemp("tasks")
    for number, one in enumerate(given_tasks):
        (folder / f"task{number}.json").write_text(json.dumps(HEAD | {"Instances": one}))
    found = list(NaturalInstructions().with_options({"instances": instances, "limit": limit}).examples(str(folder)))
    kept = [one.id for one in found if not isinstance(one, Refused)]
    read = sum(one.rows for one in found if isinstance(one, Refused)) + len(kept)
    if not limit or limit >= len(given_tasks):
        without = sum(not any(map(usable, one)) for one in given_tasks)
        assert read == sum(map(len, given_tasks)) + without
        assert len(kept) == sum(min(instances, sum(map(usable, one))) for one in given_tasks)


def usable(one):
    """Whether an instance has an input, and an output that says something"""
    if not isinstance(one, dict) or not isinstance(one["input"], str):
        return False
    given = [one["output"]] if isinstance(one["output"], str) else one["output"]
    texts = isinstance(given, list) and all(isinstance(text, str) for text in given)
    return texts and any(text.strip() for text in given)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_damage_is_an_instance_or_a_sentence(tmp_path_factory, data):
    damaged = bytearray(json.dumps(task(instance(), instance("A 😀.", "B.", "C.")), indent=1).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
    file = tmp_path_factory.mktemp("tasks") / "task1.json"
    file.write_bytes(damaged)
    found = list(NaturalInstructions().examples(str(file)))
    assert sum(one.rows if isinstance(one, Refused) else 1 for one in found) in (1, 2)
