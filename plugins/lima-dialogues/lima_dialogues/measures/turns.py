"""Of a set: how many later user turns lean on what was said, and how many still seem to behind another dialogue's history.

The second share says what the first is worth. How rare a word is, the dialogues of this package say, without the one that is
looked at. Knows nothing of files and of what should be done about a turn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lima_dialogues.files import TRAIN, our_folder, read
from lima_dialogues.measures.dependence import ALONE, LEANS, UNDECIDED, judge
from lima_dialogues.measures.talks import ASIDE, Talk, talks
from lima_dialogues.measures.wording import Background

SAMPLE = 5
"Other histories behind which each turn is tried"


@dataclass(frozen=True)
class Turns:
    """The later user turns of a set; places are (file, turn), turns counted from 1"""

    later: int
    "How many there are, without those set aside"
    leaning: int
    alone: tuple[tuple[str, int], ...]
    undecided: tuple[tuple[str, int], ...]
    set_aside: tuple[tuple[str, int], ...]
    "Of each dialogue with a change of topic or thanks, the turn that fits least"
    elsewhere: float | None
    "Share, 0 to 1, that behind other dialogues' histories is not found to stand alone; None for fewer than two dialogues"

    @property
    def share(self) -> float | None:
        """Those that lean, 0 to 1"""
        return self.leaning / self.later if self.later else None

    def as_dict(self) -> dict[str, Any]:
        """For --json"""
        rows = {
            name: [{"file": f, "turn": n} for f, n in getattr(self, name)]
            for name in ("alone", "undecided", "set_aside")
        }
        shares = {
            name: None if v is None else round(v, 4)
            for name, v in (("share", self.share), ("elsewhere", self.elsewhere))
        }
        return {"later_turns": self.later, "leaning": self.leaning, **shares, **rows}


def measure_turns(said: Sequence[Talk], sample: int | None = SAMPLE) -> Turns:
    """The verdicts on all later user turns; `sample` other histories for each, None for all"""
    verdicts: dict[str, list[tuple[str, int]]] = {LEANS: [], ALONE: [], UNDECIDED: []}
    aside = []
    for talk in said:
        others = background().without([talk.opening])
        rows = [(judge(text, history, others), number) for number, text, history in talk.later()]
        if rows and talk.tags & ASIDE:
            least = min(rows, key=lambda row: row[0][1])
            rows.remove(least)
            aside.append((talk.name, least[1]))
        for (verdict, _), number in rows:
            verdicts[verdict].append((talk.name, number))
    behind = [verdict for _, _, verdict in elsewhere(said, sample)]
    return Turns(
        later=sum(map(len, verdicts.values())),
        leaning=len(verdicts[LEANS]),
        alone=tuple(verdicts[ALONE]),
        undecided=tuple(verdicts[UNDECIDED]),
        set_aside=tuple(aside),
        elsewhere=sum(verdict != ALONE for verdict in behind) / len(behind) if behind else None,
    )


def background() -> Background:
    """The dialogues to train on of this package, each under its opening"""
    return _background(str(our_folder()))


@lru_cache(maxsize=2)
def _background(folder: str) -> Background:
    """As it was read when this folder was first asked for"""
    found = talks([file for file in read(our_folder()) if file.folder == TRAIN])
    return Background({talk.opening: str(talk) for talk in found})


def elsewhere(said: Sequence[Talk], sample: int | None = None) -> Iterator[tuple[Talk, Talk, str]]:
    """(dialogue of the turn, dialogue of the history, verdict) for later user turns behind others' histories

    The history is as many exchanges long as the turn's own where it can be; neither dialogue makes a word common."""
    with_history = [(talk, later) for talk in said if (later := list(talk.later()))]
    for i, (talk, own) in enumerate(with_history):
        following = with_history[i + 1 :] + with_history[:i]
        for other, theirs in following[:sample]:
            others = background().without([talk.opening, other.opening])
            for position, (_, text, _) in enumerate(own):
                history = theirs[min(position, len(theirs) - 1)][2]
                yield talk, other, judge(text, history, others)[0]
