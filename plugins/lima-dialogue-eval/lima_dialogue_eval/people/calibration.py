"""Known replies of an evaluation as conversations of a study, by which a rater's grades are calibrated.

A rater sees no difference: the replies that came before a known one are graded, too, and count for nothing. Knows nothing of
raters.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lima import LimaError, storable
from lima_dialogue_eval.evaluation.known import AuditSet, KnownReply, opened
from lima_dialogue_eval.people.assignment import drawn

Known = dict[str, Any]
"A known reply with its conversation, as JSON"


def known_items(run: dict[str, Any], sides: int, count: int, seed: int) -> list[tuple[str, list[Known]]]:
    """(conversation, a known reply for each side) drawn from the evaluation of a run; LimaError where it has none"""
    from lima import load_plugins

    plugins = load_plugins()
    if run["evaluation_path"]:
        raise LimaError(
            f"The evaluation {run['evaluation']!r} is in a file and has no known replies. Leave out --calibration."
        )
    plugins.registry("evaluations").find(run["evaluation"])
    tested = opened(plugins, run["evaluation"])
    groups: dict[tuple[str, int, tuple[str, ...]], list[KnownReply]] = defaultdict(list)
    for reply in tested.known:
        groups[reply.conversation, reply.turn, reply.after].append(reply)
    choices: list[tuple[KnownReply, ...]] = [(reply,) for reply in tested.known]
    if sides == 2:
        choices = [pair for of_one in groups.values() for pair in zip(of_one[::2], of_one[1::2], strict=False)]
    if not choices:
        what = "two known replies to one turn" if sides == 2 and tested.known else "known replies"
        raise LimaError(f"The evaluation {run['evaluation']!r} has no {what}. Leave out --calibration.")
    return [(pair[0].conversation, [_known(tested, one) for one in pair]) for pair in drawn(choices, count, seed)]


def _known(tested: AuditSet, known: KnownReply) -> Known:
    conversation = known.script or tested.script[known.conversation]
    said: Sequence[tuple[str, str]] = [*((text, "eot") for text in known.after), (known.reply, known.stop)]
    return {
        "topic": storable(conversation.topic),
        "system": storable(conversation.system),
        "known": known.grade,
        "flaw": known.flaw,
        "kind": conversation.turns[known.turn - 1].kind,
        "turns": [
            {
                "user": storable(turn.user),
                "kind": turn.kind,
                "requirements": [{"text": storable(r["text"]), "must": r.get("must", True)} for r in turn.requirements],
                "reply": storable(reply),
                "stop": stop,
                "status": "answered",
            }
            for turn, (reply, stop) in zip(conversation.turns, said, strict=False)
        ],
    }
