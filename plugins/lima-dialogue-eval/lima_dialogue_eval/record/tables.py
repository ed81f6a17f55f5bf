"""The tables that this plugin owns, and the views that make the useful questions one line of SQL.

A dialogue run is one evaluation of one model; below it conversations, turns and grades, keyed by (dialogue run,
conversation, seed, turn), turns counted from 1. Grades are append-only: a second opinion is a second row. Knows nothing of
what writes to them.
"""

from sqlite_utils import Database, Migrations

from lima import append_only
from lima_dialogue_eval.record.people import people_grades, replies_with_people

migrations = Migrations("lima-dialogue-eval")

_TURN = ("dialogue_run", "conversation", "seed", "turn")
_KEY = {"dialogue_run": str, "conversation": str, "seed": int}


@migrations()
def m001_dialogues(db: Database) -> None:
    _runs(db)
    _turns(db)
    _grades(db)


def _runs(db: Database) -> None:
    db.table("dialogue_runs").create(
        {
            "id": str,
            "created": str,
            "finished": str,
            "status": str,  # running, done, interrupted, failed
            "message": str,
            "evaluation": str,
            "evaluation_hash": str,
            "model": str,
            "run": str,  # of the core's table runs, where the model is one; no foreign key: it may be in another file
            "arm": str,
            "seeds": str,
            "sampling": str,
            "grader": str,
            "primary_test": str,
            "plugins": str,
            "environment": str,
            "seconds": float,
        },
        pk="id",
    )
    db.table("dialogue_conversations").create(
        # status: running, complete, context full, error
        {**_KEY, "topic": str, "turns": int, "status": str, "message": str},
        pk=_TURN[:3],
        foreign_keys=[("dialogue_run", "dialogue_runs", "id")],
    )


def _turns(db: Database) -> None:
    db.table("dialogue_turns").create(
        {
            **_KEY,
            "turn": int,
            "kind": str,
            "user": str,
            "requirements": str,
            "reply": str,
            "prompt_ids": str,
            "prompt_tokens": int,
            "reply_tokens": int,
            "stop": str,
            "seconds": float,
            "status": str,  # answered, context full, error
            "message": str,
            "created": str,
        },
        pk=_TURN,
        foreign_keys=[("dialogue_run", "dialogue_runs", "id")],
    )


def _grades(db: Database) -> None:
    db.table("dialogue_grades").create(
        {
            "id": int,
            **_KEY,
            "turn": int,
            "grader": str,
            "rater": str,  # the person's name; empty for a program
            "grade": str,
            "reason": str,
            "status": str,  # graded, or why there is no grade: undecided (earlier: needs a person), error
            "created": str,
        },
        pk="id",
        foreign_keys=[("dialogue_run", "dialogue_runs", "id")],
    )
    db.table("dialogue_grades").create_index(_TURN)
    append_only(db, "dialogue_grades")


_COUNTS = """
  count(*) as turns,
  sum(grade = 'excellent') as excellent, sum(grade = 'pass') as pass, sum(grade = 'fail') as fail,
  round(100.0 * avg(grade = 'excellent'), 1) as excellent_percent, round(100.0 * avg(grade = 'fail'), 1) as fail_percent
"""


@migrations()
def m002_views(db: Database) -> None:
    db.create_view(
        "dialogue_latest_grades",
        """
        select grades.* from dialogue_grades grades where id = (
          select max(id) from dialogue_grades same
          where same.dialogue_run = grades.dialogue_run and same.conversation = grades.conversation
            and same.seed = grades.seed and same.turn = grades.turn
            and same.grader = grades.grader and same.rater = grades.rater)
        """,
    )
    db.create_view(
        "dialogue_replies",
        """
        select turns.dialogue_run, runs.evaluation, runs.arm, turns.conversation, turns.seed, turns.turn, turns.kind,
          turns.user, turns.reply, turns.stop, turns.status, grades.grade, grades.reason, grades.status as grade_status
        from dialogue_turns turns join dialogue_runs runs on runs.id = turns.dialogue_run
        left join dialogue_latest_grades grades on grades.dialogue_run = turns.dialogue_run and grades.grader = runs.grader
          and grades.conversation = turns.conversation and grades.seed = turns.seed and grades.turn = turns.turn
        """,
    )
    for name, columns in (("run", ""), ("turn", ", turn"), ("kind", ", kind")):
        db.create_view(
            f"dialogue_grades_by_{name}",
            f"select dialogue_run, evaluation, arm{columns}, {_COUNTS} from dialogue_replies where grade is not null "
            f"group by dialogue_run{columns}",
        )
    db.create_view(
        "dialogue_run_summary",
        """
        select runs.id, runs.status, runs.message, runs.created,
          runs.evaluation, runs.arm, runs.model, runs.run, runs.grader, runs.seeds,
          coalesce(g.turns, 0) as turns, g.excellent, g.pass, g.fail, g.excellent_percent, g.fail_percent,
          (select count(*) from dialogue_conversations c
            where c.dialogue_run = runs.id and c.status in ('error', 'context full')) as ended_early
        from dialogue_runs runs left join dialogue_grades_by_run g on g.dialogue_run = runs.id
        """,
    )


