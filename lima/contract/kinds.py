"""A Protocol for each registered kind: what an object of it must have, and what it may have besides.

A registry checks every object against these when it is registered (`lima.contract.conformance`). Code asks for an optional
ability with `isinstance`. Knows nothing of who registers or who calls.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

from lima.contract.answers import Message, Prompt, Reply, Sampling
from lima.contract.examples import Record, Refused
from lima.contract.grades import Verdict
from lima.contract.rendered import Rendered

Filled = Annotated[str, "not empty"]
"Text that is not empty"


class Described(Protocol):
    """What a listing shows of an object"""

    description: Filled


@runtime_checkable
class Licensed(Protocol):
    """An object that names the licence of what it brings"""

    licence: str


class ExampleSource(Described, Protocol):
    """A source of examples"""

    licence: str
    "Of the examples that name none themselves"

    def examples(self, argument: str | None) -> Iterable[Record | Refused]: ...


@runtime_checkable
class Recognises(Protocol):
    """A source that reads files: whether a row is of its format; its description says which keys that has"""

    def recognises(self, row: Any) -> bool: ...


@runtime_checkable
class RecognisesLast(Protocol):
    """A source of rows with little in them, which it is asked about where no source recognises any of a file's first rows"""

    def recognises_last(self, row: Any) -> bool: ...


@runtime_checkable
class TakesOptions(Protocol):
    """A source with options, which come from its plugin's table in the recipe: itself with some of them set"""

    options: tuple[str, ...]
    "The keys of the table that it understands; `skip_bad` is the core's"

    def with_options(self, values: dict[str, Any]) -> ExampleSource: ...


class Renderer(Described, Protocol):
    """Turns an example into token ids with a weight each: one row, or several where one cannot be exact"""

    name: Filled
    renders: tuple[type, ...]
    "The kinds of record that it can render"

    def end_of_turn(self, tokenizer: Any) -> str: ...
    def special_tokens(self, tokenizer: Any) -> list[str]: ...
    def render(self, record: Any, tokenizer: Any, eot: str) -> Rendered | list[Rendered]: ...
    def prompts(self, record: Any, tokenizer: Any, eot: str) -> list[list[int]]: ...


@runtime_checkable
class TextPrompts(Protocol):
    """A renderer whose checkpoints can be asked a text"""

    def prompt(self, text: str, tokenizer: Any, eot: str) -> list[int]: ...


@runtime_checkable
class ChatPrompts(Protocol):
    """A renderer whose checkpoints can be asked with the messages so far"""

    def chat_prompt(self, turns: Sequence[Message], tokenizer: Any, eot: str) -> list[int]: ...


@runtime_checkable
class HasChatTemplate(Protocol):
    """A renderer with a Jinja template, which is saved with the checkpoint"""

    def chat_template(self, tokenizer: Any, eot: str) -> str: ...


@runtime_checkable
class HasNamedTemplates(Protocol):
    """A renderer that uses some of the tokenizer's further templates, too: the Jinja to save for them, by their names"""

    def named_templates(self, tokenizer: Any, eot: str) -> Mapping[str, str]: ...


@runtime_checkable
class TakesVariables(Protocol):
    """A renderer whose template takes variables of the recipe's table `template`, and writes a date (ISO 8601; empty: now)"""

    def with_variables(self, variables: Mapping[str, Any], date: str) -> Renderer: ...


@runtime_checkable
class SplitsThoughts(Protocol):
    """A renderer that divides what a model wrote, special tokens included, into (thoughts, answer)"""

    name: Filled

    def split_reply(self, text: str, prompt: str, tokenizer: Any, eot: str) -> tuple[str, str]: ...


@runtime_checkable
class SuitsBase(Protocol):
    """A renderer made of what the base brings: whether it is the one for this tokenizer, so that renderer = "auto" takes it"""

    def suits(self, tokenizer: Any) -> bool: ...


class BaseModel(Described, Protocol):
    """A Hugging Face folder to fine-tune from"""

    def folder(self) -> str | Path: ...


@runtime_checkable
class Fetches(Protocol):
    """A base model that must be brought first, by a download or from a file; until then its `folder` raises LimaError"""

    def fetch(self, say: Callable[[str], None], file: Path | None = None) -> str | Path: ...


@runtime_checkable
class Opens(Protocol):
    """Makes what answers or grades from NAME:ARGUMENT; `trust_remote_code` is passed where it is a parameter"""

    def open(self, argument: str | None, store: Any) -> Any: ...


class ModelOpener(Described, Opens, Protocol):
    """What `register_models` takes; it opens a `Model`"""


class Model(Protocol):
    """What answers: for each prompt, in their order, one reply, or the exception that is this prompt's failure and no other's

    Where `reply` has a parameter `on_reply`, it may be given one: called with (place, reply) as soon as a reply is there, so that
    it can be kept before all are, in the thread that asked; the place is counted from 0. Then `on_progress` is not needed."""

    name: Filled

    def reply(
        self,
        prompts: Sequence[Prompt],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> Sequence[Reply | Exception]: ...


@runtime_checkable
class Streams(Protocol):
    """A model that yields a reply's text piece by piece as it comes, and returns the reply"""

    def stream(self, prompt: Prompt, settings: Sampling, seed: int) -> Generator[str, None, Reply]: ...


@runtime_checkable
class TellsPrompts(Protocol):
    """A model that tells a prompt's token ids; LimaError for a prompt that it cannot take"""

    def prompt_ids(self, prompt: Prompt) -> list[int]: ...


@runtime_checkable
class GradesTurns(Protocol):
    """A grader of replies that a plugin collected; the plugin says what a turn is"""

    def grade(self, turn: Any) -> Verdict: ...


@runtime_checkable
class GradesReplies(Protocol):
    """A grader of replies to dev prompts, by which an epoch can be chosen"""

    def grade_reply(self, example: Any, reply: str, stop: str) -> Verdict: ...


class Evaluation(Described, Protocol):
    """What a model is examined with; the plugin that runs it declares what else it needs"""

    licence: str
    grader: Filled
    "The name of the grader that is used by default"


class MigrationSet(Protocol):
    """A `sqlite_utils.Migrations`"""

    name: Filled

    def apply(self, db: Any) -> Any: ...
    def pending(self, db: Any) -> Any: ...
    def applied(self, db: Any) -> Any: ...


@dataclass(frozen=True)
class Kind:
    """What a registry asks of its objects"""

    needed: type | None
    optional: tuple[type, ...] = ()
    "An object with a method of one of these must have all of it"
    some: bool = False
    "At least one of `optional` is needed"
    opened: "Kind | None" = None
    "What `open` must return"


_GRADES = (GradesTurns, GradesReplies)

KINDS = {
    "sources": Kind(ExampleSource, (Recognises, RecognisesLast, TakesOptions)),
    "renderers": Kind(
        Renderer,
        (TextPrompts, ChatPrompts, HasChatTemplate, HasNamedTemplates, TakesVariables, SplitsThoughts, SuitsBase),
    ),
    "base_models": Kind(BaseModel, (Fetches,)),
    "models": Kind(ModelOpener, opened=Kind(Model, (Streams, TellsPrompts))),
    "graders": Kind(Described, (*_GRADES, Opens), some=True, opened=Kind(None, _GRADES, some=True)),
    "evaluations": Kind(Evaluation),
    "migrations": Kind(MigrationSet),
}
