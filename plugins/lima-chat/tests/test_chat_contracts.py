"""Every source and renderer of lima-chat keeps the contract of its kind."""

import re
from pathlib import Path

import pytest

import lima_chat
from lima import (
    ChatPrompts,
    HasChatTemplate,
    HasNamedTemplates,
    Recognises,
    RendersAhead,
    SplitsThoughts,
    SuitsBase,
    TakesOptions,
    TakesVariables,
    TextPrompts,
)
from lima.testing import SourceContract
from lima_chat.testing import RendererContract

ROWS = {
    "openai": lambda p, a: {"messages": [{"role": "user", "content": p}, {"role": "assistant", "content": a}]},
    "sharegpt": lambda p, a: {"conversations": [{"from": "human", "value": p}, {"from": "gpt", "value": a}]},
    "lima": lambda p, a: {"conversations": [p, a]},
    "exchanges": lambda p, a: {"history": [{"user": p, "bot": a}]},
    "alpaca": lambda p, a: {"instruction": p, "input": "", "output": a},
    "dolly": lambda p, a: {"instruction": p, "context": "", "response": a},
    "qa": lambda p, a: {"question": p, "answer": a},
    "completion": lambda p, a: {"prompt": p, "completion": a},
    "preference": lambda p, a: {"prompt": p, "chosen": a, "rejected": "No idea."},
    "oasst": lambda p, a: {
        "prompt": {
            "message_id": p[:9],
            "role": "prompter",
            "text": p,
            "replies": [{"message_id": f"{p[:9]} answered", "role": "assistant", "text": a}],
        }
    },
}
TEMPLATE = (
    "{% for m in messages %}{{ '<s>' ~ m.role ~ ': ' ~ m.content ~ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% endif %}"
)


class Source(SourceContract):
    plugin, abilities, reads_files = lima_chat, (Recognises, TakesOptions), True

    def row(self, prompt, answer):
        return ROWS[self.name](prompt, answer)


@pytest.mark.parametrize("name", ROWS)
def test_a_source_keeps_its_contract(name):
    assert type("Named", (Source,), {"name": name}).failures() == {}


class Renderer(RendererContract):
    plugin = lima_chat
    abilities = (TextPrompts, ChatPrompts, HasChatTemplate, RendersAhead, TakesVariables, SplitsThoughts)


class OwnTemplate(Renderer):
    name = "template"
    abilities = (*Renderer.abilities, HasNamedTemplates, SuitsBase)

    def tokenizers(self):
        found = super().tokenizers()
        for tokenizer in found:
            tokenizer.chat_template = TEMPLATE
        return found


@pytest.mark.parametrize(
    "name",
    ["chatml", "lima", *(pytest.param(n, marks=pytest.mark.slow) for n in ("alpaca", "gemma", "llama3", "zephyr"))],
)
def test_a_renderer_of_a_template_keeps_its_contract(name):
    assert type("Named", (Renderer,), {"name": name}).failures() == {}


@pytest.mark.slow
def test_the_renderer_of_the_bases_template_keeps_its_contract():
    assert OwnTemplate.failures() == {}


def test_the_package_of_the_readme_keeps_its_contract(tmp_path, monkeypatch):
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    (jinja,) = re.findall(r"```jinja\n(.*?)```", readme, re.DOTALL)
    texts = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", readme, re.DOTALL))
    assert [*texts] == ["lima_names/__init__.py", "tests/test_renderer.py"]
    (tmp_path / "lima_names").mkdir()
    (tmp_path / "lima_names" / "names.jinja").write_text(jinja, encoding="utf-8")
    (tmp_path / "lima_names" / "__init__.py").write_text(texts["lima_names/__init__.py"], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = {}
    exec(texts["tests/test_renderer.py"], found)
    assert found["TestNames"].failures() == {}
