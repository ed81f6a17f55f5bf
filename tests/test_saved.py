"""The saved folder is what was trained: transformers, GGUF's reader and lima prompt alike from it, and stop at the same token."""

import json

import pytest
import torch
from gguf import SpecialVocab
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from lima import hookimpl
from lima.answer.checkpoint_model import CheckpointModel
from lima.contract.answers import Sampling
from lima.data.rendering import PlainRenderer
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima.train.start import fine_tune

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]

STALE = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{{ eos_token }}{% endfor %}"
FAST = {"epochs": 1, "batch_size": 20, "learning_rate": 1e-2, "residual_dropout": 0.0, "renderer": "plain"}
QUESTIONS = ["Why?", " Why  two?\n\nAnd three…", "naïve 日本 {{ x }}"]


def tokenizers(kind):
    """A tokenizer that starts texts with a BOS or not, and marks where words begin, in each way that published ones do"""
    made = metaspace() if kind == "first" else tiny_tokenizer(("</s>", "<s>"))
    if kind != "bare":
        made.bos_token = "<s>"
        made.backend_tokenizer.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    if kind == "prepend":
        made.backend_tokenizer.normalizer = normalizers.Prepend(" ")
    return made


def metaspace():
    """A tokenizer that marks where a word begins and where a text does, not one after a control token; bytes for the rest"""
    words = ["</s>", "<s>", *(f"<0x{i:02X}>" for i in range(256)), "▁", *map(chr, range(33, 127)), "▁W", "It"]
    made = Tokenizer(models.BPE({w: i for i, w in enumerate(words)}, [("▁", "W"), ("I", "t")], byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", additional_special_tokens=["<s>"])


def a_base(folder, kind="bos", template=STALE, **config):
    tokenizer = tokenizers(kind)
    tokenizer.chat_template = template
    return tiny_base(folder, tokenizer=tokenizer, **config)


def tuned(base, pairs, tmp_path, plugins=None, name="out", **changes):
    recipe = Recipe(base=str(base), sources=(str(pairs),), out=str(tmp_path / name)).with_values(FAST | changes)
    with Store(tmp_path / f"{name}.db", plugins) as store:
        return fine_tune(recipe, store, plugins)


def asked(tokenizer, question):
    turns = [{"role": "user", "content": question}]
    return list(tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False))


@pytest.mark.parametrize("kind", ["bare", "bos", "first", "prepend"])
@pytest.mark.parametrize(
    "template", [None, STALE, {"default": STALE, "rag": "{{ documents }}", "tool_use": "{{ tools }}"}]
)
def test_plain_transformers_and_gguf_and_lima_read_one_format_from_the_folder(kind, template, pairs, tmp_path):
    base = a_base(tmp_path / "base", kind, template)
    folder = tuned(base, pairs, tmp_path).folder
    tokenizer, model = AutoTokenizer.from_pretrained(folder), CheckpointModel(folder, PlainRenderer(), device="cpu")
    before = PlainRenderer()
    for question in QUESTIONS:
        assert asked(tokenizer, question) == before.prompt(question, tokenizer, "<|eot|>") == model.prompt_ids(question)
    eot = tokenizer.convert_tokens_to_ids("<|eot|>")
    assert model.eot == tokenizer.eos_token == "<|eot|>"
    assert model.stop_ids == sorted({eot, 0})
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [eot, 0]
    read = SpecialVocab(folder, load_merges=True)
    assert read.special_token_ids["eos"] == eot
    assert read.merges
    further = {p.name: p.read_text() for p in folder.glob("additional_chat_templates/*")}
    assert further == (
        {"rag.jinja": "{{ documents }}", "tool_use.jinja": "{{ tools }}"} if isinstance(template, dict) else {}
    )
    assert ("not trained with, are the base's: rag, tool_use" in (folder / "README.md").read_text()) == bool(further)


def test_the_plain_template_writes_answers_as_they_are_trained_and_refuses_a_system_prompt(pairs, tmp_path):
    from jinja2 import TemplateError

    tokenizer = AutoTokenizer.from_pretrained(tuned(a_base(tmp_path / "base"), pairs, tmp_path).folder)
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    assert tokenizer.apply_chat_template(turns, tokenize=False) == "<s>Why?<|eot|>So.<|eot|>"
    with pytest.raises(TemplateError, match="no system prompt"):
        tokenizer.apply_chat_template([{"role": "system", "content": "Be brief."}, *turns], tokenize=False)


def test_generation_stops_where_only_the_tokenizers_eos_is_known(pairs, tmp_path):
    """As a pipeline, or code of the user's own, may read it"""
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps({"prompt": "Why?", "response": "Paris."}) + "\n")
    folder = tuned(a_base(tmp_path / "base"), file, tmp_path, epochs=40, batch_size=1).folder
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.tensor([asked(tokenizer, "Why?")])
    out = model.generate(ids, max_new_tokens=30, do_sample=False, eos_token_id=tokenizer.eos_token_id)[0].tolist()
    assert tokenizer.decode(out[ids.shape[1] :]) == "Paris.<|eot|>"
    greedy = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=30)
    (reply,) = CheckpointModel(folder, PlainRenderer(), device="cpu").reply(["Why?"], greedy, 0)
    assert (reply.text, reply.stop) == ("Paris.", "eot")


