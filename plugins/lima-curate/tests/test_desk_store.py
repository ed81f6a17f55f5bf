"""Curations in the database: whose candidates, events that come twice, people who disagree, what counts, talks, the source."""

import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from desks import CHAIN, PLUGINS, chain, curated, do, single

from lima import (
    Credit,
    Example,
    LimaError,
    Record,
    Refused,
    Reply,
    Sampling,
    Store,
    TakesOptions,
    load_plugins,
    open_source,
)
from lima.testing import SourceContract, only_plugins
from lima_chat import recorded_talks
from lima_curate.desk.examples.events import Event
from lima_curate.desk.record import decided
from lima_curate.desk.record.curations import Curation, add, begin, find
from lima_curate.desk.record.person import Desk


@pytest.fixture
def store(lima_home):
    with only_plugins(**PLUGINS), Store() as opened:
        yield opened


def kept(store, curation):
    return [one for one in decided.records(store, curation) if isinstance(one, Record)]


def test_candidates_are_divided_evenly_and_only_their_people_have_them(store):
    curation = curated(store, *(single(f"e-{n}") for n in range(7)), people=("ana", "ben", "cleo"), reviews=2)
    desks = {person: Desk(store, curation, person) for person in curation.people}
    assert [list(desk.statuses()) for desk in desks.values()] == [[1, 3, 4, 6, 7], [1, 2, 4, 5, 7], [2, 3, 5, 6]]
    with pytest.raises(LimaError, match="Candidate 2 of sky is not one of ana's"):
        desks["ana"].candidate(2)
    assert "not one of ana's" in do(desks["ana"], 2, "accept")
    with pytest.raises(LimaError, match="'dan' is not one of the people of sky. They are: ana, ben, cleo."):
        Desk(store, curation, "dan")
    assert add(store, curation, "made.jsonl", [single("e-3"), single("e-9")], {}) == 1
    assert add(store, curation, "other.jsonl", [single("e-3")], {}) == 1
    number = desks["ben"].write_new("made-by-ben")
    assert desks["ben"].write_new("made-by-ben") == number == 10
    assert [10 in desks[person].statuses() for person in ("ana", "ben")] == [False, True]
    with pytest.raises(LimaError, match="Another person's example"):
        desks["ana"].write_new("made-by-ben")


def test_a_curation_that_several_begin_at_once_is_begun_once(store):
    """Each connection is another process's; who wants the same has it, who wants other people is told"""
    wanted = [Curation("sky", people, 1, "CC0-1.0") for people in (("ana",), ("ana",), ("ana",), ("ben",))]
    barrier = threading.Barrier(len(wanted))

    def begun(curation):
        with Store(store.path) as own:
            barrier.wait(30)
            try:
                begin(own, curation)
            except LimaError as e:
                return str(e)
            return ""

    with ThreadPoolExecutor(len(wanted)) as threads:
        said = list(threads.map(begun, wanted))
    there = find(store, "sky")
    for curation, text in zip(wanted, said, strict=True):
        assert bool(text) == (curation != there)
        assert not text or text.startswith("Another command has just begun a curation sky with other people")