@migrations()
def m003_thoughts(db: Database) -> None:
    db.table("dialogue_turns").add_column("thoughts", str)


@migrations()
def m004_gain(db: Database) -> None:
    """History gain: a measurement of a model, and each later answer's mean log-likelihoods (nats per token)"""
    db.table("gain_runs").create(
        {
            "id": str,
            "created": str,
            "model": str,
            "run": str,  # of the core's table runs, where the model is one
            "renderer": str,
            "source": str,
            "source_hash": str,
            "others": int,  # histories of other conversations that were drawn for an answer; 0: all
            "seed": int,
            "seconds": float,
            "environment": str,
        },
        pk="id",
    )
    db.table("gain_answers").create(
        {
            "gain_run": str,
            "conversation": str,
            "exchange": int,
            "tags": str,
            "tokens": int,
            "true": float,
            "none": float,
            "other": float,
            "others": int,
            "cut": int,
        },
        pk=("gain_run", "conversation", "exchange"),
        foreign_keys=[("gain_run", "gain_runs", "id")],
    )
    db.create_view(
        "gain_summary",
        """
        select runs.id, runs.created, runs.model, runs.run, runs.source, count(*) as conversations,
          avg(of_one.true_history) as true_history, avg(of_one.over_none) as over_none, avg(of_one.over_other) as over_other
        from gain_runs runs join (
          select gain_run, conversation, avg("true") as true_history, avg("true" - none) as over_none,
            avg("true" - other) as over_other
          from gain_answers group by gain_run, conversation) of_one on of_one.gain_run = runs.id
        group by runs.id
        """,
    )


@migrations()
def m005_identity(db: Database) -> None:
    """What made a grade and a reply, by hash; null in rows of earlier versions"""
    grades, runs = db.table("dialogue_grades"), db.table("dialogue_runs")
    grades.add_column("grader_hash", str)
    grades.add_column("ticks", str)  # the requirements one by one, as JSON
    for column in ("grader_hash", "model_hash", "template_hash"):
        runs.add_column(column, str)
    runs.add_column("checks_decide", int)  # 1: the evaluation declares that its checks need no reader


@migrations()
def m006_files_as_evaluations(db: Database) -> None:
    """Where an evaluation that is not registered was, and which part of one was held; null in rows of earlier versions"""
    runs = db.table("dialogue_runs")
    runs.add_column("evaluation_path", str)  # as it is found from any directory; null: registered
    runs.add_column("evaluation_part", str)  # JSON: limit, conversations, tables, of, left_out; null: all of it


_OF_GRADES = """
  count(*) as turns,
  sum(grade is 'excellent') as excellent, sum(grade is 'pass') as pass, sum(grade is 'fail') as fail,
  sum(grade_status = 'undecided') as undecided, sum(grade_status = 'error') as errors,
  sum(stop not in ('eot', 'eos', 'stop', 'end_turn', 'stop_sequence')) as cut,
  round(100.0 * avg(grade is 'excellent'), 1) as excellent_percent, round(100.0 * avg(grade is 'fail'), 1) as fail_percent
"""
"Of the replies that were given, decided or not"


