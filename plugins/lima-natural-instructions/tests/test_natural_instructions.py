"""Which tasks are taken, which instances and outputs are drawn, and what an example carries."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

import lima_chat
import lima_natural_instructions
from lima import Credit, Example, Refused, TakesOptions
from lima.testing import SourceContract
from lima_natural_instructions.categories import GENERATION, is_of
from lima_natural_instructions.source import (
    ADDRESS,
    NOT_DRAWN,
    OTHER_KIND,
    OTHER_LANGUAGE,
    TASK_NOT_DRAWN,
    NaturalInstructions,
    licence_of,
    prompt_of,
)

from .conftest import instance, task


class TestNaturalInstructions(SourceContract):
    """With all instances of a task, because the kit counts exchanges"""

    plugin, requires, abilities = lima_natural_instructions, (lima_chat,), (TakesOptions,)
    name, reads_files, reads_folders, suffix = "natural-instructions", True, True, ".json"
    options = {"limit": 1, "categories": ["any"]}

    @property
    def thing(self):
        return super().thing.with_options({"instances": 1000})

    def text(self, exchanges):
        return json.dumps(task(*(instance(one.prompt, one.answer) for one in exchanges)))


def read(folder, **options):
    """(examples, refused)"""
    found = list(NaturalInstructions().with_options(options).examples(folder))
    return [one for one in found if isinstance(one, Example)], [one for one in found if isinstance(one, Refused)]


def test_an_example_and_what_it_carries(folder):
    (one,), refused = read(folder(task1_quoref=task(instance("  Rain fell. ", "It rained. ", " ", "It rained."))))
    assert not refused
    assert one == Example(
        id="task1_quoref/1",
        source="natural-instructions",
        licence="CC-BY-4.0",
        provenance="task1_quoref.json, instance 1",
        credits=(
            Credit(author="Ann Example", url=f"{ADDRESS}task1_quoref.json", licence="Apache-2.0", part="instruction"),
            Credit(author="quoref", url="https://example.org/quoref", licence="CC-BY-4.0", part="input and output"),
        ),
        prompt="Say it in other words.\n\nRain fell.",
        response="It rained.",
    )


def test_one_instance_is_drawn_by_seed_for_each_task_by_itself(folder):
    many = task(*(instance(f"Text {n}.", f"Words {n}.") for n in range(50)))
    where = folder(task1=many, task2=many)
    first, refused = read(where)
    assert [one.id.split("/")[0] for one in first] == ["task1", "task2"]
    assert first[0].response != first[1].response
    assert sum(one.rows for one in refused if one.reason == NOT_DRAWN) == 98
    assert read(where)[0] == first
    assert len({read(where, seed=seed)[0][0].id for seed in range(12)}) > 6
    alone = read(folder(task0=many, task1=many, task2=many))[0]
    assert alone[1:] == first, "another task changes nothing"


def test_a_task_that_grows_beyond_what_is_drawn_is_drawn_evenly(folder):
    where = folder(task1=task(*(instance(f"Text {n}.") for n in range(8))))
    drawn = Counter(one.id for seed in range(300) for one in read(where, instances=2, seed=seed)[0])
    assert len(drawn) == 8
    assert min(drawn.values()) > 40
    assert max(drawn.values()) < 115


def test_a_limit_draws_tasks_and_counts_the_others(folder):
    where = folder(**{f"task{n}": task(instance(f"Text {n}.")) for n in range(9)})
    kept, refused = read(where, limit=4)
    assert len(kept) == 4
    assert {one.reason for one in refused} == {TASK_NOT_DRAWN}
    assert sum(one.rows for one in refused) == 5
    assert read(where, limit=4)[0] == kept != read(where, limit=4, seed=1)[0]


def test_several_valid_outputs_one_is_drawn_and_a_grader_is_told_the_others(folder):
    where = folder(task1=task(instance("Rain fell.", "It rained.", "There was rain.", "Rain came.")))
    answers = {read(where, seed=seed)[0][0].response for seed in range(30)}
    assert answers == {"It rained.", "There was rain.", "Rain came."}
    (one,) = read(where)[0]
    assert one.provenance == "task1.json, instance 1; one of 3 valid outputs"
    (script,) = NaturalInstructions().scripts(where)
    assert (script.id, script.topic, script.turns[0].user) == (one.id, "Paraphrasing", one.prompt)
    assert script.turns[0].facts["reference"] == one.response
    assert {one.response, *script.turns[0].facts["also valid"]} == answers


@pytest.mark.parametrize(
    ("more", "options", "reason"),
    [
        ({"Categories": ["Sentiment Analysis"]}, {}, f"{OTHER_KIND} It is of Sentiment Analysis."),
        ({"Categories": ["Sentiment Analysis"]}, {"categories": ["sentiment analysis"]}, ""),
        ({"Categories": ["Sentiment Analysis"]}, {"categories": ["any"]}, ""),
        ({"Categories": ["Summarization"]}, {"categories": ["Paraphrasing"]}, f"{OTHER_KIND} It is of Summarization."),
        ({"Categories": []}, {}, f"{OTHER_KIND} It is of none."),
        ({"Categories": "Summarization"}, {}, ""),
        ({"Input_language": ["German"]}, {}, f"{OTHER_LANGUAGE} Its Input_language is German."),
        ({"Output_language": ["English", "Hindi"]}, {}, f"{OTHER_LANGUAGE} Its Output_language is English, Hindi."),
        ({"Output_language": []}, {}, f"{OTHER_LANGUAGE} Its Output_language is not said."),
        ({"Output_language": ["German"], "Input_language": ["German"]}, {"language": "German"}, ""),
        ({"Output_language": ["German"]}, {"language": "any"}, ""),
    ],
)
def test_which_tasks_are_wanted(folder, more, options, reason):
    kept, refused = read(folder(task1=task(instance(), instance(), **more)), **options)
    assert ([one.reason for one in refused] if reason else len(kept)) == ([reason] if reason else 1)
    whole = task(instance(), instance(), **more)
    turned = {"Instances": whole.pop("Instances")} | whole
    again = read(folder(task1=turned), **options)[1]
    assert again == refused, "the same where the instances come first"


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("Summarization", True),
        ("text modification -> Paraphrasing", True),
        ("Proofreading -> Grammar Error -> Grammar Error Correction", True),
        ("Text Generation -> Sentence Generation -> Explanation Generation", True),
        ("Question Generation->Contextual Question Generation", True),
        ("Text Generation -> Sentence Generation -> Contextual Text Generation -> Incorrect", False),
        ("Classification -> Verification -> Summary Verification", False),
        ("Question Answering -> Incorrect Answer Generation", False),
        ("Text Matching", False),
        ("", False),
    ],
)
def test_categories_of_generation(category, expected):
    assert is_of(category, GENERATION) is expected
    assert is_of(category, [category])


def test_the_readme_lists_them():
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    assert f"The categories of generation are {', '.join(GENERATION)}. A name" in " ".join(readme.split())


def test_licences_and_prompts():
    assert licence_of(["CC BY-SA 3.0", "MIT"]) == "CC-BY-SA-3.0 AND MIT"
    assert licence_of(["Unknown"]) == "Unknown"
    assert licence_of([]) == "Apache-2.0"
    assert prompt_of("Do it.", "Do it. Now.") == "Do it. Now."
    assert prompt_of("Write a poem.", "") == "Write a poem."


def test_a_definition_of_version_1_is_one_text_and_a_task_may_name_no_origin(folder):
    (one,), _ = read(folder(task1=task(instance(), Definition="Say it.", Source=[], URL=[], Contributors=[])))
    assert one.prompt == "Say it.\n\nRain fell."
    assert [credit.part for credit in one.credits] == ["instruction"]
    assert one.credits[0].author == "contributors of Super-Natural Instructions"


@pytest.mark.skipif(not os.environ.get("LIMA_NATURAL_INSTRUCTIONS"), reason="LIMA_NATURAL_INSTRUCTIONS names no folder")
def test_a_real_folder():
    kept, refused = read(os.environ["LIMA_NATURAL_INSTRUCTIONS"], limit=50)
    assert len(kept) == 50
    assert not [one for one in refused if one.fault]
    assert len({one.id for one in kept}) == 50