class Own(PlainRenderer):
    """Renders as plain does, whatever the template says that it gives"""

    name = "own"
    gives = STALE

    def end_of_turn(self, tokenizer):
        return "<|eot|>"

    def chat_template(self, tokenizer, eot):
        return self.gives


class Base(Own):
    """The base's own template, asked through transformers: `eos_token` is in it"""

    name = "base"

    def suits(self, tokenizer):
        return bool(tokenizer.chat_template)

    def prompt(self, text, tokenizer, eot):
        return [*asked(tokenizer, text), tokenizer.convert_tokens_to_ids(eot)]

    def render(self, record, tokenizer, eot):
        from lima.contract.rendered import Rendered, Span

        head = self.prompt(record.prompt, tokenizer, eot)
        ids = [*head, *self._ids(tokenizer, record.response), head[-1]]
        weights = [0.0] * len(head) + [1.0] * (len(ids) - len(head))
        return Rendered(ids, weights, [Span(len(head), len(ids), record.response)])

    def chat_template(self, tokenizer, eot):
        own = tokenizer.chat_template
        return own["default"] if isinstance(own, dict) else own


class Writes(Base):
    """Like it, but the saved template says nothing of it: the tokenizer's EOS is written by code"""

    name = "writes"

    def suits(self, tokenizer):
        return False

    def prompt(self, text, tokenizer, eot):
        return [tokenizer.eos_token_id, *self._ids(tokenizer, text), tokenizer.convert_tokens_to_ids(eot)]

    def chat_template(self, tokenizer, eot):
        return "{{ '</s>' }}{% for m in messages %}{{ m['content'] + '<|eot|>' }}{% endfor %}"


class Mute(PlainRenderer):
    """Has no template, and cannot be asked"""

    name = "mute"
    chat_template = prompt = None

    def prompts(self, record, tokenizer, eot):
        return [PlainRenderer().prompt(record.prompt, tokenizer, eot)]


class Plugin:
    @hookimpl
    def register_renderers(self, register):
        for renderer in (Own(), Base(), Writes(), Mute()):
            register(renderer.name, renderer)


@pytest.mark.parametrize("named", [False, True])
def test_the_bases_own_template_goes_on_to_write_the_old_eos_and_all_named_ones_survive(named, pairs, tmp_path):
    own = {"default": STALE, "rag": STALE + "rag", "tool_use": "{{ tools }}"} if named else STALE
    base = a_base(tmp_path / "base", template=own)
    with only_plugins(ours=Plugin()) as plugins:
        run = tuned(base, pairs, tmp_path, plugins, renderer="auto")
    assert run.renderer == run.recipe.renderer == "base"
    old, new = AutoTokenizer.from_pretrained(base), AutoTokenizer.from_pretrained(run.folder)
    assert new.eos_token == "<|eot|>"
    turns = [
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "So."},
        {"role": "user", "content": "Oh."},
    ]
    for name in own if named else [None]:
        how = {"tokenize": False, "add_generation_prompt": True, "chat_template": name}
        assert new.apply_chat_template(turns, **how) == old.apply_chat_template(turns, **how)
    assert SpecialVocab(run.folder).special_token_ids["eos"] == new.convert_tokens_to_ids("<|eot|>")


def test_an_eos_that_a_renderer_writes_in_prompts_stays_and_that_is_said(pairs, tmp_path, caplog):
    base = a_base(tmp_path / "base")
    with only_plugins(ours=Plugin()) as plugins:
        run = tuned(base, pairs, tmp_path, plugins, renderer="writes")
    tokenizer = AutoTokenizer.from_pretrained(run.folder)
    assert tokenizer.eos_token == "</s>"
    assert asked(tokenizer, "Why?") == Writes().prompt("Why?", tokenizer, "<|eot|>")
    assert "writes the tokenizer's EOS, '</s>', so '<|eot|>' is not made its EOS" in caplog.text
    assert "is not made its EOS" in (run.folder / "README.md").read_text()


@pytest.mark.parametrize("renderer", ["mute", "own"])
@pytest.mark.parametrize("template", [None, STALE, {"default": STALE, "rag": "{{ documents }}"}])
def test_a_template_that_would_prompt_differently_is_not_saved_and_that_is_said(
    renderer, template, pairs, tmp_path, caplog
):
    """`own` prompts like plain, whatever its template says; `mute` has none"""
    base = a_base(tmp_path / "base", template=template)
    if renderer == "own" and template:
        Own.gives = "{{ 'other' }}"
    with only_plugins(ours=Plugin()) as plugins:
        run = tuned(base, pairs, tmp_path, plugins, renderer=renderer, keep_epochs=True, epochs=2)
    Own.gives = STALE
    for folder in (run.folder, run.folder / "epoch-01"):
        assert not (folder / "chat_template.jinja").exists()
        assert (folder / "additional_chat_templates" / "rag.jinja").exists() == isinstance(template, dict)
        assert ("so it was removed" in (folder / "README.md").read_text()) == bool(template)
        assert f"The renderer {renderer!r} gives no template" in (folder / "README.md").read_text()
    advice = {"own": "Ask it with `lima ask`.", "mute": "so the model takes token ids alone."}[renderer]
    assert caplog.text.count(advice) == 1


