"""What to do about errors and undecided replies is said as commands that work."""

import pytest

from lima.errors import LimaError
from lima_dialogue_eval import compare
from lima_dialogue_eval.record.log import DialogueLog, summary
from lima_dialogue_eval.run.counts import advice


def test_a_judge_is_told_where_the_evaluation_is(store, by_hand):
    registered = by_hand({"tea": {0: "F-"}})
    from_file = by_hand({"tea": {0: "F-"}}, evaluation="e.json", evaluation_path="/my files/e.json")
    (said,) = advice(summary(store, registered))
    assert said.endswith(f": lima dialogues regrade {registered} --grader NAME")
    (said,) = advice(summary(store, from_file))
    assert said.endswith(f": lima dialogues regrade {from_file} --grader NAME --evaluation '/my files/e.json'")


def test_an_unfinished_run_is_finished_by_naming_what_is_opened_only_when_named(store, by_hand):
    one, two = (by_hand({"tea": {0: "FF"}}, model="parrot", evaluation_path="/e.json") for _ in range(2))
    DialogueLog(store, two).mark("interrupted")
    with pytest.raises(LimaError, match=f"lima dialogues run /e.json --resume {two} --model parrot$"):
        compare(store, one, two)
