"""A base with templates of its own, trained with lima-chat: which renderer is chosen, and what of its templates is saved."""

import json

import pytest

import lima_chat
from lima import CheckpointModel, Recipe, Store, fine_tune
from lima.testing import only_plugins, tiny_base, tiny_tokenizer

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"Its EOT is not the tokenizer's EOS"
ENDED = CHATML.replace("'<|im_end|>'", "('<|im_end|>' + eos_token if m['role'] == 'system' else '<|im_end|>')")
"It writes the tokenizer's EOS, too"
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yo"},
]
TALK += [{"role": "user", "content": "Why?"}]


def tuned(folder, template, **changes):
    tokenizer = tiny_tokenizer(["</s>", "<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = template
    base = tiny_base(folder / "base", tokenizer=tokenizer, tie_word_embeddings=True)
    file = folder / "talks.jsonl"
    file.write_text(json.dumps({"messages": [*TALK, {"role": "assistant", "content": "So."}]}) + "\n")
    values = {
        "base": str(base),
        "sources": [str(file)],
        "out": str(folder / "out"),
        "epochs": 1,
        "residual_dropout": 0.0,
    }
    with only_plugins(lima_chat=lima_chat) as plugins, Store(folder / "lima.db", plugins) as store:
        run = fine_tune(Recipe().with_values(values | changes), store, plugins)
        return base, run, CheckpointModel(run.folder, plugins.registry("renderers").find(run.renderer), device="cpu")


@pytest.mark.parametrize("lora", [0, 2])
@pytest.mark.parametrize(
    "template", [CHATML, ENDED, {"default": ENDED, "rag": "r", "tool_use": ENDED}], ids=["own", "ended", "named"]
)
@pytest.mark.parametrize("renderer", ["auto", "chatml", "lima"])
def test_saved_templates_prompt_as_the_renderer_does_and_named_ones_survive(renderer, template, lora, tmp_path):
    from transformers import AutoTokenizer

    base, run, model = tuned(tmp_path, template, renderer=renderer, lora_rank=lora)
    assert run.renderer == {"auto": "template"}.get(renderer, renderer)
    old, new = AutoTokenizer.from_pretrained(base), AutoTokenizer.from_pretrained(run.folder)
    assert new.eos_token == run.eot == model.eot == "<|im_end|>"
    own = {"tokenize": False, "add_generation_prompt": True}
    wanted = model.prompt_ids([lima_chat.Turn(m["role"], m["content"]) for m in TALK])
    assert new.apply_chat_template(TALK, add_generation_prompt=True, return_dict=False) == wanted
    if renderer == "auto":
        assert new.apply_chat_template(TALK, **own) == old.apply_chat_template(TALK, **own)
    further = sorted(p.stem for p in run.folder.glob("additional_chat_templates/*"))
    assert further == (["rag", "tool_use"] if isinstance(template, dict) else [])
    for name in further:
        assert new.apply_chat_template(TALK, **own, chat_template=name) == old.apply_chat_template(
            TALK, **own, chat_template=name
        )


def test_a_base_without_a_template_is_trained_plain(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"prompt": "Hi", "response": "Yo"}) + "\n")
    _, run, model = tuned(tmp_path, None, sources=[f"pairs:{file}"])
    assert run.renderer == "plain"
    turns = [{"role": "user", "content": "Why?"}]
    assert model.tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_dict=False
    ) == model.prompt_ids("Why?")


@pytest.mark.parametrize("starts", [False, True], ids=["bare", "bos"])
def test_every_template_that_ships_is_saved_and_prompts_alike(starts, tmp_path, renderers, caplog):
    """Beside a base's own template of another format, of which nothing is left"""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    from lima import load_plugins, prepare
    from lima.train.saved_tokenizer import to_save

    tokenizer = tiny_tokenizer(["</s>", "<s>"])
    tokenizer.bos_token = "<s>"
    tokenizer.chat_template = "{{ 'stale' }}{% for m in messages %}{{ m['content'] }}</s>{% endfor %}"
    if starts:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    base = tiny_base(tmp_path / "base", tokenizer=tokenizer)
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps({"prompt": "Hi", "response": "Yo"}) + "\n")
    question = [{"role": "user", "content": "Why?\n\tTell me."}]
    for name in [*sorted(renderers.keys() - {"template"}), "plain"]:
        ready = prepare(Recipe(base=str(base), sources=(f"pairs:{file}",), renderer=name), load_plugins())
        saved, notes = to_save(ready)
        saved.save_pretrained(tmp_path / name)
        read = AutoTokenizer.from_pretrained(tmp_path / name)
        assert (read.eos_token, notes) == (ready.eot, ""), name
        wanted = ready.renderer.prompt("Why?\n\tTell me.", ready.tokenizer, ready.eot)
        assert read.apply_chat_template(question, add_generation_prompt=True, return_dict=False) == wanted, name
        assert ready.renderer.prompt("Why?\n\tTell me.", read, ready.eot) == wanted, name
    assert caplog.messages == []
