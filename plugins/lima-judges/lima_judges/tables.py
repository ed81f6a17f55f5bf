"""The tables that this plugin owns: calls and what they cost, what judges said, and preferences between two runs.

All are append-only but the status of a preference run. Knows nothing of what writes to them.
"""

from sqlite_utils import Database, Migrations

from lima import append_only

migrations = Migrations("lima-judges")


@migrations()
def m001_calls(db: Database) -> None:
    """One row for each call that was answered; money in US dollars, null where no price is known"""
    db.table("api_calls").create(
        {
            "id": int,
            "created": str,
            "model": str,
            "purpose": str,  # reply, judge, preference
            "run": str,  # the dialogue run or preference run that it was for; empty where none is known
            "prompt_tokens": int,  # as the server counts; null where it does not tell
            "completion_tokens": int,
            "usd": float,
            "seconds": float,
        },
        pk="id",
    )
    append_only(db, "api_calls")
    db.create_view(
        "api_spending",
        """
        select model, purpose, run, count(*) as calls, sum(prompt_tokens) as prompt_tokens,
          sum(completion_tokens) as completion_tokens, round(sum(usd), 4) as usd,
          sum(usd is null) as calls_without_price, min(created) as first, max(created) as last
        from api_calls group by model, purpose, run
        """,
    )


@migrations()
def m002_votes(db: Database) -> None:
    """What a judge answered, word for word, for each vote"""
    db.table("judge_votes").create(
        {
            "id": int,
            "created": str,
            "judge": str,
            "judge_hash": str,
            "run": str,
            "conversation": str,
            "turn": int,
            "reply_hash": str,  # SHA-256 of the reply that was judged
            "vote": int,  # from 0
            "attempt": int,  # from 1; above 1: asked again, because the answer before could not be read
            "status": str,  # parsed, unparsed, error
            "overall": str,
            "ticks": str,  # JSON: met and quote of each requirement
            "code": str,  # what the lines of its verdict begin with
            "answer": str,
        },
        pk="id",
    )
    db.table("judge_votes").create_index(("conversation", "turn"))
    append_only(db, "judge_votes")


@migrations()
def m003_preferences(db: Database) -> None:
    """Two dialogue runs judged against each other: each conversation and seed in both orders"""
    db.table("preference_runs").create(
        {
            "id": str,
            "created": str,
            "finished": str,
            "status": str,  # running, done, interrupted, failed
            "run_a": str,
            "run_b": str,
            "judge": str,
            "judge_hash": str,
        },
        pk="id",
    )
    db.table("preferences").create(
        {
            "id": int,
            "preference_run": str,
            "created": str,
            "conversation": str,
            "seed_a": int,
            "seed_b": int,
            "first": str,  # A or B: which was shown first
            "preferred": str,  # A, B, neither; null where the judge said nothing that can be read
            "status": str,  # parsed, unparsed, error
            "code": str,
            "answer": str,
        },
        pk="id",
        foreign_keys=[("preference_run", "preference_runs", "id")],
    )
    append_only(db, "preferences")
