"""Fixtures: no network, a user folder of the test's own, a tokenizer that knows every byte, and the renderers by name."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


@pytest.fixture(autouse=True)
def own_user_folder(lima_home):
    return lima_home


@pytest.fixture
def ready():
    """ready(renderer, starts=False): a tokenizer that has what the renderer needs, and its EOT"""
    from lima.model.eot import extend_tokenizer
    from lima.testing import tiny_tokenizer

    def make(renderer, starts=False, template=None):
        tokenizer = tiny_tokenizer(special=["</s>", "<s>"])
        tokenizer.bos_token = "<s>"
        tokenizer.chat_template = template
        if starts:
            from tokenizers.processors import TemplateProcessing

            tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
        eot = renderer.end_of_turn(tokenizer)
        extend_tokenizer(tokenizer, [eot, *renderer.special_tokens(tokenizer)])
        return tokenizer, eot

    return make


@pytest.fixture(scope="session")
def renderers():
    """Every renderer that lima-chat registers, by name"""
    from lima_chat.renderer import OwnTemplateRenderer, TemplateRenderer
    from lima_chat.templates import template_files

    found = {file.name: TemplateRenderer(file) for file in template_files()}
    return {**found, "template": OwnTemplateRenderer()}


@pytest.fixture
def plugins(lima_plugins):
    """lima-chat alone, and the core"""
    import lima_chat

    return lima_plugins(lima_chat=lima_chat)


@pytest.fixture
def read(tmp_path, plugins):
    """read(text or rows, name, source, **options): the opened source of a file with that content"""
    import json

    from lima.data.sources import open_source

    def reader(content, name="talks.jsonl", source=None, **options):
        file = tmp_path / name
        file.write_text(content if isinstance(content, str) else "".join(json.dumps(r) + "\n" for r in content))
        skip = {key: options[key] for key in ("skip_bad",) if key in options}
        tables = {"lima-chat": options, "lima-tune": skip} if options else {}
        return open_source(f"{source}:{file}" if source else str(file), plugins, tables)

    return reader


@pytest.fixture
def said():
    """said(record): the (role, text) of each turn"""
    from lima import Example

    def turns(record):
        if isinstance(record, Example):
            return [("user", record.prompt), ("assistant", record.response)]
        return [(t.role, t.content) for t in record.turns]

    return turns


def joining_tokenizer(tokens, thinking_is_special=True):
    """Like those of SentencePiece: it marks where a text begins, and joins words across white space and line breaks"""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    text = "a\n\nWhy? So.\n\n1 x\n\nAt noon.\n<think>\n\n</think>\n\nAt: So: At; Brest?\n\n\n A\nB\n A later:\n\n1. you </think>"
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<unk>", *bytes_], show_progress=False)
    made.train_from_iterator([text] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    thinking = [t for t in ("<think>", "</think>") if t not in tokens]
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in tokens], special_tokens=True)
    tokenizer.add_tokens([AddedToken(t, special=thinking_is_special, normalized=False) for t in thinking])
    tokenizer.bos_token, tokenizer.eos_token = "<s>", "</s>"
    return tokenizer


@pytest.fixture(scope="session")
def joining():
    return joining_tokenizer


class Talks:
    """A plugin whose source `talks` has these conversations"""

    description, licence = "conversations of a test", "CC0-1.0"

    def __init__(self, records):
        self.records = records

    def examples(self, argument):
        return iter(self.records)


@pytest.fixture(scope="session")
def talks():
    """talks(*conversations): a plugin with a source of them"""
    import lima

    class Plugin:
        def __init__(self, records):
            self.source = Talks(records)

        @lima.hookimpl
        def register_sources(self, register):
            register("talks", self.source)

    return lambda *records: Plugin(records)
