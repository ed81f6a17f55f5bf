"""The kinds of studies, by name."""

from lima import LimaError
from lima_studies.epochs.kind import Epochs
from lima_studies.grids.kind import Ablation
from lima_studies.kind import StudyKind
from lima_studies.kinds.absolute import Absolute
from lima_studies.kinds.preference import Preference
from lima_studies.kinds.safety import Safety
from lima_studies.likert.kind import Likert
from lima_studies.record.study import Study
from lima_studies.scaling.kind import Scaling
from lima_studies.shift.kind import TokenShift

KINDS: dict[str, StudyKind] = {
    kind.name: kind
    for kind in (Preference(), Absolute(), Safety(), Likert(), Ablation(), Scaling(), Epochs(), TokenShift())
}


def kind_of(study: Study) -> StudyKind:
    """The kind of a study; LimaError for one that another plugin, or a newer version, has begun"""
    name = study.row["kind"]
    if name not in KINDS:
        raise LimaError(
            f"Study {study.id} is of the kind {name!r}, which this version of lima-studies does not know. The command that began "
            "it reports it: look for it in `lima study --help` and `lima --help`."
        )
    return KINDS[name]
