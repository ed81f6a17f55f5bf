"""An untuned base with a few worked examples before each request, `in-context:BASE` (URIAL, 2312.01552).

Nothing is trained, so whatever it achieves, the base could do before fine-tuning. The base continues a text of requests and
answers; the heading of the next request ends an answer. Knows nothing of templates with roles.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import Example, LimaError, Reply, encode
from lima_judges import check_known, divided, whole

if TYPE_CHECKING:
    from lima import CheckpointModel, Prompt, Sampling

OPTIONS = {
    "k": "number of worked examples (default: 3)",
    "examples": "a source or a file of prompts and responses in place of the three that come with lima-studies",
    "preface": "what stands before the examples, in place of a sentence on what good answers are; may be empty",
    "ask": "heading of a request (default: '## Request'); one that ends in a colon stands on the request's line",
    "answer": "heading of an answer (default: '## Answer')",
}
"The options of the model, after '?', and what each is"
EXAMPLES = 3
PREFACE = (
    "Requests, each with an answer that is helpful, correct and easy to read. Answers say what matters first, give reasons, and "
    "decline politely where help would do harm."
)
FIRST_ROUND, TIMES = 64, 4
"Tokens that are asked for at first, and how many times as many next, of those whose answer has not ended"


class InContext:
    """`in-context:BASE`"""

    description = (
        "an untuned base with worked examples in its context: in-context:BASE?k=3, a folder or a base model's name"
    )

    def open(self, argument: str | None, store: Any, trust_remote_code: bool = False) -> "InContextModel":
        """The base with its examples; LimaError for an option or a source that is not there"""
        from lima import CheckpointModel, find_base, load_plugins

        base, options = divided(argument or "")
        if not base:
            raise LimaError(
                "Name the base: in-context:FOLDER, or in-context:NAME of one that `lima base-models` lists."
            )
        check_known(options, OPTIONS, "in-context")
        count = whole(options, "k", EXAMPLES, 0, 1000)
        folder = find_base(base, load_plugins())
        examples = read_examples(options.get("examples"), count)
        model = CheckpointModel(folder, trust_remote_code=trust_remote_code)
        return InContextModel(f"in-context:{argument}", model, examples, options)


def read_examples(source: str | None, count: int) -> list[tuple[str, str]]:
    """This number of worked examples: prompts and responses, in their order; LimaError where there are fewer"""
    from lima import load_plugins, open_source

    if source is None:
        own = Path(__file__).with_name("in_context.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in own.splitlines()]
        found = [(row["prompt"], row["reply"]) for row in rows]
    else:
        records = open_source(source, load_plugins()).records
        found = [(record.prompt, record.response) for record in records[:count] if isinstance(record, Example)]
    if len(found) < count:
        raise LimaError(
            f"{source or 'lima-studies'} has {len(found)} worked examples with a prompt and a response, fewer than k = {count}. "
            "Name others with ?examples=FILE, or lower k."
        )
    return found[:count]


class InContextModel:
    """A base that answers as the examples do"""

    def __init__(
        self, name: str, base: "CheckpointModel", examples: Sequence[tuple[str, str]], options: Mapping[str, str]
    ) -> None:
        self.name, self.base, self.examples = name, base, examples
        self.ask, self.answer = options.get("ask", "## Request"), options.get("answer", "## Answer")
        self.preface = options.get("preface", PREFACE).strip()
        self.model, self.tokenizer = base.model, base.tokenizer

    def identity(self) -> str:
        """The base's files, the examples and the headings"""
        from lima_dialogue_eval import model_hash

        return repr(("in context 1", model_hash(self.base), self.preface, self.ask, self.answer, list(self.examples)))

    def text(self, exchanges: Sequence[tuple[str, str]], request: str, system: str = "") -> str:
        """What the base is to continue"""
        told = [self._headed(self.ask, asked) + self._headed(self.answer, said) for asked, said in exchanges]
        preface = f"{before}\n\n" if (before := system or self.preface) else ""
        return "".join([preface, *told, self._headed(self.ask, request), self.answer, "" if self._inline else "\n"])

    @property
    def _inline(self) -> bool:
        return self.answer.endswith(":")

    def _headed(self, heading: str, text: str) -> str:
        between = " " if heading.endswith(":") and "\n" not in text.strip() else "\n"
        after = "\n" if heading == self.ask and self._inline else "\n\n"
        return f"{heading}{between}{text.strip()}{after}"

    def prompt_ids(self, prompt: "Prompt") -> list[int]:
        """The ids before an answer to a text, or to the last of several messages; earlier ones are further exchanges"""
        if isinstance(prompt, list) and all(isinstance(i, int) for i in prompt):
            return list(prompt)
        from lima import bos_ids

        whole_text = self.text(*_said(prompt, self.examples))
        ids, _ = encode(self.tokenizer, whole_text, [(0, len(whole_text))])
        return [*bos_ids(self.tokenizer), *ids]

    def reply(
        self,
        prompts: "Sequence[Prompt]",
        settings: "Sampling",
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
        on_reply: Callable[[int, Reply], None] | None = None,
    ) -> list[Reply]:
        """An answer each, which ends where the next request would begin

        It is the beginning of what the base would write if it continued to the end: those that have not ended are asked again
        with the same seed and more tokens, so that short answers cost little."""
        ids = [self.prompt_ids(prompt) for prompt in prompts]
        seeds = [seed * 1_000_003 + i for i in range(len(ids))] if isinstance(seed, int) else list(seed)
        found: dict[int, Reply] = {}
        left, most = list(range(len(ids))), FIRST_ROUND
        while left:
            limit = min(most, settings.max_new_tokens)
            replies = self.base.reply(
                [ids[i] for i in left], replace(settings, max_new_tokens=limit), [seeds[i] for i in left]
            )
            for place, reply in zip(left, replies, strict=True):
                cut = self._cut(reply)
                if cut.stop != "length" or limit == settings.max_new_tokens:
                    found[place] = cut
                    if on_reply:
                        on_reply(place, cut)
                    if on_progress:
                        on_progress(1)
            left, most = [i for i in left if i not in found], most * TIMES
        return [found[i] for i in range(len(ids))]

    def _cut(self, reply: Reply) -> Reply:
        """The reply up to the next request"""
        written = self._decoded(reply.ids)
        at = f"\n{written}".find(f"\n{self.ask}")
        if at < 0:
            return reply
        kept = len(reply.ids)
        while kept and len(self._decoded(reply.ids[:kept])) > at:
            kept -= 1
        return replace(reply, text=written[:at].strip(), ids=reply.ids[:kept], stop="eot")

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _said(prompt: Any, examples: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], str, str]:
    """(exchanges before, what is asked, the system turn)"""
    if isinstance(prompt, str):
        return list(examples), prompt, ""
    turns = [(turn.role, turn.content) for turn in prompt]
    system = "\n\n".join(text for role, text in turns if role == "system")
    said = [text for role, text in turns if role != "system"]
    if len(said) % 2 == 0 or any(role not in ("system", "user", "assistant") for role, _ in turns):
        raise LimaError("In context, only requests and answers in turn can be continued, the last of them a request.")
    return [*examples, *zip(said[:-1:2], said[1:-1:2], strict=True)], said[-1], system
