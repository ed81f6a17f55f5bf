"""What a comparison of two dialogue runs would ask: calls, tokens and price, without asking anything.

Knows nothing of the command line.
"""

from collections.abc import Sequence

from lima_dialogue_eval import Estimate, of_batch
from lima_judges.judge import A_TICK, AN_ANSWER
from lima_judges.match import Pair, PreferenceJudge, Showing
from lima_judges.quoting import new_code


def of_preferences(judge: PreferenceJudge, pairs: Sequence[Pair]) -> Estimate:
    """What it takes to judge these pairs in both orders, if every answer can be read at once"""
    showings = [Showing(pair, first) for pair in pairs for first in ("A", "B")]
    prompts = [judge.prompt(showing, new_code([])) for showing in showings]
    return of_batch(judge.model, prompts, AN_ANSWER + A_TICK)
