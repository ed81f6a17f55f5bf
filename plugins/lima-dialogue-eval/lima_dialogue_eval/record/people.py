"""What people's grades are called in the tables, and which grade counts where several people have graded a reply.

A person's grade is a row of `dialogue_grades` with the grader `people` and their name as rater. Knows nothing of how it was
given.
"""

import hashlib

from sqlite_utils import Database

from lima_dialogue_eval.conversation.grade import PEOPLE

ADJUDICATED = "adjudicated"
"The rater of a grade that settles a disagreement"
DEFINITION = (
    "The grade that counts is the adjudicated one, else the one that more than half of the people gave who graded the reply. "
    "Where there is neither, the reply is undecided."
)
VERSION = hashlib.sha256(DEFINITION.encode()).hexdigest()
"Stands where a program's hash does"


def verdicts_of(grader: str) -> str:
    """The table or view with a grader's verdicts, of which the newest row of a hash counts: for people one a reply"""
    return "dialogue_people_grades" if grader == PEOPLE else "dialogue_grades"


def people_grades(db: Database) -> None:
    """The view of the grades that count, with the columns of `dialogue_grades` and how many people graded the reply

    A person's newest row counts, and none of it where that was withdrawn."""
    majority = " ".join(
        f"when 2 * sum(grade = '{grade}') > count(*) then '{grade}'" for grade in ("fail", "pass", "excellent")
    )
    db.create_view(
        "dialogue_people_grades",
        f"""
        with newest as (
          select *, row_number() over (partition by dialogue_run, conversation, seed, turn, rater order by id desc) as age
          from dialogue_grades where grader = '{PEOPLE}'
        ), settled as (
          select dialogue_run, conversation, seed, turn, max(id) as id, sum(rater != '{ADJUDICATED}') as people,
            coalesce(group_concat(case when reason != '' then rater || ': ' || reason end, '; '), '') as said,
            coalesce(max(case when rater = '{ADJUDICATED}' then grade end), case {majority} end) as grade
          from newest where age = 1 and grade is not null group by dialogue_run, conversation, seed, turn
        )
        select id, dialogue_run, conversation, seed, turn, '{PEOPLE}' as grader, '{VERSION}' as grader_hash, '' as rater,
          grade, case when grade is null then 'undecided' else 'graded' end as status,
          case when grade is null then people || ' people disagree. ' else '' end || said as reason, null as ticks, people
        from settled
        """,
    )


def replies_with_people(db: Database) -> None:
    """The view of replies, in which a run that people grade has the grade that counts of theirs"""
    db.execute(
        "create index dialogue_grades_people on dialogue_grades (dialogue_run, conversation, seed, turn, rater, id) "
        f"where grader = '{PEOPLE}'"
    )
    definitions = {
        name: db.execute("select sql from sqlite_master where name = ?", [name]).fetchone()[0]
        for name in ("dialogue_run_summary", *(f"dialogue_grades_by_{part}" for part in ("run", "turn", "kind")))
    }
    for name in (*definitions, "dialogue_replies"):
        db.execute(f"drop view {name}")
    key = " and ".join(f"{{0}}.{c} = turns.{c}" for c in ("dialogue_run", "conversation", "seed", "turn"))
    db.create_view(
        "dialogue_replies",
        f"""
        select turns.dialogue_run, runs.evaluation, runs.arm, turns.conversation, turns.seed, turns.turn, turns.kind,
          turns.user, turns.reply, turns.stop, turns.status, coalesce(people.grade, grades.grade) as grade,
          coalesce(people.reason, grades.reason) as reason,
          case grades.status when 'needs a person' then 'undecided'
            else coalesce(people.status, grades.status, 'not graded') end as grade_status
        from dialogue_turns turns join dialogue_runs runs on runs.id = turns.dialogue_run
        left join dialogue_latest_grades grades on grades.grader = runs.grader and grades.grader_hash is runs.grader_hash
          and grades.rater = '' and {key.format("grades")}
        left join dialogue_people_grades people on people.grader = runs.grader and {key.format("people")}
        """,
    )
    for sql in reversed(definitions.values()):
        db.execute(sql)
