"""A study in the store: begun once, found again by its name, and continued by whoever has the same settings.

The settings decide replies; raters may be added to a study at any time. Knows nothing of how anything is asked.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from lima import LimaError, Store, exclusive, now, storable
from lima_studies.prompts.prompt import StudyPrompt, hash_of
from lima_studies.record.systems import System

DISTRIBUTIONS = ("lima-tune", "lima-studies", "lima-judges", "lima-dialogue-eval", "lima-chat", "torch", "transformers")
"Those whose versions may change results"
JUDGES = "judges"
"The team of programs"
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,79}", re.ASCII)

Rows = list[dict[str, Any]]


class Study:
    """One study"""

    def __init__(self, store: Store, id: str) -> None:
        self.store, self.id = store, id

    @classmethod
    def find(cls, store: Store, name: str) -> "Study":
        """The study of this name, or of one that begins so; LimaError where there is none or several"""
        return cls(store, str(store.find("studies", name, "study", "`lima study` lists them.")["id"]))

    @classmethod
    def begin(
        cls,
        store: Store,
        kind: str,
        settings: Mapping[str, Any],
        prompts: Sequence[StudyPrompt],
        systems: Sequence[System],
        name: str | None = None,
        dry: bool = False,
        wider: bool = False,
    ) -> "Study":
        """The study of this name with these settings, begun or found; without a name, it is named by its kind and settings

        `dry` begins none: one that was not begun has no rows. `wider` lets it have other settings and more systems from now
        on, where the caller knows that what is there stays true.

        LimaError where the name is that of a study with other settings, which it says."""
        whole = {**settings, "prompts": hash_of(prompts), "systems": [[s.name, s.spec] for s in systems]}
        text = json.dumps(whole, sort_keys=True)
        digest = hashlib.sha256(f"{kind}\0{text}".encode()).hexdigest()
        if name is not None and not _NAME.fullmatch(name):
            raise LimaError(f"{name!r} cannot be a study's name: letters, digits, dots, dashes, up to 80 of them.")
        id = name or f"{kind}-{digest[:10]}"
        found = store.rows("select kind, settings, settings_hash from studies where id = ?", [id])
        study = cls(store, id)
        if found and found[0]["settings_hash"] != digest:
            if not wider or found[0]["kind"] != kind:
                raise LimaError(_differs(id, kind, whole, found[0]))
            study._widen(text, digest, systems)
        if not found and not dry:
            study._insert(kind, text, digest, prompts, systems)
        return study

    def _insert(
        self, kind: str, settings: str, digest: str, prompts: Sequence[StudyPrompt], systems: Sequence[System]
    ) -> None:
        row = {
            "id": self.id,
            "created": now(),
            "status": "running",
            "kind": kind,
            "settings": settings,
            "settings_hash": digest,
            "prompts_hash": hash_of(prompts),
            "versions": json.dumps({name: version(name) for name in DISTRIBUTIONS}),
            "seconds": 0.0,
        }
        with self.store.write() as db:
            if db.execute("select 1 from studies where id = ?", [self.id]).fetchone():
                return  # another process was first, with the same command
            db.table("studies").insert(row)
            db.table("study_prompts").insert_all(
                {
                    **{"study": self.id, "prompt": p.id, "place": place, "text": storable(p.text), "source": p.source},
                    **{"licence": p.licence, "sensitive": int(p.sensitive), "malice": p.malice, "kind": p.kind},
                    "hash": p.hash,
                }
                for place, p in enumerate(prompts)
            )
            self._insert_systems(db, systems)

    def _widen(self, settings: str, digest: str, systems: Sequence[System]) -> None:
        with self.store.write() as db:
            db.table("studies").update(self.id, {"settings": settings, "settings_hash": digest})
            self._insert_systems(db, systems)

    def _insert_systems(self, db: Any, systems: Sequence[System]) -> None:
        """Those that are there stay"""
        db.table("study_systems").insert_all(
            (
                {"study": self.id, "system": s.name, "place": place, "spec": s.spec, "created": now()}
                for place, s in enumerate(systems)
            ),
            ignore=True,
        )

    @contextmanager
    def working(self) -> Iterator[None]:
        """One process at a time; the study's row says how it ended, and how long the work took"""
        with exclusive(self.store.path.resolve().with_name(f".{self.id}.lock"), f"working on the study {self.id}"):
            started, status = time.monotonic(), "failed"
            self.mark("running")
            try:
                yield
                status = "done"
            except BaseException as e:
                status = "interrupted" if isinstance(e, KeyboardInterrupt) else "failed"
                e.add_note("What was answered is kept. The same command continues from there.")
                raise
            finally:
                self.mark(status, time.monotonic() - started)

    def mark(self, status: str, seconds: float = 0.0) -> None:
        """Note how the study stands, and more time that it took"""
        sql = "update studies set status = ?, finished = ?, seconds = seconds + ? where id = ?"
        with self.store.write() as db:
            db.execute(sql, [status, None if status == "running" else now(), seconds, self.id])

    @property
    def row(self) -> dict[str, Any]:
        """The study's row, with settings and versions as objects"""
        row = self.store.find("studies", self.id, "study")
        return self.store.decoded(row, f"study {self.id}", settings=dict, versions=dict)

    def prompts(self) -> list[StudyPrompt]:
        """The prompts, in their order"""
        rows = self._rows("study_prompts", "place")
        return [
            StudyPrompt(
                **{"id": r["prompt"], "sensitive": bool(r["sensitive"])},
                **{key: r[key] for key in ("text", "source", "licence", "malice", "kind")},
            )
            for r in rows
        ]

    def systems(self) -> list[System]:
        """The systems; the first one is what the study is about"""
        return [System(r["system"], r["spec"]) for r in self._rows("study_systems", "place")]

    def replies(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        """The rows of replies by system, prompt and sample; one that was answered counts before one that failed"""
        found: dict[tuple[str, str, int], dict[str, Any]] = {}
        for row in self._rows("study_replies", "id"):
            key = (row["system"], row["prompt"], row["sample"])
            if row["reply"] is not None or key not in found:
                found[key] = row
        return found

    def texts(self) -> dict[tuple[str, str, int], str]:
        """What was replied, by system, prompt and sample"""
        return {key: row["reply"] for key, row in self.replies().items() if row["reply"] is not None}

    def keep_reply(self, db: Any, row: Mapping[str, Any]) -> None:
        """Write a reply, inside a transaction"""
        db.table("study_replies").insert({"study": self.id, "created": now(), **row})

    def seconds_a_call(self, model: str) -> float | None:
        """How long one call of a model took on average, of all in this database; None where nothing was asked of it yet

        Of a system it is what its replies in studies took, of a model behind an API what its calls did."""
        sql = """select avg(seconds) as mean from (
            select seconds from study_replies join study_systems using (study, system)
              where spec = :name and reply is not null
            union all select seconds from api_calls where model = :name)"""
        mean = self.store.rows(sql, {"name": model})[0]["mean"]
        return None if mean is None else float(mean)

    def raters(self) -> Rows:
        """Who gave, or is to give, verdicts: judges and people, in the order in which they came"""
        return self._rows("study_raters", "place")

    def add_rater(self, rater: str, team: str, spec: str = "", hash: str = "") -> None:
        """A rater, unless the study has them already; LimaError where it has them in another team, or with other settings"""
        with self.store.write() as db:
            known = {r["rater"]: r for r in db.query("select * from study_raters where study = ?", [self.id])}
            if rater not in known:
                self._insert_rater(db, rater, team, len(known), spec, hash)
                return
        if known[rater]["team"] != team:
            raise LimaError(f"In study {self.id}, {rater!r} is of the group {known[rater]['team']!r}, not {team!r}.")
        if known[rater]["hash"] != hash:
            raise LimaError(
                f"The judge {rater!r} is not the one that judged in study {self.id}: its model, prompt or options differ. "
                "Give it another name, as NAME=SPEC, to have both."
            )

    def distances(self) -> dict[str, float]:
        """How far each prompt is from what was trained on; empty where that was not measured"""
        return {row["prompt"]: row["distance"] for row in self._rows("study_distances", "prompt")}

    def keep_distances(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the distances, unless they are there"""
        with self.store.write() as db:
            db.table("study_distances").insert_all(({"study": self.id, **row} for row in rows), ignore=True)

    def assignments(self) -> Rows:
        """What each person is to look at, in their order"""
        return self._rows("study_assignments", "rater, place")

    def add_people(self, team: str, assigned: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """People of a group, with what each is to look at in their order; LimaError where the study has one of them already"""
        with self.store.write() as db:
            known = [r["rater"] for r in db.query("select rater from study_raters where study = ?", [self.id])]
            for place, (rater, rows) in enumerate(assigned.items(), len(known)):
                if rater in known:
                    raise LimaError(f"Study {self.id} has a rater {rater!r} already. Give this one another name.")
                self._insert_rater(db, rater, team, place)
                db.table("study_assignments").insert_all(
                    {"study": self.id, "rater": rater, "place": at, **row} for at, row in enumerate(rows, 1)
                )

    def _insert_rater(self, db: Any, rater: str, team: str, place: int, spec: str = "", hash: str = "") -> None:
        row = {"study": self.id, "rater": rater, "team": team, "place": place, "spec": spec, "hash": hash}
        db.table("study_raters").insert({**row, "created": now()})

    def verdicts(self, question: str | None = None) -> Rows:
        """The rows of verdicts, on one question or on all, oldest first"""
        rows = self._rows("study_verdicts", "id")
        return [r for r in rows if question in (None, r["question"])]

    def keep_verdict(self, db: Any, row: Mapping[str, Any]) -> None:
        """Write a verdict, inside a transaction"""
        db.table("study_verdicts").insert({"study": self.id, "created": now(), "event": "", **row})

    def _rows(self, table: str, order: str) -> Rows:
        return self.store.rows(f"select * from {table} where study = ? order by {order}", [self.id])


def _differs(id: str, kind: str, settings: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """What is said of a study whose name is taken by one with other settings"""
    old = json.loads(row["settings"])
    keys = [key for key in {**old, **settings} if old.get(key) != settings.get(key)]
    what = f"is a {row['kind']} study" if row["kind"] != kind else f"was begun with other {', '.join(keys)}"
    return f"Study {id} {what}. Give this one another --name, or leave --name out."
