"""Prompts with their stories: which are taken, what is asked and answered, and whose it is."""

import os

import pytest

import lima_chat
import lima_reddit
from lima import Refused, TakesOptions
from lima.testing import SourceContract
from lima_reddit.stories import Stories

from .conftest import LENIENT, STORY, comment, lines, submission


class TestStories(SourceContract):
    """As lima opens it, but for scores, lengths and wording, which are for other texts than those of the kit"""

    plugin, name, requires, abilities = lima_reddit, "reddit", (lima_chat,), (TakesOptions,)
    reads_files, suffix, options = True, ".jsonl", {"limit": 2, "draw": "random"}

    @property
    def thing(self):
        return super().thing.with_options(LENIENT | {"draw": "random"})

    def given(self, exchanges=()):
        folder = self.folder / "given"
        folder.mkdir(exist_ok=True)
        exchanges = exchanges or self.PLAIN
        posts = [submission(f"a{n}", one.prompt, score=100 - n) for n, one in enumerate(exchanges)]
        answers = [comment(f"c{n}", f"a{n}", one.answer) for n, one in enumerate(exchanges)]
        (folder / "x_submissions.jsonl").write_text(lines(posts))
        (folder / "x_comments.jsonl").write_text(lines(answers))
        return str(folder / "x_submissions.jsonl")

    @property
    def PLAIN(self):
        from lima.testing.texts import PLAIN

        return PLAIN


def test_the_best_comment_is_the_story(read):
    comments = [
        comment("cs9", score=200),
        comment("cs2", score=300, body=STORY + "\n\nThe end."),
        comment("cs1", score=300, body=STORY + "\n\nLater."),
        comment("cs3", score=999, body="Nice."),
        comment("cs4", score=999, parent_id="t1_cs9"),
        comment("cs5", score=999, parent_id=9917),
        comment("cs6", "other", score=999),
    ]
    (one,), refused = read([submission(selftext="Any genre.\n\nEdit: wow!")], comments)
    assert refused == []
    assert one.prompt == "The lamp goes out.\n\nAny genre."
    assert one.response == STORY + "\n\nLater."
    url = "https://www.reddit.com/r/WritingPrompts/comments/39z0/"
    assert [(c.part, c.author, c.url, c.written, c.author_url) for c in one.credits] == [
        ("story", "u/bob", f"{url}_/cs1/", "2015-06-11", "https://www.reddit.com/user/bob/"),
        ("prompt", "u/ann", url, "2015-06-11", "https://www.reddit.com/user/ann/"),
    ]
    assert one.licence.startswith("no licence: the rights are with the authors")
    assert one.id == "reddit.com/39z0/cs1"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"selftext": "[removed]"}, "it was removed or deleted, or its author is gone."),
        ({"title": "[deleted by user]"}, "it was removed or deleted, or its author is gone."),
        ({"author": "[deleted]"}, "it was removed or deleted, or its author is gone."),
        ({"author": None}, "it was removed or deleted, or its author is gone."),
        ({"removed_by_category": "moderator"}, "it was removed or deleted, or its author is gone."),
        ({"author": "AutoModerator"}, "a bot or a moderator posted it."),
        ({"distinguished": "moderator"}, "a bot or a moderator posted it."),
        ({"over_18": True}, "it is marked as not safe for work."),
        ({"title": "[WP][NSFW] The lamp"}, "it is marked as not safe for work."),
        ({"subreddit": "AskReddit"}, "it is of another subreddit."),
        ({"score": 9}, "its score is less than 10."),
        ({"title": "[PI] The lamp"}, "it has a tag of another kind than those that are taken."),
        (
            {"is_self": False, "url": "http://i.imgur.com/x.jpg"},
            "it is a link, a picture or a video, which is not there.",
        ),
        (
            {"title": "[WP] Look at this picture and write"},
            "its title points to what is not there, or speaks of Reddit.",
        ),
        ({"title": "[WP] \u200b &nbsp;"}, "nothing is left of its title."),
    ],
)
def test_submissions_that_are_left_out(read, more, reason):
    found, refused = read(
        [submission("1", **more), submission()], [comment(), comment("x", "1")], subreddits=["r/writingPrompts"]
    )
    assert [one.id for one in found] == ["reddit.com/39z0/cs1"]
    assert refused == [("RS_2015-06.jsonl, line 1", reason)]


@pytest.mark.parametrize(
    "more",
    [
        {"body": "[removed]"},
        {"author": "[deleted]"},
        {"author": "AutoModerator"},
        {"author": "story_bot"},
        {"body": STORY + "\n\n*I am a bot, and this action was performed automatically.*"},
        {"stickied": True},
        {"score": 9},
        {"body": "Short."},
        {"body": STORY + "\n\n[Part 2](http://x.org) is below."},
        {"body": STORY + "\n\nTo be continued..."},
    ],
)
def test_comments_that_are_no_story(read, more):
    found, refused = read([submission()], [comment("cs0", **{"score": 999} | more), comment("cs1", score=10)])
    assert [one.id for one in found] == ["reddit.com/39z0/cs1"]
    assert all("comment to a prompt" in reason for _, reason in refused)
    found, refused = read([submission()], [comment("cs0", **{"score": 999} | more)])
    assert found == []
    reason = "no comment to it with a score of 10 or more is a whole story of 500 to 12,000 characters."
    assert ("RS_2015-06.jsonl, line 1", reason) in refused


def test_people_with_names_like_those_of_bots_are_people(read):
    for name in ("Abbot", "talbot", "IRobot", "Cabot_9", "bottle"):
        assert read([submission(author=name)], [comment(author=name)])[0], name


def test_the_best_come_first_and_a_draw_is_by_seed(read):
    posts = [submission(f"p{n}", score=10 + n % 50, selftext="x" * n) for n in range(200)]
    comments = [comment(f"c{n}", f"p{n}") for n in range(200)]
    best, refused = read(posts, comments, limit=8)
    assert [one.id.split("/")[1] for one in best] == ["p49", "p99", "p149", "p199", "p48", "p98", "p148", "p198"]
    assert [reason for _, reason in refused] == ["it was not drawn: `limit` takes fewer than there are."]
    drawn = [read(posts, comments, limit=8, draw="random", seed=seed)[0] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(found) == 8 for found in drawn)


def test_adult_submissions_and_tags_and_bodies_by_option(read):
    posts = [submission(over_18=True), submission("2", "[PI] A lamp", selftext="More.")]
    found, _ = read(posts, [comment(), comment("c", "2")], over_18=True, tags=["[pi]"], body=False)
    assert [one.prompt for one in found] == ["A lamp"]


@pytest.mark.skipif("LIMA_REDDIT_FILES" not in os.environ, reason="LIMA_REDDIT_FILES names no folder with a dump")
@pytest.mark.slow
def test_a_real_dump():
    kept = 0
    for one in Stories().with_options({"limit": 50}).examples(os.environ["LIMA_REDDIT_FILES"]):
        if not isinstance(one, Refused):
            kept += 1
            assert not {"](http", "&amp;"} & {mark for mark in ("](http", "&amp;") if mark in one.response}
            assert not one.prompt.startswith("[")
        else:
            assert not one.fault, f"{one.where}: {one.reason}"
    assert kept == 50