def test_an_event_counts_once_and_only_for_what_its_page_showed(store):
    desk = Desk(store, curated(store), "ana")
    edit = Event("made-0001", 1, "text", {"turn": 1, "text": "Why blue?"}, 0)
    assert desk.take([edit]) == desk.take([edit]) == {}
    assert desk.state(1).count == 1
    late = Event("made-0002", 1, "delete", {"turn": 1}, 0)
    assert "changed elsewhere" in desk.take([late])["made-0002"]
    assert "not the last thing" in do(desk, 1, "undo", event="made-0009")
    assert "It cannot be accepted yet: turn 1 is the assistant's where" in (
        do(desk, 1, "delete", turn=1) or do(desk, 1, "accept")
    )
    assert do(desk, 1, "settle", by="ana") == "Only the coordinator settles."
    for table in ("curations", "curation_sources", "curation_candidates", "curation_assigned", "curation_events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.write() as db:
            db.execute(f"delete from {table}")


def test_what_is_shown_and_found(store):
    desk = Desk(store, curated(store, chain(), single(), single("e-2"), chain("c-2")), "ana")
    assert do(desk, 2, "accept") == do(desk, 3, "text", turn=1, text="Größe?") == do(desk, 3, "accept") == ""
    assert do(desk, 4, "reject", reason="Too SHORT") == ""
    assert desk.progress() == {"undecided": 1, "accepted": 1, "edited": 1, "rejected": 1}
    assert [list(desk.listed(show)) for show in ("all", "decided", "undecided", "edited")] == [
        [1, 2, 3, 4], [2, 3, 4], [1], [3],
    ]  # fmt: skip
    searched = ("blue", "SCATTERS", "größe", "gröSSe", "too short", "zoë", "turns", "text", '"', "e-2")
    assert {words: list(desk.listed("all", words)) for words in searched} == {
        "blue": [1, 4], "SCATTERS": [1, 4], "größe": [3], "gröSSe": [3], "too short": [4], "zoë": [1, 4], "turns": [],
        "text": [], '"': [], "e-2": [3],
    }  # fmt: skip
    assert (desk.next_open(1), desk.next_open(2), desk.last()) == (None, 1, 4)
    assert do(desk, 4, "undo", event=desk.state(4).kept[-1].id) == ""
    assert do(desk, 3, "text", turn=1, text="Size?") == ""  # an edit takes the decision back
    assert [n for n, status in desk.statuses().items() if status == "undecided"] == [1, 3, 4]
    with pytest.raises(LimaError, match="nothing to show as 'good'"):
        desk.listed("good")


def test_an_edited_example_says_who_changed_what_and_another_is_as_it_came(store):
    curation = curated(store)
    desk = Desk(store, curation, "ana")
    assert not any([
        do(desk, 1, "split", turn=3, at=CHAIN[2].index("And")), do(desk, 1, "delete", turn=4),
        do(desk, 1, "text", turn=1, text="Why blue?"), do(desk, 1, "text", turn=1, text="Why is it blue?"),
        do(desk, 1, "accept"), do(desk, 2, "accept"),
    ])  # fmt: skip
    one, two = kept(store, curation)
    date = desk.state(1).touched[:10]
    changes = "1 turn split, 1 turn left out, 2 texts rewritten"
    assert [turn.content for turn in one.turns] == ["Why is it blue?", CHAIN[1], "Also at night?", CHAIN[3]]
    assert one.provenance == f"https://example.org/a/1; edited by ana, {date}: {changes}"
    assert one.credits == (
        *chain().credits, Credit(author="ana", licence="CC BY-SA 4.0", written=date, part=f"changes ({changes})"),
    )  # fmt: skip
    assert (one.id, one.licence) == ("c-1", "CC BY-SA 4.0")
    assert two == single()
    assert do(desk, 2, "text", turn=2, text="A hot drink.") == do(desk, 2, "accept") == ""
    pair = kept(store, curation)[1]
    assert (type(pair), pair.prompt, pair.response, pair.weight) == (Example, "What is tea?", "A hot drink.", 0.5)
    assert do(desk, 2, "text", turn=2, text="A drink.") == do(desk, 2, "accept") == ""
    assert kept(store, curation)[1] == single()  # as it was: nothing was changed


def test_two_people_disagree_and_the_coordinator_settles(store):
    curation = curated(store, chain(), single(), people=("ana", "ben"), reviews=2)
    ana, ben = (Desk(store, curation, person) for person in curation.people)
    for number in (1, 2):
        assert do(ana, number, "text", turn=1, text="Why?") == do(ana, number, "accept") == ""
    assert kept(store, curation) == []
    assert do(ben, 1, "accept") == do(ben, 2, "text", turn=1, text="Why?") == do(ben, 2, "accept") == ""
    assert [one.status for one in decided.outcomes(store, curation)] == ["disputed", "edited"]
    assert [credit.author for credit in kept(store, curation)[0].credits] == ["ana", "ben"]
    refused = [one.reason for one in decided.records(store, curation) if isinstance(one, Refused)]
    assert refused == ["people disagree on it."]

    def settled(by, number=1):
        event = Event(
            f"settle-{by}-{number}-{len(store.rows('select 1 from curation_events'))}", number, "settle", {"by": by}
        )
        decided.settle(store, curation, event)
        return decided.outcome(store, curation, number)

    assert (settled("ana").status, settled("ana").by) == ("edited", ("ana",))
    assert (settled("ben").status, settled("").status) == ("accepted", "rejected")
    with pytest.raises(LimaError, match="'cleo' has no version"):
        settled("cleo")
    with pytest.raises(LimaError, match="nobody disagrees"):
        settled("ana", 2)
    assert do(ben, 1, "reject", reason="dull") == ""
    assert decided.outcome(store, curation, 1).status == "disputed"  # open again
    assert do(ana, 1, "reject", reason="") == ""
    assert decided.outcome(store, curation, 1).status == "rejected"
    people = {row["person"] for row in store.rows("select person from curation_events where kind != 'settle'")}
    assert people == {"ana", "ben"}  # all decisions are kept


def test_recorded_talks_become_candidates(store):
    from lima_chat.talk.log import StoreLog
    from lima_chat.talk.talk import Talk

    class Model:
        name = "tiny"

        def reply(self, prompts, settings, seeds):
            said = prompts[0][-1].content
            return [Reply(f"To {said}", [1], "length" if said == "long" else "eot", 0.1, [1], thoughts="hm")]

    log, model = StoreLog(store), Model()

    def talked(name, *texts, undo=False, system=""):
        talk = Talk(name, model, Sampling(temperature=0, repetition_penalty=1.0), 0, system)
        for text in texts:
            list(talk.say(text))
            log.said(talk, talk.exchanges[-1])
        if undo:
            talk.undo()
            log.undone(talk)

    talked("talk-1", "hello", "long", system="Be kind.")
    talked("talk-2", "oops", undo=True)
    talked("talk-3", "once", "twice", undo=True)
    found = list(recorded_talks(store))
    assert [one.id for one in found if isinstance(one, Record)] == ["talk-1", "talk-3"]
    assert [one.where for one in found if isinstance(one, Refused)] == ["talk talk-2"]
    first = found[0]
    assert [turn.content for turn in first.turns] == ["Be kind.", "hello", "To hello", "long", "To long"]
    assert (first.provenance[-27:], first.credits[0].author) == ("with tiny; cut off: reply 2", "tiny")
    assert [one.id for one in recorded_talks(store, ["talk-3"])] == ["talk-3"]
    with pytest.raises(LimaError, match="No talk 'talk-9'"):
        list(recorded_talks(store, ["talk-9"]))
    curation = curated(store, *(one for one in found if isinstance(one, Record)), name="chats")
    assert do(Desk(store, curation, "ana"), 1, "accept") == ""
    assert kept(store, curation) == [first]


def test_what_is_written_here_is_its_writers(store):
    curation = Curation("own", ("ana", "ben"), 2, "CC0-1.0")
    begin(store, curation)
    desk = Desk(store, curation, "ben")
    number = desk.write_new("made-0001")
    assert "turn 1 (user) is empty" in do(desk, number, "accept")
    assert do(desk, number, "text", turn=1, text="Hi") == do(desk, number, "text", turn=2, text="Hello") == ""
    assert do(desk, number, "accept") == ""
    (one,) = kept(store, curation)
    date = desk.state(number).touched[:10]
    assert (one.id, one.licence, one.provenance) == ("own-1", "CC0-1.0", f"written by ben, {date}")
    assert one.credits == (Credit(author="ben", licence="CC0-1.0", written=date, part="text"),)


@pytest.mark.parametrize(
    ("name", "people", "reviews", "says"),
    [
        ("../x", ("ana",), 1, "'../x' is not a name for a curation"),
        ("x" * 81, ("ana",), 1, "is not a name"),
        ("a", ("ana",), 2, "and there is one. Give --reviews 1"),
        ("a", ("ana", "ben"), 3, "and there are 2. Give --reviews 1 to 2"),
    ],
)
def test_a_curation_that_cannot_be_is_refused(store, name, people, reviews, says):
    with pytest.raises(LimaError, match=says):
        begin(store, Curation(name, people, reviews, ""))


def test_a_damaged_candidate_is_named(store):
    curation = curated(store)
    with store.write() as db:
        row = {
            "curation": "sky",
            "number": 3,
            "source": "x",
            "example": "x",
            "record": "{",
            "writer": "",
            "created": "",
        }
        db.table("curation_candidates").insert(row)
        db.table("curation_assigned").insert({"curation": "sky", "candidate": 3, "person": "ana"})
    with pytest.raises(LimaError, match="is damaged: record of candidate 3 of sky is not JSON"):
        list(decided.records(store, curation))
    with pytest.raises(LimaError, match="No curation 'sea' in .* names all"):
        find(store, "sea")


class TestCuratedContract(SourceContract):
    plugin, requires = PLUGINS["lima_curate"], (PLUGINS["lima_chat"], PLUGINS["lima_dialogue_eval"])
    name, abilities, options = "curated", (TakesOptions,), {"database": ""}

    def given(self, exchanges=()):
        with Store() as store:
            if not store.rows("select 1 from curations"):
                desk = Desk(store, curated(store, chain(), chain("c-2"), single(), single("e-9")), "ana")
                for number in (1, 2, 3):
                    assert do(desk, number, "text", turn=1, text=f"Why {number}?") == do(desk, number, "accept") == ""
        return "sky"


def test_the_source_names_what_is_missing(store, tmp_path):
    plugins = load_plugins()
    with pytest.raises(LimaError, match="write it as curated:NAME"):
        open_source("curated", plugins)
    tables = {"lima-curate": {"database": "/nowhere/l.db"}}
    with pytest.raises(LimaError, match=r"/nowhere/l.db does not exist.*--set lima-curate.database=FILE"):
        open_source("curated:sky", plugins, tables)
    (damaged := tmp_path / "damaged.db").write_text("no database")
    with pytest.raises(
        LimaError, match="file is not a database. Choose another file with --set lima-curate.database=FILE"
    ):
        open_source("curated:sky", plugins, {"lima-curate": {"database": str(damaged)}})
    desk = Desk(store, curated(store), "ana")
    assert do(desk, 1, "accept") == ""
    found = open_source("curated:sky", plugins)
    assert [one.id for one in found.records] == ["c-1"]
    assert [one.reason for one in found.refused] == ["not decided yet."]
    assert json.dumps(found.hash)
