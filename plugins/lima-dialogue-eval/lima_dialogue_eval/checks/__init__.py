"""Checks: what a program can see of a reply. A check that is missed is missed for certain; where it cannot tell, it holds.

The door to the package: the vocabulary, what a reply misses of a check, and what is wrong with a check.
"""

from lima_dialogue_eval.checks.reading.text import LONGEST_REPLY, SECONDS, Undecided
from lima_dialogue_eval.checks.verify import as_table, check_problems, verify
from lima_dialogue_eval.checks.vocabulary import CHECKS, Check, missed

__all__ = ["CHECKS", "LONGEST_REPLY", "SECONDS", "Check", "Undecided", "as_table", "check_problems", "missed", "verify"]
