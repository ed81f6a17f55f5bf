"""`lima filters try` counts what a filter leaves out by reason, shows the first examples, and changes nothing."""

import json

import pytest

import lima_chat
import lima_curate
import lima_dialogue_eval
import lima_stackexchange


@pytest.fixture
def file(lima_plugins, tmp_path):
    lima_plugins(
        lima_chat=lima_chat,
        lima_dialogue_eval=lima_dialogue_eval,
        lima_stackexchange=lima_stackexchange,
        lima_curate=lima_curate,
    )
    path = tmp_path / "a.jsonl"
    rows = [("Why is it \x1b[31mred?", "a" * n) for n in (5, 50, 500, 7, 5000)]
    path.write_text("".join(json.dumps({"prompt": p, "response": r}) + "\n" for p, r in rows))
    return path


def test_reasons_are_counted_whatever_their_figures_and_the_first_examples_are_shown(file, lima_command):
    before = file.read_bytes()
    said = lima_command(
        "filters", "try", "length", file, "--set", "shortest=20", "--set", "longest=4000", "-n", "1", "--json"
    )
    assert said.json == {
        "filter": "length",
        "read": 5,
        "left_out": 3,
        "kept": 2,
        "reasons": [
            {
                "reason": "The length of an answer in characters is N, fewer than N.",
                "count": 2,
                "examples": [
                    {
                        "id": "a.jsonl:1",
                        "source": "a.jsonl",
                        "reason": "The length of an answer in characters is 5, fewer than 20.",
                        "messages": [["user", "Why is it \x1b[31mred?"], ["assistant", "aaaaa"]],
                    }
                ],
            },
            {
                "reason": "The length of an answer in characters is N, more than N.",
                "count": 1,
                "examples": [
                    {
                        "id": "a.jsonl:5",
                        "source": "a.jsonl",
                        "reason": "The length of an answer in characters is 5,000, more than 4,000.",
                        "messages": [["user", "Why is it \x1b[31mred?"], ["assistant", "a" * 199 + "…"]],
                    }
                ],
            },
        ],
    }
    shown = lima_command("filters", "try", "length", file, "--set", "shortest=20").out
    assert "2 of 5: The length of an answer in characters is N, fewer than N." in shown
    assert "a.jsonl:4: The length of an answer in characters is 7, fewer than 20." in shown
    assert "\x1b[31m" not in shown
    assert file.read_bytes() == before


def test_what_is_wrong_is_said_with_advice(file, lima_command):
    def said(*arguments):
        return lima_command("filters", "try", *arguments, code=1).err

    assert "There is no filter 'lenght'. Did you mean 'length'?" in said("lenght", file)
    assert "length.shortest is 'few'; expected a whole number from 0 to 100,000,000." in said(
        "length", file, "--set", "shortest=few"
    )
    assert "'nobody' is not a plugin that has sources." in said("length", file, "--set", "nobody.skip_bad=true")
    assert "The filter 'longest' needs k, the number of examples to keep: k = 1000, or --set k=1000." in said(
        "longest", file
    )


def test_rows_that_cannot_be_used_can_be_skipped(file, lima_command):
    file.write_text(file.read_text() + '{"prompt": "Why?"}\n')
    options = ("--set", "lima-tune.skip_bad=true", "--json")
    assert lima_command("filters", "try", "quality", file, *options).json["read"] == 5
