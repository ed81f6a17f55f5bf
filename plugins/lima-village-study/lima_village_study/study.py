"""The study: an experiment with all arms or the named ones, which can be found again and resumed.

It adds to an experiment how single requests are sampled and where perplexities are measured. It does not know how arms are run
or what the numbers will say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from lima import LimaError, Store
from lima_village.arm import EPOCHS, GAIN, PROMPTS, ArmSpec, Sets
from lima_village.experiment import Experiment
from lima_village.worker import Holding
from lima_village_study import gain
from lima_village_study.arms import SAMPLED, SAMPLES, TEST, chosen
from lima_village_study.perplexity import MEASURE, OTHER, TRAINED


@dataclass(frozen=True)
class Study(Experiment):
    """One study: what it does and where it writes."""

    sets: Sets = TEST
    distributions = (*Experiment.distributions, "lima-village-study")
    kind: ClassVar[str] = "study"

    @property
    def go_on(self) -> str:
        """How to continue after it was stopped"""
        return f"Resume with `lima village study --resume {self.id} -d {self.database}`."

    @classmethod
    def recorded(cls, database: Path, name: str) -> Self:
        """A study as recorded, for its report only: arms, recipe and versions may have changed since"""
        with Store(database) as store:
            row = find_study(store, name)
        texts = {arm.name: arm.text for arm in chosen([])}
        arms = [
            ArmSpec(
                **{**arm, **{key: tuple(arm[key]) for key in ("held", "sources")}}, text=texts.get(key, ""), seconds=0
            )
            for key, arm in row["settings"]["arms"].items()
        ]
        return cls(row["id"], database, Path(row["folder"]), tuple(arms), Sets(**row["settings"]["sets"]))

    @classmethod
    def resumed(cls, database: Path, name: str, names: Sequence[str] = (), **settings: Any) -> Self:
        """A study that has begun, by its id or as 'newest', with further arms if some are named

        LimaError if anything that decides its results has changed since it began."""
        with Store(database) as store:
            row = find_study(store, name)
        # A database may come from anywhere, and must not say where models are written.
        if Path(row["folder"]).resolve() != (database.parent / row["id"]).resolve():
            raise LimaError(
                f"Study {row['id']} was begun in {row['folder']}, which does not lie beside the database {database}. Move the "
                "database back to it, or begin a new study: lima village study"
            )
        begun = row["settings"]
        arms = chosen([*begun["arms"], *names])
        study = cls(row["id"], database, Path(row["folder"]), arms, Sets(**begun["sets"]), **settings)
        now = study.settings()
        changed = [
            f"{key} {inner!r}" for key in begun for inner in begun[key] if begun[key][inner] != now[key].get(inner)
        ]
        if changed:
            raise LimaError(
                f"Study {study.id} was started with other settings: {changed[0]} has changed since. "
                "Start a new one: lima village study"
            )
        return study

    def held(self, role: str, seed: int) -> list[Holding]:
        """Single requests are sampled, differently for each seed; perplexities are measured with the checkpoint of every epoch"""
        if role == GAIN:
            return [Holding(gain.named(self.sets.gain), [], {}, measure=gain.MEASURE)] if self.sets.gain else []
        found = super().held(role, seed)
        if role == PROMPTS:
            samples = list(range(SAMPLES * seed, SAMPLES * (seed + 1)))
            return [replace(holding, seeds=samples, sampling=SAMPLED) for holding in found]
        if role == EPOCHS:
            return found + [Holding(text, [], {}, every_epoch=True, measure=MEASURE) for text in (TRAINED, OTHER)]
        return found


def find_study(store: Store, name: str) -> dict[str, Any]:
    """The row of a study by its id, the start of one, or 'newest', with its settings decoded; demos are not found"""
    where = "id not like 'demo-%'"
    if name == "newest":
        newest = store.rows(f"select id from village_studies where {where} order by created desc, id desc limit 1")
        name = newest[0]["id"] if newest else name
    row = store.find("village_studies", name, "study", f"Start one with: lima village study -d {store.path}", where)
    if Path(row["id"]).name != row["id"]:
        raise LimaError(f"{row['id']!r} is not the id of a study: it names a path.")
    return {**row, "settings": json.loads(row["settings"])}
