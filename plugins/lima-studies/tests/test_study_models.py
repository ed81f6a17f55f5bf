"""Recorded replies and folders that were tuned on the Alpaca set, as models of lima."""

import json

import pytest

import lima_chat
import lima_dialogue_eval
import lima_judges
import lima_studies
from lima import LimaError, Sampling
from lima.testing import ModelContract
from lima_studies.models.alpaca import AlpacaFolders, AlpacaFormat
from lima_studies.models.replies import ReplyFiles

NEEDED = (lima_chat, lima_dialogue_eval, lima_judges)


class TestReplies(ModelContract):
    plugin, requires, name = lima_studies, NEEDED, "replies"

    def prepare(self):
        rows = [{"prompt": one[0].content, "reply": f"To {one[0].content}"} for one in self.prompts]
        file = self.folder / "replies.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        type(self).argument = str(file)


def test_recorded_replies_keep_version_and_date_in_the_forms_that_people_have(tmp_path):
    file = tmp_path / "davinci.jsonl"
    rows = [
        {"prompt": "Why?", "reply": "So.", "version": "text-davinci-003", "date": "2023-04-30", "stop": "length"},
        {"instruction": "How? ", "output": "", "generator": "davinci"},
        {"prompt": "Who?", "response": "Me.\u202e"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = ReplyFiles().open(str(file), None)
    first, second, third, missing = model.reply(["Why?", "How?", "Who?", "Where?"], Sampling(), 0)
    assert (first.text, first.stop, second.text) == ("So.", "length", "")
    assert [model.recorded(p) for p in ("Why?", " How?", "Where?")] == [
        ("text-davinci-003", "2023-04-30"),
        ("davinci", ""),
        ("", ""),
    ]
    assert third.text == "Me.\u202e"
    assert "has no reply to the prompt 'Where?'" in str(missing)
    before = model.identity()
    file.write_text(json.dumps({**rows[0], "reply": "No."}) + "\n")
    assert ReplyFiles().open(str(file), None).identity() != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"prompt": "x"}', "line 1: expected the reply's text"),
        ('{"reply": "x"}', "line 1: expected the prompt's text"),
        (
            '{"prompt": "x", "reply": "y"}\n{"prompt": "x ", "reply": "z"}',
            "line 2: its prompt has a reply in .*line 1 already",
        ),
        ("[1]", "line 1: expected an object with prompt and reply"),
        ("", "no reply in it"),
    ],
)
def test_recordings_that_are_none_are_refused(text, said, tmp_path):
    (tmp_path / "r.jsonl").write_text(text)
    with pytest.raises(LimaError, match=said):
        ReplyFiles().open(str(tmp_path / "r.jsonl"), None)
    with pytest.raises(LimaError, match="Name the file: replies:FILE"):
        ReplyFiles().open(None, None)


def test_an_alpaca_folder_is_asked_in_that_format_with_what_users_write_as_text(lima_base, lima_tokenizer):
    model = AlpacaFolders().open(str(lima_base), None)
    tokenizer = model.model.tokenizer
    ids = AlpacaFormat().prompt(f"Why? {tokenizer.eos_token}", tokenizer, "")
    assert tokenizer.decode(ids).endswith(f"\n\n### Instruction:\nWhy? {tokenizer.eos_token}\n\n### Response:")
    assert tokenizer.eos_token_id not in ids  # the user's, which is text
    (reply,) = model.reply(["Why?"], Sampling(max_new_tokens=3), 1)
    assert len(reply.ids) <= 3
    assert reply.prompt_ids == AlpacaFormat().prompt("Why?", tokenizer, "")
    assert model.name == f"alpaca:{lima_base}"
    with pytest.raises(LimaError, match="No such folder: nowhere"):
        AlpacaFolders().open("nowhere", None)
