"""A Protocol for each registered kind: what an object of it must have, and what it may have besides.

A registry checks every object against these when it is registered (`lima.contract.conformance`). Code asks for an optional
ability with `isinstance`. Knows nothing of who registers or who calls.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lima.contract.answers import Message, Prompt, Reply, Sampling
from lima.contract.described import Described, Filled
from lima.contract.examples import Record, Refused
from lima.contract.filters import Filter, FilterOptions, UsesStore
from lima.contract.grades import Verdict
from lima.contract.rendered import Rendered


class ExampleSource(Described, Protocol):
    """A source of examples; one of more than 10,000 is asked for them several times, and gives the same each time"""

    licence: str
    "Of the examples that name none themselves"

    def examples(self, argument: str | None) -> Iterable[Record | Refused]:
        """The examples of NAME:ARGUMENT, with the same ids in the same order each time; LimaError where nothing can be read

        Before a run, on every process, and when it is resumed; by `lima sources show`, `lima preview` and `lima plan`."""


@runtime_checkable
class Recognises(Protocol):
    """A source that reads files: whether a row is of its format; its description says which keys that has"""

    def recognises(self, row: Any) -> bool:
        """Whether a row of a file, any JSON value, is of this format; raises nothing

        For a file that is named without a source, on its first rows."""


@runtime_checkable
class RecognisesLast(Protocol):
    """A source of rows with little in them, which it is asked about where no source recognises any of a file's first rows"""

    def recognises_last(self, row: Any) -> bool:
        """Whether a row, any JSON value, may be of this format although another could have such a row; raises nothing

        For a file that is named without a source, on its first rows, where no source's `recognises` took any."""


@runtime_checkable
class TakesOptions(Protocol):
    """A source with options, which come from its plugin's table in the recipe: itself with some of them set"""

    options: tuple[str, ...]
    "The keys of the table that it understands; `skip_bad` is the core's"

    def with_options(self, values: dict[str, Any]) -> ExampleSource:
        """Another source with these options; LimaError for a value that it cannot have

        Before `examples`, where the recipe has some of them."""


@runtime_checkable
class ReadsSources(Protocol):
    """A source that reads another one: itself with the recipe's tables, from which the other takes its options"""

    def with_tables(self, tables: dict[str, dict[str, Any]]) -> ExampleSource:
        """Another source that opens what it reads with these tables, one a plugin: `open_source(name, plugins, tables)`

        Before `examples`, whatever the recipe has."""


class Renderer(Described, Protocol):
    """Turns an example into token ids with a weight each: one row, or several where one cannot be exact"""

    name: Filled
    "The name under which it is registered, by which errors name it"
    renders: tuple[type, ...]
    "The kinds of record that it can render"

    def end_of_turn(self, tokenizer: Any) -> Filled:
        """The token (EOT) that ends an answer; one that the tokenizer lacks is added

        First, once for a tokenizer, on every process."""

    def special_tokens(self, tokenizer: Any) -> list[Filled]:
        """Texts of the format that must be one token each; those that the tokenizer lacks are added

        After `end_of_turn`, once for a tokenizer, on every process."""

    def render(self, record: Any, tokenizer: Any, eot: str) -> Rendered | list[Rendered]:
        """Ids with a weight each, and where the answers lie; LimaError for an example that the format cannot write

        Once for each example before a run, on every process; by `lima preview` and `lima plan`."""

    def prompts(self, record: Any, tokenizer: Any, eot: str) -> list[list[int]]:
        """The ids before each answer, as inference prompts with them; compared with what `render` returned

        After `render`, and for dev prompts."""


@runtime_checkable
class TextPrompts(Protocol):
    """A renderer whose checkpoints can be asked a text"""

    def prompt(self, text: str, tokenizer: Any, eot: str) -> list[int]:
        """The ids that prompt for an answer to a text

        By `lima ask`, and whenever a checkpoint is asked a text."""


