"""Whether the measure of dependence separates: a turn behind its own history, behind another's, and questions that have none.

The dialogues that it was fitted to (odd numbers) are looked at apart from the others (even numbers). For conversations by other
people the bounds are lower, as they were measured.
"""

import json
import os
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from lima_dialogues.files import EVAL, TRAIN, our_folder, read
from lima_dialogues.measures.dependence import ALONE, LEANS, UNDECIDED, judge
from lima_dialogues.measures.references import asks, pointers
from lima_dialogues.measures.talks import ASIDE, Talk, talks
from lima_dialogues.measures.turns import background, elsewhere, measure_turns
from lima_dialogues.measures.wording import Background, stems

ALL = talks(read(our_folder()))
THIRTY, TEN = ([talk for talk in ALL if talk.side == side] for side in (TRAIN, EVAL))
ODD, EVEN = ([t for t in THIRTY if int(t.name[6:8]) % 2 == odd] for odd in (1, 0))
UNRELATED = (
    ("What is the capital of Peru?", "Lima."),
    ("How many legs does a spider have?", "Eight, unlike insects, which have six."),
    ("Who painted The Night Watch?", "Rembrandt, in 1642."),
    ("Why do leaves turn red in autumn?", "The green pigment breaks down, and red ones become visible or are made."),
    ("Write a limerick about a goat on a roof.", "A goat who had climbed on a roof was asked for a reason and proof."),
    ("How do I remove a stuck bicycle pedal?", "Turn it with a long wrench, the left one clockwise."),
    (
        "Explain photosynthesis in two sentences.",
        "Plants make sugar from water and air with light. They give off oxygen.",
    ),
    ("Which planet has the most moons?", "Saturn, by the present count."),
    ("Recommend a novel set in Istanbul.", "The Museum of Innocence by Orhan Pamuk."),
    ("How long should rice soak before steaming?", "Half an hour is enough for most kinds."),
    ("What does a violin luthier earn?", "That depends on the country and the name."),
    ("Translate 'good night' into Finnish.", "Hyvää yötä."),
    ("When was the printing press invented?", "Around 1440, by Gutenberg in Mainz."),
    ("Suggest a name for a bakery on a corner.", "The Crusty Corner."),
    ("How is glass made?", "Sand, soda and lime are melted together and cooled."),
    ("What is the square root of 144?", "12."),
)
"General questions and short answers, none of which has to do with another"


def leaning(talk, position):
    """The verdict on one later turn behind its own history"""
    _, text, history = list(talk.later())[position]
    return judge(text, history, background().without([talk.opening]))[0]


def shares(verdicts):
    """(share that leans, share that does not stand alone) of verdicts"""
    return tuple(
        round(sum(v in kinds for v in verdicts) / len(verdicts), 3) for kinds in ((LEANS,), (LEANS, UNDECIDED))
    )


@pytest.fixture(scope="module")
def swapped():
    """The verdicts on every later turn of the thirty behind every other's history, by the dialogue of the turn"""
    found = defaultdict(list)
    for talk, _, verdict in elsewhere(THIRTY):
        found[talk.name].append(verdict)
    return found


@pytest.mark.parametrize(
    ("half", "least"), [(THIRTY, 0.9), (ODD, 0.87), (EVEN, 0.87)], ids=["all", "fitted", "not fitted"]
)
def test_nine_of_ten_turns_lean_on_their_own_history_and_two_of_ten_on_another(half, least, swapped):
    """A half may lose a turn or two when texts are edited: 92 % lean in the fitted one and 90 in the other, 91 in all"""
    own = measure_turns(half, sample=0)
    assert own.share >= least
    assert len(own.set_aside) == sum(bool(talk.tags & ASIDE) for talk in half) <= 6
    assert own.later + len(own.set_aside) == sum(len(list(talk.later())) for talk in half)
    assert shares([verdict for talk in half for verdict in swapped[talk.name]])[1] <= 0.2


