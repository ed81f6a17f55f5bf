"""Asks a system for the replies that a study lacks, and keeps each as it comes.

A reply that is kept is never asked for again. Knows nothing of verdicts.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from lima import LimaError, Reply, Sampling, now, storable
from lima_judges import Charges, hear_all, identity_of
from lima_studies.prompts.prompt import StudyPrompt
from lima_studies.record.study import Study
from lima_studies.record.systems import System

OnProgress = Callable[[int, int], None]
Asked = tuple[StudyPrompt, int]
"A prompt, and which sample of its reply"


@runtime_checkable
class TellsRecorded(Protocol):
    """A recording that knows version and date of each reply"""

    name: str

    def recorded(self, prompt: str) -> tuple[str, str]:
        """(version, date), empty where they are not known"""

    def kept(self, prompt: str) -> str | None:
        """The reply that the recording has"""


def sampling_of(settings: Mapping[str, Any]) -> Sampling:
    """As a study's settings have it"""
    return Sampling(**settings["sampling"])


def settings_of(sampling: Sampling, samples: int, seed: int) -> dict[str, Any]:
    """What of replies is settled by a study's settings"""
    return {"sampling": asdict(sampling), "samples": samples, "seed": seed}


def missing(study: Study, system: System, prompts: Sequence[StudyPrompt], samples: int) -> list[Asked]:
    """What the system has not replied yet"""
    known = study.texts()
    return [(p, sample) for sample in range(samples) for p in prompts if (system.name, p.id, sample) not in known]


def reply_all(
    study: Study, system: System, opened: Callable[[], Any], settings: Mapping[str, Any], on_progress: OnProgress
) -> None:
    """Ask the system, which is opened only if something is missing; a failure is a row, too, and is asked again next time

    LimaError where earlier replies of the study are of another version of it."""
    prompts = study.prompts()
    asked = missing(study, system, prompts, settings["samples"])
    if not asked:
        return
    model = opened()
    identity = _same_as_before(study, system, model)
    if isinstance(model, Charges):
        model.charge_to(study.id, "reply")
    total, kept = len(prompts) * settings["samples"], set[int]()
    before = total - len(asked)

    def keep(db: Any, place: int, reply: Reply | Exception) -> None:
        study.keep_reply(db, _row(system, model, identity, asked[place], reply))
        kept.add(place)

    def heard(place: int, reply: Reply | Exception) -> None:
        if place not in kept:
            with study.store.write() as db:
                keep(db, place, reply)
        on_progress(before + len(kept), total)

    hear_all(
        model,
        [prompt.text for prompt, _ in asked],
        sampling_of(settings),
        [_seed(prompt.id, sample, settings["seed"]) for prompt, sample in asked],
        [(prompt.id, 1, sample) for prompt, sample in asked],
        heard,
        keep,
    )


def _same_as_before(study: Study, system: System, model: Any) -> str:
    """The identity of a model; LimaError where the system's earlier replies are of another"""
    rows = [r for r in study.replies().values() if r["system"] == system.name and r["reply"] is not None]
    if isinstance(model, TellsRecorded):  # a recording may grow, but not say something else
        texts = {p.id: p.text for p in study.prompts()}
        identity = hashlib.sha256(str(model.name).encode("utf-8", "surrogatepass")).hexdigest()
        changed = any(storable(model.kept(texts[r["prompt"]]) or "") != r["reply"] for r in rows)
    else:
        identity = hashlib.sha256(identity_of(model).encode("utf-8", "surrogatepass")).hexdigest()
        changed = any(r["identity"] != identity for r in rows)
    if changed:
        raise LimaError(
            f"{system.name} ({system.spec}) has changed since it replied to the first {len(rows)} prompts of study {study.id}. "
            "Put back what it was, or begin another study with --name."
        )
    return identity


def _row(system: System, model: Any, identity: str, asked: Asked, reply: Reply | Exception) -> dict[str, Any]:
    prompt, sample = asked
    version, date = model.recorded(prompt.text) if isinstance(model, TellsRecorded) else (identity[:12], now())
    row = {"system": system.name, "prompt": prompt.id, "sample": sample, "identity": identity}
    row |= {"version": storable(version) or identity[:12], "date": storable(date)}
    if isinstance(reply, Reply):
        return {**row, "reply": storable(reply.text), "stop": reply.stop, "seconds": reply.seconds, "error": ""}
    return {**row, "reply": None, "stop": "", "seconds": 0.0, "error": storable(str(reply) or type(reply).__name__)}


def _seed(prompt: str, sample: int, seed: int) -> int:
    text = f"{seed}\0{sample}\0{prompt}"
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:6], "big")