@runtime_checkable
class ChatPrompts(Protocol):
    """A renderer whose checkpoints can be asked with the messages so far"""

    def chat_prompt(self, turns: Sequence[Message], tokenizer: Any, eot: str) -> list[int]:
        """The ids that prompt for the next answer; LimaError for messages that the format cannot write, such as a system turn

        Whenever a checkpoint is asked with the messages so far."""


@runtime_checkable
class HasChatTemplate(Protocol):
    """A renderer with a Jinja template, which is saved with the checkpoint"""

    def chat_template(self, tokenizer: Any, eot: str) -> str:
        """The format in Jinja. If it prompts otherwise than the renderer, it is not saved, and the run says so

        When a checkpoint is saved, on the main process."""


@runtime_checkable
class HasNamedTemplates(Protocol):
    """A renderer that uses some of the tokenizer's further templates, too: the Jinja to save for them, by their names"""

    def named_templates(self, tokenizer: Any, eot: str) -> Mapping[str, str]:
        """The Jinja of each further template that the format uses, by its name

        When a checkpoint is saved, on the main process."""


@runtime_checkable
class RendersAhead(Protocol):
    """A renderer that takes less time for several examples together than for one after the other"""

    def ahead(self, records: Sequence[Any], tokenizer: Any, eot: str) -> None:
        """Prepare for `render` and `prompts`, which are asked for those of the call before and then for these; what they return
        must not depend on it

        Before every few examples of a run, and without any at its end. What cannot be rendered is said by `render`, not here."""


@runtime_checkable
class TakesVariables(Protocol):
    """A renderer whose template takes variables of the recipe's table `template`, and writes a date (ISO 8601; empty: now)"""

    def with_variables(self, variables: Mapping[str, Any], date: str) -> Renderer:
        """Another renderer with these variables, always the same for the same date; LimaError for one that it cannot take

        Before anything else, on every process."""


@runtime_checkable
class SplitsThoughts(Protocol):
    """A renderer that divides what a model wrote, special tokens included, into (thoughts, answer)"""

    name: Filled
    "Its name"

    def split_reply(self, text: str, prompt: str, tokenizer: Any, eot: str) -> tuple[str, str]:
        """(thoughts, answer) of a reply, and of the end of the prompt that it continues

        For each reply of a checkpoint."""


@runtime_checkable
class SuitsBase(Protocol):
    """A renderer made of what the base brings: whether it is the one for this tokenizer, so that renderer = "auto" takes it"""

    def suits(self, tokenizer: Any) -> bool:
        """Whether it is the renderer for this tokenizer

        On every process of a run whose recipe has renderer = 'auto'."""


class BaseModel(Described, Protocol):
    """A Hugging Face folder to fine-tune from"""

    def folder(self) -> str | Path:
        """The folder, with config.json, *.safetensors and tokenizer; where it is not there, LimaError that says how to bring it

        Whenever the base is named: before a run, on every process, and by `lima ask`."""


@runtime_checkable
class Fetches(Protocol):
    """A base model that must be brought first, by a download or from a file; until then its `folder` raises LimaError"""

    def fetch(self, say: Callable[[str], None], file: Path | None = None) -> str | Path:
        """Bring the model, unless it is there, and return its folder; LimaError where that fails. `say` shows a line of progress

        By `lima base-models fetch NAME`; `file` is the file of its option --from."""


@runtime_checkable
class Opens(Protocol):
    """Makes what answers or grades from NAME:ARGUMENT; `trust_remote_code` is passed where it is a parameter"""

    def open(self, argument: str | None, store: Any) -> Any:
        """What answers or grades, of NAME:ARGUMENT; LimaError for an argument that it cannot open

        Once for a command, before the first prompt or reply. `store` is the open database, a `lima.Store`."""


class ModelOpener(Described, Opens, Protocol):
    """What `register_models` takes; it opens a `Model`"""


