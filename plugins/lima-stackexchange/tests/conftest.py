"""Dumps as small as a test needs, in the shape of the real ones."""

from html import escape
from pathlib import Path

import pytest

SITE = "coffee.stackexchange.com"
LONG = "Grind the beans just before you brew, because ground coffee goes stale within hours. " * 16
"An answer that passes every filter"


def row(**columns):
    """A row of a dump, with line breaks and tabs written as the real ones have them"""
    spelt = {name: escape(str(value)).replace("\n", "&#xA;").replace("\t", "&#x9;") for name, value in columns.items()}
    return "<row " + " ".join(f'{name}="{value}"' for name, value in spelt.items()) + " />"


def question(
    id=1,
    title="How should whole beans be stored?",
    body="<p>The shop sells beans in paper bags, and they go stale.</p>",
    **more,
):
    """A question's row"""
    columns = {
        "Id": id,
        "PostTypeId": 1,
        "Score": 5,
        "CreationDate": "2015-01-27T20:09:32.720",
        "Title": title,
        "Body": body,
    }
    return row(**columns | {"OwnerUserId": 4} | more)


def answer(id=2, of=1, body=f"<p>{LONG}</p>", score=12, **more):
    """An answer's row"""
    columns = {"Id": id, "PostTypeId": 2, "ParentId": of, "Score": score, "CreationDate": "2015-01-28T08:00:00.000"}
    return row(**columns | {"Body": body, "OwnerUserId": 7} | more)


def comment(id, post, text, user, date="2015-01-29T08:00:00.000", **more):
    """A comment's row"""
    return row(Id=id, PostId=post, Score=0, Text=text, CreationDate=date, UserId=user, **more)


def dump(kind, *rows, head='<?xml version="1.0" encoding="utf-8"?>'):
    """The text of a file of a dump"""
    lines = "\n".join(f"  {one}" for one in rows)
    return f"\ufeff{head}\n<{kind}>\n{lines}\n</{kind}>\n"


@pytest.fixture
def exchange(tmp_path):
    """A folder named by its exchange, with the files of a dump given as rows"""

    def made(posts, site=SITE, **files) -> Path:
        folder = tmp_path / site
        folder.mkdir(exist_ok=True)
        for kind, rows in {"posts": posts, **files}.items():
            (folder / f"{kind.capitalize()}.xml").write_text(dump(kind, *rows), encoding="utf-8")
        return folder

    return made
