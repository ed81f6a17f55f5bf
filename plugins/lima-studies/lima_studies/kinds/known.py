"""The kinds of studies, by name."""

from lima import LimaError, did_you_mean
from lima_studies.grids.kinds import OF_RUNS
from lima_studies.kinds.absolute import Absolute
from lima_studies.kinds.kind import StudyKind
from lima_studies.kinds.preference import Preference
from lima_studies.kinds.safety import Safety
from lima_studies.record.study import Study

KINDS: dict[str, StudyKind] = {kind.name: kind for kind in (Preference(), Absolute(), Safety(), *OF_RUNS)}


def kind_of(study: Study) -> StudyKind:
    """The kind of a study; LimaError for one that a newer version has begun"""
    name = study.row["kind"]
    if name not in KINDS:
        raise LimaError(
            f"Study {study.id} is of the kind {name!r}, which this version does not know.{did_you_mean(name, KINDS)}"
        )
    return KINDS[name]
