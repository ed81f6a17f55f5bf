"""The study: the experiment of all arms, or of those that are named, that can be found again and gone on with.

What it adds to an experiment is how single requests are sampled and where perplexities are measured. Knows nothing of how arms
are run, nor of what the numbers will say.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lima.errors import LimaError, did_you_mean
from lima_village.arm import EPOCHS, PROMPTS, Arm, Sets
from lima_village.experiment import Experiment
from lima_village.worker import Holding
from lima_village_study.arms import SAMPLED, SAMPLES, TEST, chosen
from lima_village_study.perplexity import MEASURE, OTHER, TRAINED

if TYPE_CHECKING:
    from lima.store import Store


@dataclass(frozen=True)
class Study(Experiment):
    """One study: what it shall do, and where it writes."""

    sets: Sets = TEST
    distributions = (*Experiment.distributions, "lima-village-study")

    @property
    def go_on(self) -> str:
        """How to go on when it was stopped"""
        return f"Go on with `lima village study --resume {self.id} -d {self.database}`."

    @classmethod
    def new(cls, database: Path, arms: Sequence[Arm], kind: str = "study", **settings: Any) -> Self:
        """A study that has not begun; its folder will lie beside the database"""
        return super().new(database, arms, kind, **settings)

    @classmethod
    def recorded(cls, database: Path, name: str) -> Self:
        """A study as the database has it, for its report alone: arms, recipe and versions may be others by now"""
        from lima.store import Store

        with Store(database) as store:
            row = find_study(store, name)
        texts = {arm.name: arm.text for arm in chosen([])}
        arms = [
            Arm(**{**arm, **{key: tuple(arm[key]) for key in ("held", "sources")}}, text=texts.get(key, ""), seconds=0)
            for key, arm in row["settings"]["arms"].items()
        ]
        return cls(row["id"], database, Path(row["folder"]), tuple(arms), Sets(**row["settings"]["sets"]))

    @classmethod
    def resumed(cls, database: Path, name: str, names: Sequence[str] = (), **settings: Any) -> Self:
        """A study that was begun, by its id or as 'newest', with more arms if some are named

        LimaError when what decides its results is not what it was begun with."""
        from lima.store import Store

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
                f"Study {study.id} was begun with other settings: {changed[0]} has changed since. "
                "Begin a new one: lima village study"
            )
        return study

    def held(self, role: str, seed: int) -> list[Holding]:
        """Single requests are sampled, other samples for each seed; perplexities are measured where every epoch is held"""
        found = super().held(role, seed)
        if role == PROMPTS:
            samples = list(range(SAMPLES * seed, SAMPLES * (seed + 1)))
            return [replace(holding, seeds=samples, sampling=SAMPLED) for holding in found]
        if role == EPOCHS:
            return found + [Holding(text, [], {}, every_epoch=True, measure=MEASURE) for text in (TRAINED, OTHER)]
        return found


def find_study(store: Store, name: str) -> dict[str, Any]:
    """One study by its id, the unambiguous start of it, or 'newest'; its settings decoded. A demo is begun again instead"""
    rows = store.rows("select * from village_studies where id not like 'demo-%' order by created, id")
    found = rows[-1:] if name == "newest" else [row for row in rows if row["id"] == name]
    found = found or [row for row in rows if row["id"].startswith(name)]
    if not found:
        hint = did_you_mean(name, [row["id"] for row in rows[-20:]]) if rows else " It holds no study."
        raise LimaError(f"There is no study {name!r} in {store.path}.{hint} Begin one with: lima village study")
    if len(found) > 1:
        raise LimaError(
            f"{name!r} is the start of {len(found)} studies: {', '.join(row['id'] for row in found)}. Give more of it."
        )
    if Path(found[0]["id"]).name != found[0]["id"]:
        raise LimaError(f"{found[0]['id']!r} is not the id of a study: it names a path.")
    return {**found[0], "settings": json.loads(found[0]["settings"])}
