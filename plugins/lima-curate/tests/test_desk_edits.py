"""Edits of a dialogue: what each does to the turns, what is refused, and that any sequence of them can be undone and exported."""

import secrets

import pytest
from desks import CHAIN, PLUGINS, chain, curated, do, single
from hypothesis import given, settings
from hypothesis import strategies as st

from lima import LimaError, Record, Store, load_plugins, open_source
from lima.testing import only_plugins
from lima_chat import Conversation, Turn
from lima_curate.dataset import write_dataset
from lima_curate.desk.examples.editing import BLANK, edited, problem
from lima_curate.desk.examples.events import LONGEST, STATUSES, Event, read_event
from lima_curate.desk.examples.hints import hints
from lima_curate.desk.record.decided import records
from lima_curate.desk.record.person import Desk

TURNS = chain().turns


def said(turns):
    return [(turn.role[0], turn.content) for turn in turns]


def test_each_edit_does_what_it_says():
    split = edited(TURNS, "split", {"turn": 3, "at": CHAIN[2].index("And")})
    assert said(split)[2:4] == [("u", "Also at night?"), ("u", "And at dusk?")]
    assert problem(split) == "Turn 4 is the user's where the assistant's was expected; user and assistant alternate."
    added = edited(split, "add", {"turn": 3})
    assert added[3] == Turn("assistant", "")
    assert problem(added) == "Turn 4 (assistant) is empty. Write it, or delete it."
    assert problem(edited(added, "text", {"turn": 4, "text": "No."})) == ""
    assert said(edited(split, "merge", {"turn": 3}))[2:3] == [("u", "Also at night?\n\nAnd at dusk?")]
    assert edited(edited(split, "delete", {"turn": 3}), "delete", {"turn": 3}) == (*TURNS[:2], TURNS[3])
    assert edited(TURNS, "add", {"turn": 0})[0] == Turn("user", "")
    assert said(edited(TURNS, "speaker", {"turn": 2}))[1][0] == "u"
    assert edited(edited(TURNS, "speaker", {"turn": 2}), "speaker", {"turn": 2}) == TURNS
    assert problem(TURNS[:3]) == "It ends with turn 3, the user's; expected an answer. Add it, or drop that turn."
    assert problem(BLANK) == "Turn 1 (user) is empty. Write it, or delete it."


@pytest.mark.parametrize(
    ("text", "at", "parts"),
    [
        ("one\r\n\r\n    two\r\n", 5, ("one", "    two\r\n")),  # as a page counts: each line end is one character
        ("one\n\n    two", 3, ("one", "    two")),
        ("one\n    two", 4, ("one", "    two")),
        ("one   two ", 4, ("one", "two ")),
        ("𝔞𝔟 c", 2, ("𝔞𝔟", "c")),
    ],
)
def test_a_split_takes_only_white_space_at_the_cut(text, at, parts):
    assert tuple(t.content for t in edited((Turn("user", text),), "split", {"turn": 1, "at": at})) == parts


TOOL = (
    Turn("user", "Rain?"), Turn("assistant", "", tool_calls=({"function": {"name": "rain"}},)), Turn("tool", "no"),
    Turn("assistant", "No."),
)  # fmt: skip


@pytest.mark.parametrize(
    ("turns", "kind", "value", "says"),
    [
        (TURNS, "merge", {"turn": 4}, "Turn 4 is the last: there is no turn to merge it with"),
        (TURNS, "delete", {"turn": 5}, r"There is no turn 5 \(any more\): the example has 4"),
        (TURNS, "split", {"turn": 1, "at": 0}, "Put the cursor between the two parts"),
        (TURNS, "split", {"turn": 1, "at": 999}, "Put the cursor between the two parts"),
        (TURNS, "text", {"turn": 1, "text": CHAIN[0]}, "Turn 1 has that text already"),
        (TURNS[:1], "delete", {"turn": 1}, "This is the only turn. Reject the example"),
        (TOOL, "merge", {"turn": 1}, "Turn 2 is of a tool or calls one"),
        (TOOL, "speaker", {"turn": 3}, "Turn 3 is of a tool or calls one"),
        (TURNS * 125, "add", {"turn": 1}, "An example may have 500 turns here"),
    ],
)
def test_what_cannot_be_done_is_said(turns, kind, value, says):
    with pytest.raises(LimaError, match=says):
        edited(turns, kind, value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "x"}, "An event's id"),
        ({"id": 7}, "expected an object with id"),
        ({"kind": "reopen"}, "No such event: 'reopen'"),
        ({"candidate": 0}, "No such event"),
        ({"seen": -1}, "No such event"),
        ({"candidate": True}, "expected an object"),
        ({"value": {}}, "Not an event of the kind 'text': expected turn, text"),
        ({"value": {"turn": 1, "text": "a", "path": "/"}}, "Not an event of the kind"),
        ({"value": {"turn": True, "text": "a"}}, "Not an event of the kind"),
        ({"value": {"turn": -1, "text": "a"}}, "turn is -1"),
        ({"value": {"turn": 1, "text": "a" * (LONGEST + 1)}}, "A text may have 400,000 characters"),
    ],
)
def test_an_event_of_another_shape_is_refused(change, says):
    good = {"id": "made-0001", "candidate": 1, "kind": "text", "value": {"turn": 1, "text": "a\ud800"}, "seen": 0}
    assert read_event(good) == Event("made-0001", 1, "text", {"turn": 1, "text": "a\ufffd"}, 0)
    with pytest.raises(LimaError, match=says):
        read_event(good | change)