@migrations()
def m007_one_grader(db: Database) -> None:
    """Views with one grade a reply, that of the run's own grader with the hash that it had; undecided replies are counted"""
    counted = [f"dialogue_grades_by_{name}" for name in ("run", "turn", "kind")]
    for view in ("dialogue_run_summary", *counted, "dialogue_replies", "dialogue_latest_grades"):
        db.execute(f"drop view {view}")
    db.create_view(
        "dialogue_latest_grades",
        """
        select grades.* from dialogue_grades grades where id = (
          select max(id) from dialogue_grades same
          where same.dialogue_run = grades.dialogue_run and same.conversation = grades.conversation
            and same.seed = grades.seed and same.turn = grades.turn
            and same.grader = grades.grader and same.grader_hash is grades.grader_hash and same.rater = grades.rater)
        """,
    )
    db.create_view(
        "dialogue_replies",
        """
        select turns.dialogue_run, runs.evaluation, runs.arm, turns.conversation, turns.seed, turns.turn, turns.kind,
          turns.user, turns.reply, turns.stop, turns.status, grades.grade, grades.reason,
          case grades.status when 'needs a person' then 'undecided' else coalesce(grades.status, 'not graded') end
            as grade_status
        from dialogue_turns turns join dialogue_runs runs on runs.id = turns.dialogue_run
        left join dialogue_latest_grades grades on grades.dialogue_run = turns.dialogue_run
          and grades.grader = runs.grader and grades.grader_hash is runs.grader_hash and grades.rater = ''
          and grades.conversation = turns.conversation and grades.seed = turns.seed and grades.turn = turns.turn
        """,
    )
    for view, columns in zip(counted, ("", ", turn", ", kind"), strict=True):
        db.create_view(
            view,
            f"select dialogue_run, evaluation, arm{columns}, {_OF_GRADES} from dialogue_replies where status = 'answered' "
            f"group by dialogue_run{columns}",
        )
    _summary(db)


def _summary(db: Database) -> None:
    zeros = ", ".join(f"coalesce(g.{n}, 0) as {n}" for n in ("turns", "excellent", "pass", "fail", "undecided"))
    db.create_view(
        "dialogue_run_summary",
        f"""
        select runs.id, runs.status, runs.message, runs.created,
          runs.evaluation, runs.evaluation_path, runs.arm, runs.model, runs.run, runs.grader, runs.seeds, {zeros},
          (select coalesce(sum(c.turns), 0) from dialogue_conversations c
            where c.dialogue_run = runs.id and c.status = 'context full')
          - (select count(*) from dialogue_turns t join dialogue_conversations c using (dialogue_run, conversation, seed)
            where t.dialogue_run = runs.id and c.status = 'context full' and t.status = 'answered') as not_reached,
          coalesce(g.errors, 0)
          + (select count(*) from dialogue_turns t where t.dialogue_run = runs.id and t.status = 'error') as errors,
          coalesce(g.cut, 0) as cut, g.excellent_percent, g.fail_percent,
          (select count(*) from dialogue_conversations c
            where c.dialogue_run = runs.id and c.status in ('error', 'context full')) as ended_early
        from dialogue_runs runs left join dialogue_grades_by_run g on g.dialogue_run = runs.id
        """,
    )


@migrations()
def m008_audits(db: Database) -> None:
    """Graders tested on replies with known grades, and on replies that need no model"""
    hashes = ("grader", "grader_hash", "evaluation", "evaluation_hash", "known_hash")
    db.table("grader_audits").create(
        {
            "id": str,
            "created": str,
            **dict.fromkeys(hashes, str),
            "replies": int,  # with known grades
            "figures": str,  # JSON; null: interrupted
            "floor": str,  # JSON: for each null model the turns, and those that were failed
        },
        pk="id",
    )
    db.table("grader_audit_verdicts").create(
        {
            "audit": str,
            "position": int,
            "null_model": str,  # empty for a known reply
            "conversation": str,
            "turn": int,
            "known": str,  # the grade that it has; null for a null model's
            "flaw": str,
            "saw_checks": int,  # 1: its author knew the checks
            "why": str,  # of a null model: why the turn says that it is right
            "reply": str,
            "grade": str,
            "reason": str,
            "status": str,
        },
        pk=("audit", "position"),
        foreign_keys=[("audit", "grader_audits", "id")],
    )


@migrations()
def m009_comparison_indexes(db: Database) -> None:
    """What a comparison counts, in the order in which it is read: a million grades in seconds, without touching their texts"""
    db.execute(
        "create index dialogue_grades_counted on dialogue_grades "
        "(dialogue_run, grader, grader_hash, conversation, seed, turn, grade, status)"
    )
    db.execute("create index dialogue_turns_stops on dialogue_turns (dialogue_run, status, stop)")


@migrations()
def m010_people(db: Database) -> None:
    """One grade a reply of what several people gave it"""
    people_grades(db)


@migrations()
def m011_live(db: Database) -> None:
    """Runs that a person holds or grades turn by turn, and what their views count: the grade that counts of people's"""
    runs = db.table("dialogue_runs")
    runs.add_column("mode", str)  # live, script, replay; null: `lima dialogues run`
    runs.add_column("replays", str)  # the dialogue run whose users' turns are said
    db.table("dialogue_turns").add_column("flagged", int)  # 1: the given turn no longer fits what was said before
    db.table("dialogue_conversations").add_column("system", str)
    replies_with_people(db)
