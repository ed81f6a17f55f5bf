"""Fixtures: no network, a user folder of the test's own, a tokenizer that knows every byte, and the renderers by name."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


@pytest.fixture(autouse=True)
def own_user_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "user"))


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
