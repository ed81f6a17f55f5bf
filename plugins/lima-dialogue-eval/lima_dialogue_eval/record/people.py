"""What people's grades are called in the tables, and which grade counts where several people have graded a reply.

A person's grade is a row of `dialogue_grades` with the grader `people` and their name as rater. Knows nothing of how it was
given.
"""

import hashlib
import unicodedata
from collections.abc import Iterable

from sqlite_utils import Database

from lima import LimaError, Store, blank, storable
from lima_dialogue_eval.conversation.grade import PEOPLE

ADJUDICATED = "adjudicated"
"The rater of a grade that settles a disagreement"
DEFINITION = (
    "The grade that counts is the adjudicated one, else the one that more than half of the people gave who graded the reply. "
    "Where there is neither, the reply is undecided."
)
VERSION = hashlib.sha256(DEFINITION.encode()).hexdigest()
"Stands where a program's hash does"


LONGEST_NAME = 80


def rater_name(text: str, what: str = "a rater") -> str:
    """A person's name as it stands in the tables; LimaError for one that cannot be, which says `what` the person is"""
    name = unicodedata.normalize("NFC", text.strip())
    if blank(name) or len(name) > LONGEST_NAME or "," in name:
        raise LimaError(
            f"{name[:LONGEST_NAME]!r} is not the name of {what}: it has 1 to {LONGEST_NAME} characters and no comma. Give names "
            "such as ana, in a list with commas between: ana,ben."
        )
    if same_name(name) == ADJUDICATED:
        raise LimaError(f"No rater can be called {name!r}: grades that settle a disagreement have that name.")
    return storable(name)


def same_name(name: str) -> str:
    """Equal for two spellings of one name: capitals, other forms of the same letters, and characters that nobody sees"""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in folded if unicodedata.category(c) not in ("Cc", "Cf")).strip()


def check_spelling(store: Store, names: Iterable[str]) -> None:
    """LimaError for a name that this database has in another spelling, since one person would count as two"""
    rows = store.rows(
        f"select rater from dialogue_grades where grader = '{PEOPLE}' union select rater from grading_raters order by rater"
    )
    known = {row["rater"] for row in rows}
    spelt = {same_name(name): name for name in known}
    for name in names:
        if name not in known and (other := spelt.get(same_name(name))) is not None:
            raise LimaError(
                f"{name!r} is written {other!r} in this database. Write it so, or choose a name that differs in more than "
                "capitals."
            )


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
