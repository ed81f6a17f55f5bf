"""Task files as small as a test needs, in the shape of the published ones."""

import json

import pytest

HEAD = {
    "Contributors": ["Ann Example"],
    "Source": ["quoref"],
    "URL": ["https://example.org/quoref"],
    "Categories": ["Paraphrasing"],
    "Reasoning": [],
    "Definition": ["Say it in other words."],
    "Input_language": ["English"],
    "Output_language": ["English"],
    "Instruction_language": ["English"],
    "Domains": ["Wikipedia"],
    "Positive Examples": [{"input": "A.", "output": "B.", "explanation": "It is."}],
    "Negative Examples": [],
}


def task(*instances, **more):
    """A task as a file has it, with what stands before the instances and behind them"""
    numbered = [
        {"id": f"t-{number}", **one} if isinstance(one, dict) else one for number, one in enumerate(instances, 1)
    ]
    return HEAD | {"Instances": numbered, "Instance License": ["CC BY 4.0"]} | more


def instance(asked="Rain fell.", *outputs):
    """An instance with its valid outputs"""
    return {"input": asked, "output": list(outputs or ("It rained.",))}


@pytest.fixture
def folder(tmp_path):
    """Writes tasks, or texts of files, by their names into the folder of a collection"""

    def made(**tasks):
        (tmp_path / "tasks").mkdir(exist_ok=True)
        for name, content in tasks.items():
            data = content if isinstance(content, bytes) else json.dumps(content, indent=4).encode()
            (tmp_path / "tasks" / f"{name}.json").write_bytes(data)
        return str(tmp_path)

    return made
