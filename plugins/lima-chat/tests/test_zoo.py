"""Templates of published shapes: what is trained is what transformers prompts with and writes, whatever somebody says.

The templates in zoo/ are written for these tests. transformers' `apply_chat_template` is the judge (`lima_chat.judge`), and
test_judge shows that it sees what is wrong.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lima_chat import Conversation, Turn
from lima_chat.certificate import CALL, TOOL, certify, check
from lima_chat.conversation import SURROGATE
from lima_chat.judge import Judge
from lima_chat.renderer import OwnTemplateRenderer
from lima_chat.stand_in import stand_in
from lima_chat.templates import parse

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
ZOO = Path(__file__).parent / "zoo"
NAMES = sorted(f.stem for f in ZOO.glob("*.jinja"))
BEGIN_WITH_A_ROLE = ("smollm2", "trl_setup", "qwen2_5")
"Whose BOS is <|im_start|>"


@lru_cache
def generate():
    """docs/generate.py"""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def file_of(name):
    path = ZOO / f"{name}.jinja"
    return parse(name, path.read_text(encoding="utf-8"), str(path))


@lru_cache
def tokenizer_of(name, kind, joining):
    """Bytes; or words joined across white space, with tags of thoughts that are special tokens, or that are not"""
    file = file_of(name)
    tokenizer = stand_in(file)
    if kind != "bytes":
        special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
        tokenizer = joining(special, kind == "joining, thinking is special")
        tokenizer.chat_template = file.source
    if name in BEGIN_WITH_A_ROLE:
        tokenizer.bos_token = "<|im_start|>"
    return tokenizer


def kinds_of(name):
    # SentencePiece writes a space as ▁, which some other tokenizers have in their special tokens.
    joined = ("joining", "joining, thinking is special")
    return ("bytes",) if "▁" in file_of(name).source else ("bytes", *joined)


def wrong(certificate):
    return [(c.shape, c.refused, c.faults) for c in certificate.checks if not c.passed]


def test_there_are_many():
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_what_inference_asks_for_and_the_documentation_says_so(name):
    page = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8").splitlines()
    found = generate().certified(ZOO / f"{name}.jinja")
    assert [wrong(one) for _, one in found] == [[]] * len(found)
    assert [line for line in page if line.startswith(f"| `{name}`")] == [
        generate().template_line(*one) for one in found
    ]


@pytest.mark.parametrize("name", [n for n in NAMES if len(kinds_of(n)) > 1])
def test_a_tokenizer_may_join_what_the_template_keeps_apart(name, joining):
    one = certify(name, OwnTemplateRenderer(), tokenizer_of(name, "joining, thinking is special", joining), {})
    assert wrong(one) == []
    assert one.problem == ""


def test_the_documentation_has_no_other_templates():
    page = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("`")[1] for line in page if line.startswith("| `")]
    assert list(dict.fromkeys(rows)) == NAMES


PIECES = st.sampled_from(
    [
        "\ue0000\ue001",
        "\ue000",
        "\ue0021\ue003",
        "\u2003",
        "{{ eot_token }}",
        "{% endfor %}",
        "{# x #}",
        "<|im_start|>assistant\n",
    ]
    + [
        "<|im_end|>",
        "<|eot_id|>",
        "<end_of_turn>",
        "</s>",
        "<s>",
        "<|",
        "### Response:\n",
        "\n",
        "\r\n",
        "\t",
        " ",
        "  ",
        "\n\n",
    ]
    + [
        "\u00a0",
        "\u200f",
        "שלום",
        "e\u0301",
        "👩\u200d🚀",
        "\x00",
        "a",
        "n",
        "u",
        "user",
        "s",
        "end",
        "im",
        "model",
        "assistant",
    ]
    + [
        "</think>",
        "<think>",
        "<think>x</think>",
        "[INST]",
        "[/INST]",
        " [/INST]",
        "<|channel|>",
        "<|user|>",
        "?",
        "So.",
        "1",
        "]",
    ]
    + [
        "[",
        "<",
        ">",
        ":",
        "Falcon:",
        "User",
        "<turn|>",
        "/think",
        "/no_think",
        "/nothink",
        "<tool_response>",
        "system",
        "At noon.",
    ]
)
SAID = st.lists(PIECES | st.text(max_size=3), max_size=4).map("".join).filter(lambda said: not SURROGATE.search(said))
ANSWER = SAID.filter(str.strip)


@st.composite
def conversations(draw):
    """Anything that may be said, with thoughts apart, in the text, or none, sometimes with tools"""
    thinking, turns, tools = draw(st.sampled_from(["none", "none", "apart", "inline"])), [], ()
    if draw(st.booleans()):
        turns.append(Turn("system", draw(SAID)))
    for n in range(draw(st.integers(1, 3))):
        turns.append(Turn("user", draw(SAID)))
        if draw(st.integers(0, 9)) == 0:
            tools = (TOOL,)
            # Numbered, so that no text is in another by chance, which the judge would take for being written.
            aside = draw(st.sampled_from(["", f"aside ŧ{n}"]))
            turns += [Turn("assistant", aside, tool_calls=(CALL,)), Turn("tool", draw(SAID), name="tide_at")]
        answer, thought = draw(ANSWER), f"{draw(SAID)}ŧ{n}"
        said = f"<think>\n{thought}\n</think>\n\n{answer}" if thinking == "inline" else answer
        thoughts = thought if thinking == "apart" else ""
        turns.append(Turn("assistant", said, thoughts=thoughts, train=draw(st.integers(0, 9)) > 0))
    if not any(t.trained for t in turns):
        turns[-1] = Turn("assistant", turns[-1].content, thoughts=turns[-1].thoughts)
    return Conversation(id="c", turns=tuple(turns), tools=tools)


@lru_cache
def judged(name, kind, thinking, joining):
    tokenizer = tokenizer_of(name, kind, joining)
    renderer = OwnTemplateRenderer().with_variables({} if thinking is None else {"enable_thinking": thinking})
    eot = renderer.end_of_turn(tokenizer)
    return renderer, tokenizer, eot, Judge(tokenizer, renderer.chat_template(tokenizer, eot), eot)


def anything_is_right(name, joining, examples):
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        talk=conversations(),
        kind=st.sampled_from(kinds_of(name)),
        thinking=st.sampled_from([None, True, False]) if "enable_thinking" in file_of(name).source else st.none(),
    )
    def one(talk, kind, thinking):
        found = check("", talk, *judged(name, kind, thinking, joining))
        assert found.passed, (kind, thinking, talk.content(), found)

    one()


@pytest.mark.parametrize("name", NAMES)
def test_whatever_somebody_says_is_right_or_refused_for_a_reason(name, joining):
    anything_is_right(name, joining, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_whatever_else_somebody_says_is_right_or_refused_for_a_reason(name, joining):
    anything_is_right(name, joining, 40)
