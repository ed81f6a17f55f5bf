"""What the core itself registers keeps the contracts that it asks of plugins."""

from lima import HasChatTemplate, Recognises, TakesOptions, TextPrompts
from lima.testing import ModelContract, RendererContract, SourceContract, tiny_base


class TestPairs(SourceContract):
    name = "pairs"
    abilities = (Recognises, TakesOptions)
    reads_files = True

    def row(self, prompt, answer):
        return {"prompt": prompt, "response": answer}


class TestPlain(RendererContract):
    name = "plain"
    abilities = (TextPrompts, HasChatTemplate)


class TestCheckpoints(ModelContract):
    name = "checkpoint"
    draws = tells_prompts = True

    def prepare(self):
        type(self).argument = str(tiny_base(self.folder / "base", "gpt2"))

    def prompt(self, text):
        return text
