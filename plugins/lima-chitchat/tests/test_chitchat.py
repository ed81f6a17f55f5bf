"""The conversations of the package and of small files in its shape: who says what, what is left off, and what is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lima_chat
import lima_chitchat
from lima import Credit, LimaError, Refused, TakesOptions, Tally
from lima.testing import SourceContract
from lima_chat import Turn
from lima_chitchat.dataset import RATINGS
from lima_chitchat.source import ADDRESS, ALONE, AUTHORS, RATED, SHORT, Chitchat
from lima_chitchat.wording import turn_text

TOPIC = "Mozart or Beethoven?"


def message(sender, *lines):
    """What one person wrote in a row"""
    return [{"text": line, "timestamp": "2018-05-02T19:38:15Z", "sender": sender} for line in lines]


def chat(*messages, **more):
    """A conversation as the file has it"""
    ratings = {"witty": "3", "interesting": 7, "upbeat": 10}
    return {"messages": list(messages), "ratings": ratings, "prompt": TOPIC, "start": "2018-05-02T19:37:00"} | more


TALK = chat(message("a", "Hello", "Beethoven!"), message("b", "Why?"), message("a", "No reason."))


@pytest.fixture
def read(tmp_path):
    """What is read of a file with these conversations, or with this text"""

    def found(content, **options):
        file = tmp_path / "dataset.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return list(Chitchat().with_options(options).examples(str(file)))

    return found


def said(one):
    """Roles and texts of a conversation"""
    return [(turn.role, turn.content) for turn in one.turns]


class TestChitchat(SourceContract):
    plugin, requires, abilities = lima_chitchat, (lima_chat,), (TakesOptions,)
    name, reads_files, suffix, options = "chitchat", True, ".json", {"assistant": "first", "limit": 1}

    def text(self, exchanges):
        each = enumerate(exchanges)
        return json.dumps({f"c{n}": chat(message("a", one.prompt), message("b", one.answer)) for n, one in each})

    def test_missing_file_is_an_error(self):
        """Without a file it reads the package, so only one that is not there is an error"""
        assert "gone.json does not exist" in str(self._error(self.thing, "gone.json"))


def test_a_conversation(read, capsys):
    (one,) = read({"c1": TALK})
    assert (one.id, one.source, one.licence) == ("c1", "chitchat", "MIT")
    assert one.turns == (Turn("system", TOPIC), Turn("user", "Hello\nBeethoven!"), Turn("assistant", "Why?"))
    assert one.tags == ("witty 3", "interesting 7", "upbeat 10", f"topic: {TOPIC}")
    assert one.credits == (
        Credit(author=AUTHORS, url=ADDRESS, licence="MIT", written="2018-05-02", part="conversation"),
    )
    assert one.provenance == f"{ADDRESS}; dataset.json, conversation 1 (c1); left off: a last turn without an answer"
    assert capsys.readouterr().err == "chitchat: left off: a last turn without an answer in 1 conversation.\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"assistant": "first", "topic": "leave out"}, [("user", "Why?"), ("assistant", "No reason.")]),
        ({"least_exchanges": 2}, SHORT),
        ({"least_rating": 4}, RATED),
        ({"least_rating": 3}, [("system", TOPIC), ("user", "Hello\nBeethoven!"), ("assistant", "Why?")]),
    ],
)
def test_options(read, options, expected):
    (one,) = read({"c1": TALK}, **options)
    assert (one.reason if isinstance(one, Refused) else said(one)) == expected


def test_each_conversation_draws_its_assistant_by_itself(read):
    many = {f"c{n}": TALK for n in range(60)}
    drawn = {one.id: one.turns[1].content for one in read(many, assistant="random", seed=3)}
    assert set(drawn.values()) == {"Hello\nBeethoven!", "Why?"}
    fewer = {f"c{n}": TALK for n in range(10)}
    assert {one.id: one.turns[1].content for one in read(fewer, assistant="random", seed=3)}.items() <= drawn.items()


def test_a_limit_draws_by_seed_and_counts_the_others(read):
    many = {f"c{n}": TALK for n in range(30)} | {"alone": chat(message("a", "Anyone?"))}
    first, again, other = (read(many, limit=5, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [one.reason for one in first if isinstance(one, Refused)] == [Tally.NOT_DRAWN] * 25 + [ALONE]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["What's your major", "?"], "What's your major?"),
        (["a new conversation new", "*now"], "a new conversation now"),
        (["Are you they the youngest?", "*the"], "Are you the the youngest?"),
        (["let me talk about thag once", "That*"], "let me talk about that once"),
        (["It is going really one", "*quickly"], "It is going really one\n*quickly"),
        (["Hmm", "*sings in walmart*"], "Hmm\n*sings in walmart*"),
        (["*know", "*know"], "*know\n*know"),
        (["  ", "\t"], ""),
        (["?"], "?"),
    ],
)
def test_slips_that_the_next_line_corrects(lines, text):
    assert turn_text(lines, mend=True) == text
    assert turn_text(lines, mend=False) == "\n".join(filter(str.strip, lines))


def test_an_id_cannot_say_what_was_left_off(read, capsys):
    alone = chat(message("a", "Hi"), message("b", "Hi."), message("a", "Bye"))
    assert len(read({"x; left off: all of it": alone, "y": alone})) == 2
    assert capsys.readouterr().err == "chitchat: left off: a last turn without an answer in 2 conversations.\n"


def test_lines_that_say_nothing_make_no_turn(read):
    (one,) = read({"c1": chat(message("a", "Hi"), message("b", " "), message("a", "There?"), message("b", "Yes."))})
    assert said(one)[1:] == [("user", "Hi\nThere?"), ("assistant", "Yes.")]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ([], "it has no list of messages"),
        (chat(message("a", "Hi"), "b"), "message 2 is text; expected a list of what one person wrote in a row."),
        (chat([]), "message 1 is a list; expected"),
        (chat([{"text": "Hi"}]), "message 1 has something without a text and its sender."),
        (chat([*message("a", "Hi"), *message("b", "Hi")]), "message 1 is of 2 people"),
        (chat(*(message(who, "Hi") for who in "abc")), "3 people speak in it; expected two."),
        (TALK | {"prompt": 7}, "its prompt is a number; expected text."),
        (TALK | {"ratings": []}, "its ratings are a list; expected an object."),
        (TALK | {"ratings": {"witty": "11"}}, "its rating witty is '11'; expected a number from 1 to 10."),
    ],
)
def test_a_conversation_of_another_shape_is_refused_with_its_place(read, bad, reason):
    one, refused = read({"c1": TALK, "c2": bad})
    assert one.id == "c1"
    assert (refused.where, refused.fault) == ("dataset.json, conversation 2 (c2)", True)
    assert refused.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[]", "dataset.json is a list; expected an object with a conversation under each id."),
        ('{"c1": ', r"dataset.json is not JSON \(.*line 1, column \d+\)\. Correct it; that of the package comes again"),
        ('{"c1": 1, "c1": 2}', "the key 'c1' occurs twice"),
        ('{"c1": "\\ud83d"}', "half of a character"),
    ],
)
def test_a_file_that_cannot_be_read(read, text, error):
    with pytest.raises(LimaError, match=error):
        read(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda one: st.lists(one, max_size=3)
)
LINES = st.fixed_dictionaries({"text": st.text(max_size=12) | JSON, "sender": st.sampled_from(["a", "b", "c"]) | JSON})
CHATS = st.fixed_dictionaries(
    {"messages": st.lists(st.lists(LINES, max_size=3) | JSON, max_size=6) | JSON},
    optional={
        "prompt": st.text(max_size=8) | JSON,
        "ratings": st.fixed_dictionaries({}, optional={name: st.integers(0, 12) | JSON for name in RATINGS}) | JSON,
    },
)


@settings(max_examples=40, deadline=None)
@given(st.lists(CHATS, max_size=5), st.sampled_from(["first", "second", "random"]), st.integers(0, 3))
def test_read_is_kept_and_refused(tmp_path_factory, chats, assistant, limit):
    file = tmp_path_factory.mktemp("chats") / "dataset.json"
    file.write_text(json.dumps({f"c{number}": one for number, one in enumerate(chats)}))
    found = list(Chitchat().with_options({"assistant": assistant, "limit": limit}).examples(str(file)))
    assert sum(one.rows if isinstance(one, Refused) else 1 for one in found) == len(chats)
    for one in found:
        assert isinstance(one, Refused) or one.turns[-1].role == "assistant"


@pytest.mark.slow
def test_the_package():
    """All of it, as its authors count it: 7,168 conversations; in 3,151 nobody answered"""
    pytest.importorskip("chitchat_dataset")
    found = list(Chitchat().examples(None))
    kept = [one for one in found if not isinstance(one, Refused)]
    assert (len(kept), sum(one.rows for one in found if isinstance(one, Refused))) == (4017, 3151)
    assert not any(one.fault for one in found if isinstance(one, Refused))
    assert {one.turns[-1].role for one in kept} == {"assistant"}


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("lima_chitchat.dataset.find_spec", lambda name: None)
    with pytest.raises(LimaError, match="chitchat-dataset is not installed: `pip install chitchat-dataset`"):
        list(Chitchat().examples(None))
