"""The tables of studies: what was asked of which systems, what they replied, and what raters said of it.

All but the status of a study is append-only; of several rows for one thing the newest counts. Knows nothing of who writes them.
"""

from sqlite_utils import Database, Migrations

from lima import append_only

migrations = Migrations("lima-studies")
_OF_STUDY = [("study", "studies", "id")]


@migrations()
def m001_studies(db: Database) -> None:
    """Studies with their prompts, systems, replies, raters and verdicts"""
    db.table("studies").create(
        {
            "id": str,  # its name
            "created": str,
            "finished": str,
            "status": str,  # running, done, interrupted, failed
            "kind": str,  # preference, absolute, safety, …
            "settings": str,  # JSON: all that decides replies, without the raters
            "settings_hash": str,
            "prompts_hash": str,
            "versions": str,  # JSON: distributions with their versions, when it began
            "seconds": float,  # of work, over all commands that continued it
        },
        pk="id",
    )
    _asked(db)
    _said(db)
    for table in ("study_prompts", "study_systems", "study_replies", "study_raters", "study_verdicts"):
        append_only(db, table)


def _asked(db: Database) -> None:
    db.table("study_prompts").create(
        {
            "study": str,
            "prompt": str,
            "place": int,  # from 0
            "text": str,
            "source": str,
            "licence": str,
            "sensitive": int,  # 0 or 1
            "malice": str,  # explicit, implicit; empty: none
            "kind": str,  # as its file calls it
            "hash": str,  # SHA-256 of the text
        },
        pk=("study", "prompt"),
        foreign_keys=_OF_STUDY,
    )
    db.table("study_systems").create(
        {
            "study": str,
            "system": str,  # as reports call it
            "place": int,  # 0: what the study is about; from 1: what it is compared with
            "spec": str,  # as `lima models` opens it
            "created": str,
        },
        pk=("study", "system"),
        foreign_keys=_OF_STUDY,
    )


def _said(db: Database) -> None:
    db.table("study_replies").create(
        {
            "id": int,
            "study": str,
            "system": str,
            "prompt": str,
            "sample": int,  # from 0
            "reply": str,  # null where the system failed
            "stop": str,
            "seconds": float,
            "error": str,
            "identity": str,  # SHA-256 of what decides the system's replies, as far as it is known
            "version": str,  # of the system: as a recording says, else the beginning of its identity
            "date": str,  # of the reply, ISO 8601: when it was asked for, or as a recording says
            "created": str,
        },
        pk="id",
        foreign_keys=_OF_STUDY,
    )
    db.table("study_replies").create_index(("study", "system", "prompt", "sample"))
    db.table("study_raters").create(
        {
            "study": str,
            "rater": str,
            "team": str,  # judges, or a group of people such as crowd, authors
            "place": int,
            "spec": str,  # of a judge
            "hash": str,  # of a judge: all that decides its verdicts
            "created": str,
        },
        pk=("study", "rater"),
        foreign_keys=_OF_STUDY,
    )
    db.table("study_verdicts").create(
        {
            "id": int,
            "study": str,
            "question": str,  # preference, absolute, safety, refusal, …
            "prompt": str,
            "first": str,  # the system that is shown first, or alone
            "second": str,  # empty where one is shown
            "sample": int,
            "rater": str,
            "attempt": int,  # from 1; of a person 1
            "label": str,  # null where nothing could be read, and where a person withdrew
            "status": str,  # parsed, unparsed, error; of a person given, withdrawn
            "code": str,  # what the line of a judge's verdict begins with
            "answer": str,  # a judge's, word for word; a person's comment
            "event": str,  # of a person: made where the key was pressed, so that a repeated request adds nothing
            "created": str,
        },
        pk="id",
        foreign_keys=_OF_STUDY,
    )
    db.table("study_verdicts").create_index(("study", "question", "rater"))
    db.execute("create unique index study_verdicts_event on study_verdicts (study, event) where event <> ''")


@migrations()
def m002_summary(db: Database) -> None:
    """The list of studies"""
    db.create_view(
        "study_summary",
        """
        select id, kind, status, created, finished, round(seconds, 1) as seconds,
          (select count(*) from study_prompts where study = studies.id) as prompts,
          (select group_concat(system, ', ') from (select system from study_systems where study = studies.id order by place))
          as systems, (select count(*) from study_replies where study = studies.id and reply is not null) as replies,
          (select count(*) from study_verdicts where study = studies.id and label is not null) as verdicts
        from studies
        """,
    )


@migrations()
def m003_assignments(db: Database) -> None:
    """Which case each person looks at, in which order, drawn once"""
    db.table("study_assignments").create(
        {
            "study": str,
            "rater": str,
            "place": int,  # in the rater's order, from 1
            "question": str,
            "prompt": str,
            "first": str,
            "second": str,
            "sample": int,
            "shared": int,  # 0 or 1: whether every person looks at it
        },
        pk=("study", "rater", "place"),
        foreign_keys=_OF_STUDY,
    )
    append_only(db, "study_assignments")


@migrations()
def m004_distances(db: Database) -> None:
    """How far each prompt of a study is from what its system was trained on"""
    db.table("study_distances").create(
        {
            "study": str,
            "prompt": str,
            "distance": float,  # from 0, the same text, to 1
            "nearest": str,  # id of the nearest training example
        },
        pk=("study", "prompt"),
        foreign_keys=_OF_STUDY,
    )
    append_only(db, "study_distances")