def test_unrelated_questions_stand_alone():
    """In fours behind each other, and each behind the whole history of one of the thirty"""
    verdicts = []
    for start in range(0, len(UNRELATED), 4):
        said = [
            (role, text)
            for pair in UNRELATED[start : start + 4]
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        verdicts += [judge(said[i][1], said[:i], background().without([]))[0] for i in (2, 4, 6)]
    assert shares(verdicts)[1] <= 0.2
    behind = [
        judge(question, list(talk.later())[-1][2], background().without([talk.opening]))[0]
        for question, _ in UNRELATED
        for talk in THIRTY
    ]
    assert shares(behind)[1] <= 0.2


def test_openings_of_others_stand_alone_behind_any_history():
    verdicts = [
        judge(other.opening, history, background().without([talk.opening, other.opening]))[0]
        for talk, other in [*pairwise(THIRTY), *pairwise(THIRTY[::-1])]
        for _, _, history in talk.later()
    ]
    assert shares(verdicts)[1] <= 0.2


def test_the_ten_which_were_not_used_for_fitting():
    """Their histories are known good replies. Seven of ten are found, not nine: they were written to work after any reply"""
    own = measure_turns(TEN, sample=None)
    assert own.share >= 0.65
    assert own.elsewhere <= 0.2


LAMP = [
    ("user", "My desk lamp flickers when I plug in the heater. What can I check?"),
    ("assistant", "1. The socket.\n2. The bulb.\n3. The fuse of the heater.\n\nWhich of them have you tried?"),
]
TABLE = [*LAMP[:1], ("assistant", "| part | sign |\n|---|---|\n| bulb | flickers |")]


@pytest.mark.parametrize(
    ("turn", "history", "verdict"),
    [
        ("Why is that?", LAMP, LEANS),
        ("And the second one?", LAMP, LEANS),
        ("And the fifth one?", LAMP, ALONE),
        ("Only the bulb, it is new. The heater has no fuse that I can see.", LAMP, LEANS),
        ("The table needs one more line", TABLE, LEANS),
        ("The table needs one more line", LAMP, ALONE),
        ("How many moons does Jupiter have, and who found the largest?", LAMP, ALONE),
        ("Y el segundo, la lámpara?", [("user", "La lámpara parpadea."), ("assistant", "Cambia la lámpara.")], LEANS),
        ("¿Cuántas lunas tiene Júpiter y quién las descubrió?", LAMP, ALONE),
        ("I would like to have more time for you", LAMP, UNDECIDED),
    ],
)
def test_what_a_turn_points_at_must_be_there(turn, history, verdict):
    assert judge(turn, history, background().without([]))[0] == verdict


def test_pointers_quotations_and_questions():
    assert pointers("Number 3, and step 7?", LAMP) == (1, 1)
    assert pointers('You wrote "the fuse of the heater", and "the plug".', LAMP) == (1, 1)
    assert pointers("Shorten that code", TABLE) == (0, 1)
    assert asks(LAMP[1][1])
    assert not asks(TABLE[1][1])


def test_words_meet_without_endings_and_thousands_without_spaces():
    assert stems("He cancelled 16 800") == stems("he cancels R16,800")[:2] + ("16800",)
    assert stems("Her neighbour's") == ("she", "neighbo")


def test_a_word_of_every_dialogue_weighs_nothing():
    others = Background({str(n): f"the {n}" for n in range(9)}).without(["0"])
    assert (others.rarity("the"), round(others.rarity("unheard"), 2), round(others.rarity("3"), 2)) == (0.0, 2.2, 1.5)


def conversations(folder):
    """Conversations by other people, as talks: dialogues of MT-Bench-101 and one path of each tree of OpenAssistant"""
    rows = [json.loads(line) for line in (folder / "mt_bench_101_gr_cm.jsonl").read_text().splitlines()]
    yield "mt-bench-101", [[text for h in row["history"] for text in (h["user"], h["bot"])] for row in rows]
    messages = json.loads((folder / "oasst_trees.json").read_text())
    by_id, paths = {m["user_message_id"]: m for m in messages}, {}
    for message in messages:
        path = [message]
        while above := by_id.get(path[0]["parent_message_id"]):
            path.insert(0, above)
        paths[path[0]["user_message_id"]] = max(path, paths.get(path[0]["user_message_id"], []), key=len)
    yield "oasst", [[m["text"] for m in path] for path in paths.values() if len(path) > 2]


def talks_of(found):
    """Lists of texts, the user's first, as talks"""
    said = [[(i + 1, ("user", "assistant")[i % 2], text) for i, text in enumerate(texts)] for texts in found]
    return [Talk(str(i), frozenset(), EVAL, tuple(turns)) for i, turns in enumerate(said)]


def test_conversations_by_other_people():
    """Lower than for the thirty: 81 and 88 % lean; behind others' 19 % (neighbours are alike; 9 % among all) and 29 %"""
    if not (folder := os.environ.get("LIMA_SHARED_DATA")):
        pytest.skip("LIMA_SHARED_DATA names no folder with mt_bench_101_gr_cm.jsonl and oasst_trees.json")
    bounds = {"mt-bench-101": (0.8, 0.22), "oasst": (0.85, 0.4)}
    for name, found in conversations(Path(folder)):
        own = measure_turns(talks_of(found), sample=10)
        least, most = bounds[name]
        assert own.share >= least, name
        assert own.elsewhere <= most, name
