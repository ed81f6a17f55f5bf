"""The kinds of studies that grade, train or read runs. Knows nothing of the others."""

from lima_studies.epochs.kind import Epochs
from lima_studies.grids.kind import Ablation
from lima_studies.likert.kind import Likert
from lima_studies.scaling.kind import Scaling
from lima_studies.shift.kind import TokenShift

OF_RUNS = (Likert(), Ablation(), Scaling(), Epochs(), TokenShift())