class Model(Protocol):
    """What answers: for each prompt, in their order, one reply, or the exception that is this prompt's failure and no other's

    Where `reply` has a parameter `on_reply`, it may be given one: called with (place, reply) as soon as a reply is there, so that
    it can be kept before all are, in the thread that asked; the place is counted from 0. Then `on_progress` is not needed."""

    name: Filled
    "Recorded with its replies. Runs of the same name count as the same model, so the argument is in it"

    def reply(
        self,
        prompts: Sequence[Prompt],
        settings: Sampling,
        seed: int | Sequence[int],
        on_progress: Callable[[int], None] | None = None,
    ) -> Sequence[Reply | Exception]:
        """A reply, or its exception, for each prompt; `seed` is one number or one a prompt. LimaError where none can be answered

        For many prompts at once. `on_progress` is called with the number of replies since its last call."""


@runtime_checkable
class Streams(Protocol):
    """A model that yields a reply's text piece by piece as it comes, and returns the reply"""

    def stream(self, prompt: Prompt, settings: Sampling, seed: int) -> Generator[str, None, Reply]:
        """Yield the text piece by piece; return the reply, whose text is all pieces together

        By `lima ask` on a terminal."""


@runtime_checkable
class TellsPrompts(Protocol):
    """A model that tells a prompt's token ids; LimaError for a prompt that it cannot take"""

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        """The ids that the model would be prompted with; LimaError for a prompt that it cannot take

        Before anything is asked, to see whether the model is told a system turn."""


@runtime_checkable
class GradesTurns(Protocol):
    """A grader of replies that a plugin collected; the plugin says what a turn is"""

    def grade(self, turn: Any) -> Verdict:
        """The verdict on a reply. What else a turn has is said by the plugin that collected it; all have `reply` and `stop`

        For each reply, by the command that collects or grades them."""


@runtime_checkable
class GradesReplies(Protocol):
    """A grader of replies to dev prompts, by which an epoch can be chosen"""

    def grade_reply(self, example: Any, reply: str, stop: str) -> Verdict:
        """The verdict on a reply; `example` is the record that was asked, `stop` why the reply ended

        For each reply to a dev prompt, by `lima checkpoints choose --grader`."""


class Evaluation(Described, Protocol):
    """What a model is examined with; the plugin that runs it declares what else it needs"""

    licence: str
    "Of its texts: an SPDX name or a short sentence"
    grader: Filled
    "The name of the grader that is used by default"


class MigrationSet(Protocol):
    """A `sqlite_utils.Migrations`"""

    name: Filled
    "Unique among all plugins: take your distribution's. It is registered under this name"

    def apply(self, db: Any) -> Any:
        """Apply what is pending

        When a database is opened, in one transaction, under a guard."""

    def pending(self, db: Any) -> Any:
        """What is pending

        When a database is opened."""

    def applied(self, db: Any) -> Any:
        """What was applied

        When a database is opened."""


@dataclass(frozen=True)
class Kind:
    """What a registry asks of its objects"""

    needed: type | None
    optional: tuple[type, ...] = ()
    "An object with a member of one of these must have all of it"
    some: bool = False
    "At least one of `optional` is needed"
    opened: "Kind | None" = None
    "What `open` must return"


_GRADES = (GradesTurns, GradesReplies)

KINDS = {
    "sources": Kind(ExampleSource, (Recognises, RecognisesLast, TakesOptions, ReadsSources)),
    "renderers": Kind(
        Renderer,
        (
            TextPrompts,
            ChatPrompts,
            HasChatTemplate,
            HasNamedTemplates,
            RendersAhead,
            TakesVariables,
            SplitsThoughts,
            SuitsBase,
        ),
    ),
    "base_models": Kind(BaseModel, (Fetches,)),
    "models": Kind(ModelOpener, opened=Kind(Model, (Streams, TellsPrompts))),
    "graders": Kind(Described, (*_GRADES, Opens), some=True, opened=Kind(None, _GRADES, some=True)),
    "evaluations": Kind(Evaluation),
    "filters": Kind(Filter, (FilterOptions, UsesStore)),
    "migrations": Kind(MigrationSet),
}
