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
            coalesce(max(case when rater = '{ADJUDICATED}' then grade end), case {majority} end) as grade
          from newest where age = 1 and grade is not null group by dialogue_run, conversation, seed, turn
        )
        select id, dialogue_run, conversation, seed, turn, '{PEOPLE}' as grader, '{VERSION}' as grader_hash, '' as rater,
          grade, case when grade is null then 'undecided' else 'graded' end as status,
          case when grade is null then people || ' people disagree' else '' end as reason, null as ticks, people
        from settled
        """,
    )
