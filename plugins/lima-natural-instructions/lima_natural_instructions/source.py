"""The source: of each task of generation an instance or more, drawn by seed, as a prompt with one of its valid outputs (LIMA §2).

Knows nothing of how files are read.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lima import Credit, Example, LimaError, Record, Refused, Tally, Wrong, is_there, kind_of, options_of, visible
from lima_chat import EvalConversation, EvalTurn
from lima_natural_instructions.categories import GENERATION, is_of
from lima_natural_instructions.options import ANY, PLUGIN, Options
from lima_natural_instructions.tasks import TaskFile

COLLECTION = "Apache-2.0"
"Of the definitions, and of a task that names no licence of its own"
ADDRESS = "https://github.com/allenai/natural-instructions/blob/master/tasks/"
TASK_NOT_DRAWN = "the task was not drawn: `limit` takes fewer than there are."
NOT_DRAWN = "it was not drawn: `instances` takes fewer than the task has."
OTHER_KIND = "the task is not of a wanted category (generation, unless `categories` names others)."
OTHER_LANGUAGE = "the task is not of the wanted `language`."
NOTHING = "the task has no instance that could be used."
BROKEN = "the file cannot be read."
ALTERNATIVES = 20
"Further valid outputs that a grader is told"


@dataclass(frozen=True)
class Instance:
    """An input with its valid outputs"""

    number: int
    asked: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A task with the instances that were drawn"""

    file: str
    definition: str
    categories: tuple[str, ...]
    licence: str
    credits: tuple[Credit, ...]
    drawn: tuple[tuple[Instance, int], ...]
    "Each with the place of the output that was drawn"


class NaturalInstructions:
    """Task files of Super-Natural Instructions"""

    name = "natural-instructions"
    description = (
        "tasks of Super-Natural Instructions, one instance of each generation task: a folder of JSON files, or one file"
    )
    licence = "Apache-2.0, but for instances whose task names another licence"
    options = tuple(Options.__dataclass_fields__)

    def __init__(self, settings: Options | None = None) -> None:
        self.settings = settings or Options()

    def with_options(self, values: dict[str, Any]) -> Self:
        """The same with what the recipe says"""
        return type(self)(options_of(Options, PLUGIN, values))

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        """The examples task by task, then the reasons why others are not among them"""
        for task in self._tasks(argument):
            if isinstance(task, Refused):
                yield task
                continue
            for one, place in task.drawn:
                several = f"; one of {len(one.outputs)} valid outputs" if len(one.outputs) > 1 else ""
                yield Example(
                    id=f"{Path(task.file).stem}/{one.number}",
                    source=self.name,
                    licence=task.licence,
                    provenance=f"{visible(task.file)}, instance {one.number}{several}",
                    credits=task.credits,
                    prompt=prompt_of(task.definition, one.asked),
                    response=one.outputs[place],
                )

    def scripts(self, argument: str | None) -> Iterator[EvalConversation | Refused]:
        """What is asked, for an evaluation; a grader is told the output that was drawn and others that are valid, too"""
        for task in self._tasks(argument):
            if isinstance(task, Refused):
                yield task
                continue
            for one, place in task.drawn:
                others = [text for at, text in enumerate(one.outputs) if at != place][:ALTERNATIVES]
                facts = {"reference": one.outputs[place]} | ({"also valid": others} if others else {})
                turn = EvalTurn(prompt_of(task.definition, one.asked), kind="opening", facts=facts)
                yield EvalConversation(f"{Path(task.file).stem}/{one.number}", ", ".join(task.categories), (turn,))

    def _tasks(self, argument: str | None) -> Iterator[Task | Refused]:
        files, tally, kept = files_in(argument, self.name), Tally(), 0
        if self.settings.limit:
            random.Random(self.settings.seed).shuffle(files)
        for at, file in enumerate(files):
            if self.settings.limit and kept == self.settings.limit:
                tally.add_many(
                    TASK_NOT_DRAWN, len(files) - at, [(visible(one.name), "") for one in files[at : at + 100]]
                )
                break
            try:
                task = self._task(file, tally)
            except Wrong as e:
                tally.add_wrong(e, visible(file.name))
                continue
            except LimaError as e:
                tally.add(BROKEN, visible(file.name), str(e), fault=True)
                continue
            if task is not None:
                kept += 1
                yield task
        yield from tally.refused()

    def _task(self, file: Path, tally: Tally) -> Task | None:
        """A task with its drawn instances; None where it has none, or is not wanted, which the tally then has"""
        read, chance = TaskFile(file), random.Random(f"{self.settings.seed} {file.stem}")
        drawn, good, own = list[Instance](), 0, Tally()
        with closing(read.instances()) as instances:
            for number, value in instances:
                if number == 1 and self._unwanted(read.head):
                    break  # what it is stands before its instances in the published files: the rest is not read
                try:
                    one = instance_of(number, value)
                except Wrong as e:
                    own.add_wrong(e, f"{visible(file.name)}, instance {number}")
                    continue
                good += 1
                if len(drawn) < self.settings.instances:
                    drawn.append(one)
                elif (place := chance.randrange(good)) < len(drawn):
                    drawn[place] = one
        if unwanted := self._unwanted(read.head, whole=True):
            tally.add(unwanted[0], visible(file.name), unwanted[1])
            return None
        definition, categories = first_of(read.head, "Definition"), texts_of(read.head, "Categories")
        for refused in own.refused():
            tally.add_many(refused.reason, refused.rows, [(refused.where, "")][: refused.rows == 1], refused.fault)
        if not drawn:
            tally.add(NOTHING, visible(file.name))
            return None
        tally.add_many(NOT_DRAWN, good - len(drawn), [(visible(file.name), "")])
        licence = licence_of(texts_of(read.head, "Instance License"))
        drawn.sort(key=lambda one: one.number)
        places = tuple((one, chance.randrange(len(one.outputs))) for one in drawn)
        return Task(file.name, definition, categories, licence, credits_of(read.head, file.name, licence), places)

    def _unwanted(self, head: Mapping[str, Any], whole: bool = False) -> tuple[str, str] | None:
        """(the reason, the same with names) why a task is not wanted; a key not read yet says nothing, unless all were"""
        wanted = self.settings.categories or GENERATION
        if "Categories" in head or whole:
            found = texts_of(head, "Categories")
            if ANY not in wanted and not any(is_of(one, wanted) for one in found):
                return OTHER_KIND, f"{OTHER_KIND} It is of {visible(', '.join(found)) or 'none'}."
        for key in ("Input_language", "Output_language"):
            if (key in head or whole) and self.settings.language != ANY:
                found = texts_of(head, key)
                if not found or any(one.lower() != self.settings.language.lower() for one in found):
                    return OTHER_LANGUAGE, f"{OTHER_LANGUAGE} Its {key} is {visible(', '.join(found)) or 'not said'}."
        return None