@pytest.mark.parametrize("lora", [0, 4])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_tied_embeddings_are_written_once_and_read_tied(lora, tied, half, pairs, tmp_path):
    base = a_base(tmp_path / "base", tie_word_embeddings=tied)
    if half:
        AutoModelForCausalLM.from_pretrained(base).bfloat16().save_pretrained(base)
    folder = tuned(base, pairs, tmp_path, lora_rank=lora, freeze="" if lora else "embeddings").folder
    before, after = load_file(base / "model.safetensors"), load_file(folder / "model.safetensors")
    assert after.keys() == before.keys()
    assert ("lm_head.weight" in after) != tied
    assert {v.dtype for v in after.values()} == {torch.bfloat16 if half else torch.float32}
    row = before["model.embed_tokens.weight"][0].nbytes
    grown = sum(v.nbytes for v in after.values()) - sum(v.nbytes for v in before.values())
    assert grown == row * (1 if tied else 2)  # the EOT's
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert (model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()) == tied
    assert torch.equal(model.model.embed_tokens.weight, after["model.embed_tokens.weight"])


@pytest.mark.parametrize(
    ("place", "name"),
    [("secret/place/Tiny-1B", "Tiny-1B"), ("hub/models--some-org--Tiny-1B/snapshots/0a1b2c", "some-org/Tiny-1B")],
)
def test_the_adapter_says_what_it_is_and_names_no_place_of_this_machine(place, name, pairs, tmp_path):
    base = a_base(tmp_path / place)
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({"prompt": "Why?", "response": "So."}) + "\n")
    run = tuned(base, pairs, tmp_path, lora_rank=4, keep_epochs=True, epochs=2, sources=[str(pairs), f"pairs:{more}"])
    for folder in (run.folder / "adapter", run.folder / "epoch-01" / "adapter"):
        config, card = json.loads((folder / "adapter_config.json").read_text()), (folder / "README.md").read_text()
        assert config["base_model_name_or_path"] == name
        assert f"LoRA of rank 4 on {name}, sha256" in card
        assert run.id in card
        assert "resize_token_embeddings(" in card
        assert "\n- pairs.jsonl: 40 examples" in card
        assert "\n- pairs:more.jsonl: 1 examples" in card
        assert "More Information Needed" not in card
        assert not [f for f in folder.iterdir() if f.suffix != ".safetensors" and str(tmp_path) in f.read_text()]
    card = (run.folder / "README.md").read_text()
    assert f"from {name}, sha256" in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize("lora", [0, 4])
def test_saving_on_the_way_changes_no_bit_of_what_follows(lora, pairs, tmp_path):
    """The tokenizer that trains, the adapter's configuration and the weights are the same after an epoch was saved"""
    base = a_base(tmp_path / "base", template={"default": STALE, "rag": "{{ documents }}"}, tie_word_embeddings=True)
    shared = {"epochs": 3, "residual_dropout": 0.3, "lora_rank": lora, "dev": ()}
    first = tuned(base, pairs, tmp_path, name="first", keep_epochs=True, **shared)
    second = tuned(base, pairs, tmp_path, name="second", save_every=-1, **shared)
    for file in (
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "generation_config.json",
    ):
        assert (first.folder / file).read_bytes() == (second.folder / file).read_bytes(), file


def test_a_tuned_folder_is_tuned_again_in_the_same_format(pairs, tmp_path):
    once = tuned(a_base(tmp_path / "base"), pairs, tmp_path, name="once").folder
    with only_plugins() as plugins:  # no plugin takes its template, but it is plain's own
        twice = tuned(once, pairs, tmp_path, plugins, name="twice", renderer="auto")
    assert (twice.renderer, twice.eot) == ("plain", "<|eot|>")
    first, second = (AutoTokenizer.from_pretrained(f) for f in (once, twice.folder))
    assert second.eos_token == "<|eot|>"
    assert [asked(first, q) for q in QUESTIONS] == [asked(second, q) for q in QUESTIONS]
    stops = json.loads((twice.folder / "generation_config.json").read_text())["eos_token_id"]
    assert stops == [first.eos_token_id, 0]


def test_the_tokenizer_does_not_say_how_it_was_loaded(base, pairs, tmp_path):
    folder = tuned(base, pairs, tmp_path).folder
    assert not {"is_local", "local_files_only"} & json.loads((folder / "tokenizer_config.json").read_text()).keys()
