"""What the core itself registers, as a plugin does: the plain renderer, prompt / response files, and checkpoints that answer."""

from collections.abc import Callable, Iterator
from typing import Any

from lima import hookimpl
from lima.contract.examples import Example, Record, Refused
from lima.data.files import Row, kind_of, number_of, records_of, shown
from lima.data.keys import BEYOND_A_PAIR, Ignored
from lima.errors import LimaError
from lima.plugins import CORE


class Pairs:
    """A file of prompt and response"""

    description = "prompt and response; optional: weight"
    licence = "the file's own"
    options = ("ignore",)

    def __init__(self, ignored: Ignored = Ignored(CORE)) -> None:  # noqa: B008 (frozen)
        self.ignored = ignored

    def with_options(self, values: dict[str, Any]) -> "Pairs":
        return Pairs(Ignored.of(CORE, values))

    def recognises(self, row: Any) -> bool:
        return isinstance(row, dict) and "prompt" in row and "response" in row and not BEYOND_A_PAIR & row.keys()

    def examples(self, argument: str | None) -> Iterator[Record | Refused]:
        if not argument:
            raise LimaError("The source 'pairs' reads a file: write it as pairs:FILE.jsonl.")
        yield from records_of(argument, self.ignored, self._example)

    def _example(self, row: Row) -> Example | Refused:
        value = row.value
        if not isinstance(value, dict):
            raise LimaError(f"expected an object with 'prompt' and 'response', found {kind_of(value)}.")
        for key in ("prompt", "response"):
            if not isinstance(value.get(key), str):
                found = (
                    f"{key!r} is {kind_of(value[key])}"
                    if key in value
                    else f"keys {', '.join(map(shown, value)) or 'none'}"
                )
                raise LimaError(f"expected text in {key!r}, found {found}.")
            if not value[key].strip():
                raise LimaError(f"{key!r} is empty. Write it, or leave the example out.")
        if beyond := [
            key
            for key in value
            if key in BEYOND_A_PAIR and value[key] not in (None, "", [], {}) and key not in self.ignored.keys
        ]:
            raise LimaError(
                f"it has {beyond[0]!r}, which the source 'pairs' does not read. Read the file with one of `lima sources` that "
                f"does, such as --source qa:{row.file} (`pip install lima-chat`)."
            )
        self.ignored.check(value, _PAIR_KEYS, "the row")
        weight = number_of(row, value.get("weight"))
        if weight is None or weight == "":
            weight = 1.0
        if not isinstance(weight, int | float) or isinstance(weight, bool) or not 0 <= weight <= 1e6:
            raise LimaError(f"'weight' is {shown(weight)}; expected a number from 0 to 1,000,000.")
        if not weight:
            return Refused(row.where, "its weight is 0, so nothing of it is to be learnt.", fault=False)
        return Example(
            id=f"{row.label}:{row.number}" if value.get("id") in (None, "") else str(value["id"]),
            source=row.label,
            licence=str(value.get("licence") or value.get("license") or ""),
            provenance=str(value.get("provenance") or row.where),
            prompt=value["prompt"],
            response=value["response"],
            weight=float(weight),
        )


_PAIR_KEYS = frozenset(("prompt", "response", "weight"))


class Checkpoints:
    """A folder, a base model or a run of this machine that answers"""

    description = "a Hugging Face folder, a base model or a run in the database: checkpoint: and its path, name or id"

    def open(self, argument: str | None, store: Any, trust_remote_code: bool = False) -> Any:
        from lima.answer.checkpoint_model import open_checkpoint

        if not argument:
            raise LimaError("Name the folder or the run: checkpoint:FOLDER or checkpoint:RUN.")
        return open_checkpoint(argument, store, trust_remote_code)


@hookimpl
def register_sources(register: Callable[[str, Any], None]) -> None:
    register("pairs", Pairs())


@hookimpl
def register_renderers(register: Callable[[str, Any], None]) -> None:
    from lima.data.rendering import PlainRenderer

    register("plain", PlainRenderer())


@hookimpl
def register_models(register: Callable[[str, Any], None]) -> None:
    register("checkpoint", Checkpoints())


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima.record.store import migrations

    register("lima", migrations)
