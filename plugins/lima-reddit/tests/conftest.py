"""Dumps as small as a test needs, in the shape of Pushshift's."""

import json

import pytest

from lima import Refused
from lima_reddit.stories import Stories

STORY = "\n\n".join(f"The lamp went out at {hour}, and nobody in the house said why." for hour in range(12))
LENIENT = {"least_score": -1000, "shortest": 1, "longest": 1_000_000, "wording": False}


def submission(id="39z0", title="[WP] The lamp goes out.", **more):
    """A row of RS_2015-06"""
    row = {"id": id, "subreddit": "WritingPrompts", "title": title, "selftext": "", "author": "ann", "score": 300}
    return row | {"created_utc": 1434000000, "over_18": False, "is_self": True} | more


def comment(id="cs1", post="39z0", body=STORY, **more):
    """A row of RC_2015-06"""
    row = {"id": id, "link_id": f"t3_{post}", "parent_id": f"t3_{post}", "body": body, "author": "bob", "score": 200}
    return row | {"created_utc": "1434003600", "subreddit": "WritingPrompts"} | more


def lines(rows):
    """JSON lines"""
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def dump(tmp_path):
    """A folder with these submissions and comments"""

    def made(submissions, comments=None):
        (tmp_path / "RS_2015-06.jsonl").write_text(lines(submissions))
        if comments is not None:
            (tmp_path / "RC_2015-06.jsonl").write_text(lines(comments))
        return tmp_path

    return made


@pytest.fixture
def read(dump):
    """Reads such a dump; (the examples, (file and line, reason) of what was refused)"""

    def found(submissions, comments, **options):
        given = list(Stories().with_options(options).examples(str(dump(submissions, comments))))
        refused = [one for one in given if isinstance(one, Refused)]
        return [one for one in given if one not in refused], [
            (one.where.rpartition("/")[2], one.reason) for one in refused
        ]

    return found