def test_hints_name_what_to_look_at():
    odd = "See https://a.b and <b>this</b>, @ana. As an AI,\n```\ncode"
    found = hints((Turn("user", odd), Turn("assistant", "a" * 4097), Turn("assistant", "so it goes,")))
    assert [hint.partition(" ")[2] for hint in found] == [
        "1 has an address.", "1 has HTML.", "1 speaks to somebody by @name.", "1 speaks as a model.",
        "1 has a code block that does not end.", "2 has 4,097 characters; LIMA's answers have up to 4,096.",
        "3 ends in the middle of a sentence.",
    ]  # fmt: skip
    assert hints(TURNS) == []


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.integers(0, 6)
steps = st.one_of(
    st.tuples(st.just("text"), st.fixed_dictionaries({"turn": numbers, "text": texts})),
    st.tuples(st.just("split"), st.fixed_dictionaries({"turn": numbers, "at": st.integers(0, 30)})),
    st.tuples(
        st.sampled_from(["merge", "delete", "speaker", "add"]), st.fixed_dictionaries({"turn": st.integers(0, 6)})
    ),
    st.tuples(st.just("undo"), st.just({})),
    st.tuples(st.just("accept"), st.just({})),
    st.tuples(st.just("reject"), st.fixed_dictionaries({"reason": texts})),
)


def check_sequence(store, folder, number, desk, done):
    """Do these things to a candidate; what stands is what a list of all earlier states says, and the export is valid"""
    original = desk.candidate(number).turns
    past, taken = [(original, "undecided")], 0
    for kind, value in done:
        state = desk.state(number)
        if kind == "undo":
            value = {"event": state.kept[-1].id if state.kept else "made-0000"}
        refused = do(desk, number, kind, **value)
        if not refused:
            taken += 1
            if kind == "undo":
                past.pop()
            else:
                turns = past[-1][0]
                edit = kind not in ("accept", "reject")
                past.append((edited(turns, kind, value) if edit else turns, "undecided" if edit else kind))
        now = desk.state(number)
        assert now.turns(original) == past[-1][0]
        assert (now.decision.kind if now.decision else "undecided") == past[-1][1]
        assert now.count == taken
    count = store.rows("select count(*) n from curation_events where curation = ?", [desk.curation.name])[0]["n"]
    assert count == taken
    check_export(store, folder, desk, past[-1])


def check_export(store, folder, desk, last):
    turns, decision = last
    found = [one for one in records(store, desk.curation) if isinstance(one, Record)]
    assert bool(found) is (decision == "accept")
    if not found:
        return
    assert problem(turns) == ""
    assert Conversation.of(found[0]).turns == turns
    file = folder / f"{secrets.token_hex(4)}.jsonl"
    write_dataset(file, found)
    again = open_source(str(file), load_plugins()).records
    assert [(one.content_hash, one.credits, one.licence, one.provenance) for one in again] == [
        (one.content_hash, one.credits, one.licence, one.provenance) for one in found
    ]


def test_any_sequence_is_kept_undone_exactly_and_exported_as_a_valid_data_set(tmp_path):
    with only_plugins(**PLUGINS), Store(tmp_path / "l.db") as store:

        @settings(max_examples=60, deadline=None)
        @given(st.booleans(), st.lists(steps, max_size=14))
        def check(pair, done):
            curation = curated(store, single() if pair else chain(), name=f"c{secrets.token_hex(6)}")
            check_sequence(store, tmp_path, 1, Desk(store, curation, "ana"), done)
            assert set(Desk(store, curation, "ana").statuses().values()) <= set(STATUSES)

        check()
