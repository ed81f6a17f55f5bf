"""Titles to ask: which stand alone, and that they are asked, not trained on."""

import pytest

import lima_chat
import lima_reddit
from lima import LimaError, Refused, open_source
from lima.testing import only_plugins
from lima_reddit.titles import Titles

from .conftest import submission


def ask(dump, titles, **options):
    posts = [submission(f"t{n}", title, subreddit="AskReddit", score=500 - n) for n, title in enumerate(titles)]
    found = list(Titles().with_options(options).scripts(str(dump(posts))))
    return [one.turns[0].user for one in found if not isinstance(one, Refused)], [
        one for one in found if isinstance(one, Refused)
    ]


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("[Serious] What did you learn from a failure?", "What did you learn from a failure?"),
        ("Why do we &quot;park&quot; in driveways?", 'Why do we "park" in driveways?'),
        ("How do you explain this to a child: why is the sky blue?", "How do you explain this to a child: why is the sky blue?"),
        ("What is a story that your family tells?", "What is a story that your family tells?"),
        ("Which moderate politician do you admire?", "Which moderate politician do you admire?"),
    ],
)  # fmt: skip
def test_titles_that_stand_alone(dump, title, asked):
    assert ask(dump, [title]) == ([asked], [])


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("Doctors of Reddit, what is strange?", "its title speaks of Reddit, or to those who read there."),
        ("What gets you upvotes?", "its title speaks of Reddit, or to those who read there."),
        ("r/AskReddit, why?", "its title speaks of Reddit, or to those who read there."),
        ("What do you think of this picture?", "its title does not stand alone."),
        ("What should I do? (details inside)", "its title does not stand alone."),
        ("Is it rude to...", "its title does not stand alone."),
        ("Title says it all?", "its title does not stand alone."),
    ],
)
def test_titles_that_do_not(dump, title, reason):
    found, refused = ask(dump, [title])
    assert (found, [one.reason for one in refused]) == ([], [reason])
    assert ask(dump, [title], wording=False)[0]


def test_the_same_title_is_asked_once_and_the_best_first(dump):
    titles = ["What’s love?", "what is love", "Why?", "How?"]
    found, refused = ask(dump, titles, limit=2)
    assert found == ["What’s love?", "Why?"]
    assert [(one.reason, one.rows) for one in refused] == [
        ("a title before it says the same.", 1),
        ("it was not drawn: `limit` takes fewer than there are.", 1),
    ]
    posts = [submission(selftext="I mean the feeling."), submission("2", "What?", selftext="Edit: thanks!")]
    asked, refused = list(Titles().scripts(str(dump(posts))))
    assert asked.topic == "r/WritingPrompts"
    assert asked.turns[0].facts["note"] == "https://www.reddit.com/r/WritingPrompts/comments/2/, u/ann, 2015-06-11"
    assert refused.reason == "what is asked is explained below its title."


def test_titles_are_nothing_to_train_on(dump):
    folder = dump([submission(title="What is love?"), submission("2", "Why not?")])
    with only_plugins(lima_chat=lima_chat, lima_reddit=lima_reddit) as plugins:
        with pytest.raises(
            LimaError, match=r"has no examples. Refused: all 2. .*ask it with `lima dialogues run reddit-titles:PATH"
        ):
            open_source(f"reddit-titles:{folder}", plugins)
        assert plugins.broken == []


def test_they_are_an_evaluation(dump):
    find_evaluation = pytest.importorskip("lima_dialogue_eval").find_evaluation
    import lima_dialogue_eval

    folder = dump([submission(title="What is love?")])
    with only_plugins(lima_chat=lima_chat, lima_reddit=lima_reddit, lima_dialogue_eval=lima_dialogue_eval) as plugins:
        (one,) = find_evaluation(plugins, f"reddit-titles:{folder}").conversations()
        assert one.turns[0].user == "What is love?"
