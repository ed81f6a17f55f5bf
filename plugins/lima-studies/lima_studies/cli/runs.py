"""The commands that grade, train or read runs; the group of `lima study` adds them."""

from lima_studies.cli.ablate import ablate
from lima_studies.cli.epochs import epochs
from lima_studies.cli.likert import likert
from lima_studies.cli.scaling import scaling
from lima_studies.cli.token_shift import token_shift

COMMANDS = (likert, ablate, scaling, epochs, token_shift)
