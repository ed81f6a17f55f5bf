"""Servers that answer, recorded replies, and judges keep the contracts of models and graders; the server is a real one."""

import json

import pytest

import lima_chat
import lima_dialogue_eval
import lima_judges
from lima import Opens
from lima.testing import ModelContract
from lima_dialogue_eval.testing import GraderContract


@pytest.fixture(autouse=True, scope="class")
def server(request):
    if by := getattr(request.cls, "served_by", ""):
        request.cls.argument = request.cls.argument.format(request.getfixturevalue(by))


class Judges:
    plugin, requires = lima_judges, (lima_chat, lima_dialogue_eval)


class TestServer(Judges, ModelContract):
    name, argument = "openai", "{}"
    served_by = "serving_echo"


class TestRecorded(Judges, ModelContract):
    name = "recorded"

    def prepare(self):
        rows = [{"conversation": one[0].content, "turn": 1, "reply": f"To {one[0].content}"} for one in self.prompts]
        (self.folder / "replies.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        type(self).argument = str(self.folder / "replies.jsonl")

    def ask(self, model, prompts, settings, seeds, **more):
        keys = [(prompt[0].content, 1, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        return super().ask(model, prompts, settings, seeds, keys=keys, **more)


class TestJudge(Judges, GraderContract):
    name, argument, abilities = "judge", "openai:{}", (Opens,)
    served_by = "serving_ticks"
