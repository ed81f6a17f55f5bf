"""The tables of grading studies: who grades what, every key press as an event, and what people prefer.

All of it is append-only, since it is people's work: of several rows for one thing the newest counts. Knows nothing of what writes
them.
"""

from sqlite_utils import Database

from lima import append_only
from lima_dialogue_eval.record.tables import migrations as migrations

_KEY = {"study": str, "rater": str}
APPEND_ONLY = (
    "grading_studies",
    "grading_raters",
    "grading_items",
    "grading_events",
    "grading_calibration",
    "dialogue_preferences",
)


@migrations()
def m012_grading(db: Database) -> None:
    """Studies, who grades what, events, preferences, and the view `grading_progress`"""
    _studies(db)
    _events(db)
    for table in APPEND_ONLY:
        append_only(db, table)
    _progress(db)


@migrations()
def m013_side_of_known_replies(db: Database) -> None:
    """Which of two known replies side by side was graded; null in earlier rows"""
    db.table("grading_calibration").add_column("side", str)


def _studies(db: Database) -> None:
    db.table("grading_studies").create(
        {
            "id": str,
            "created": str,
            "runs": str,  # JSON: the dialogue runs of each side; one side, or two that are graded side by side
            "seed": int,
            "reviews": int,  # raters of each conversation
            "queue": str,  # empty: every reply; else undecided, disagreed, or both with a comma
            "calibration": int,  # known replies among a rater's conversations, in per cent
        },
        pk="id",
    )
    of_study = [("study", "grading_studies", "id")]
    db.table("grading_raters").create({**_KEY, "place": int}, pk=("study", "rater"), foreign_keys=of_study)
    db.table("grading_items").create(
        {
            **_KEY,
            "place": int,  # in the rater's order, from 1
            "item": int,  # the same number for all raters of a conversation
            "conversation": str,
            "seed": int,
            "left_run": str,  # null for a known reply; sides differ between raters
            "right_run": str,  # null where there is one side
            "cells": str,  # JSON: [turn, side] of each reply to grade, in order
            "replies": int,
            "known": str,  # JSON: the known replies with what came before, by side; null for a run's
        },
        pk=("study", "rater", "place"),
        foreign_keys=of_study,
    )


def _events(db: Database) -> None:
    db.table("grading_events").create(
        {
            "id": int,
            "study": str,
            "item": int,
            "rater": str,
            "turn": int,  # 0: the conversation
            "side": str,  # left or right, as that rater saw it; with one side left
            "kind": str,  # grade, comment, tick, prefer, undo
            "value": str,  # fail, pass, excellent, cannot judge; a text; requirement:met; left, right, neither; an event
            "event": str,  # made where the key was pressed, so that a repeated request adds nothing
            "created": str,
        },
        pk="id",
        foreign_keys=[("study", "grading_studies", "id")],
    )
    db.table("grading_events").create_index(["study", "event"], unique=True)
    db.table("grading_events").create_index(["study", "rater", "item"])
    db.execute("create index grading_events_undone on grading_events (study, rater, value) where kind = 'undo'")
    db.table("grading_calibration").create(
        {
            "id": int,
            **_KEY,
            "item": int,
            "conversation": str,
            "turn": int,
            "kind": str,  # of the user's turn
            "flaw": str,
            "known": str,
            "given": str,  # fail, pass, excellent, cannot judge; null: withdrawn
            "created": str,
        },
        pk="id",
    )
    db.table("dialogue_preferences").create(
        {
            "id": int,
            **_KEY,
            "conversation": str,
            "seed": int,
            "left_run": str,
            "right_run": str,
            "preferred": str,  # a run; empty: neither; null: withdrawn
            "created": str,
        },
        pk="id",
    )
    db.table("dialogue_preferences").create_index(["left_run", "right_run"])


def _progress(db: Database) -> None:
    db.create_view(
        "grading_progress",
        """
        with kept as (
          select * from grading_events e where kind in ('grade', 'prefer') and not exists (
            select 1 from grading_events u
            where u.study = e.study and u.rater = e.rater and u.kind = 'undo' and u.value = e.event)
        ), newest as (
          select study, rater, item, turn, side, kind, value, max(id) from kept group by study, rater, item, turn, side, kind
        )
        select raters.study, raters.rater, items.conversations, items.replies, coalesce(given.graded, 0) as graded,
          coalesce(given.cannot_judge, 0) as cannot_judge, coalesce(given.preferences, 0) as preferences,
          (select max(created) from grading_events e where e.study = raters.study and e.rater = raters.rater) as last
        from grading_raters raters
        left join (select study, rater, count(*) as conversations, sum(replies) as replies
          from grading_items group by study, rater) items using (study, rater)
        left join (select study, rater, sum(kind = 'grade') as graded, sum(value = 'cannot judge') as cannot_judge,
          sum(kind = 'prefer') as preferences from newest group by study, rater) given using (study, rater)
        order by raters.study, raters.place
        """,
    )