def files_in(argument: str | None, name: str) -> list[Path]:
    """The task files of a folder, which may be the whole collection, or one file, by name; LimaError where there are none"""
    if not argument:
        raise LimaError(f"The source {name!r} reads tasks: write it as {name}:FOLDER or {name}:FILE.json.")
    path = Path(argument)
    if not is_there(path):
        raise LimaError(f"{visible(argument)} does not exist. Expected a folder of task files (.json), or one of them.")
    if not path.is_dir():
        return [path]
    folder = inner if (inner := path / "tasks").is_dir() else path
    found = sorted(one for one in folder.iterdir() if one.suffix == ".json" and not one.name.startswith("."))
    if not found:
        raise LimaError(f"The folder {visible(str(folder))} has no task files (.json) in it.")
    return found


def instance_of(number: int, value: Any) -> Instance:
    """An instance, checked; Wrong for one of another shape"""
    if not isinstance(value, dict) or not isinstance(value.get("input"), str):
        raise Wrong('it has no text as its input; expected {"input": "…", "output": ["…"]}.')
    given = value.get("output")
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Wrong(f"its output is {kind_of(given)}; expected a list of texts.")
    outputs = tuple(dict.fromkeys(text for one in given if (text := one.strip())))
    if not outputs:
        raise Wrong("its output is empty.")
    return Instance(number, value["input"].strip(), outputs)


def texts_of(head: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts under a key, which may be one text or a list; Wrong for anything else"""
    value = head.get(key) or []
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Wrong(f"its {key} is {kind_of(value)}; expected a list of texts.")
    return tuple(text for one in given if (text := one.strip()))


def first_of(head: Mapping[str, Any], key: str) -> str:
    """The first text under a key: of several definitions each says the same in other words. Wrong where there is none"""
    found = texts_of(head, key)
    if not found:
        raise Wrong(f"the task has no {key}.")
    return found[0]


def prompt_of(definition: str, asked: str) -> str:
    """What to do, and with what"""
    if asked.startswith(definition):
        return asked
    return "\n\n".join(text for text in (definition, asked) if text)


_COMMONS = re.compile(r"cc[ -]by((?:-(?:sa|nc|nd))*)[ -](\d\.\d)", re.I)


def licence_of(stated: Sequence[str]) -> str:
    """The licence of a task's instances: that which it names, as SPDX spells it where it is known, else the collection's"""
    found = [_COMMONS.fullmatch(one) for one in stated]
    names = [f"CC-BY{match[1].upper()}-{match[2]}" if match else one for match, one in zip(found, stated, strict=True)]
    return " AND ".join(dict.fromkeys(names)) or COLLECTION


def credits_of(head: Mapping[str, Any], file: str, licence: str) -> tuple[Credit, ...]:
    """Whom the instruction is owed to, and whom input and output"""
    people = ", ".join(texts_of(head, "Contributors")) or "contributors of Super-Natural Instructions"
    origin = ", ".join(texts_of(head, "Source"))
    address = next(iter(texts_of(head, "URL")), "")
    made = Credit(author=visible(people), url=f"{ADDRESS}{visible(file)}", licence=COLLECTION, part="instruction")
    if not origin and not address:
        return (made,)
    return made, Credit(
        author=visible(origin or address), url=visible(address), licence=licence, part="input and output"
    )
