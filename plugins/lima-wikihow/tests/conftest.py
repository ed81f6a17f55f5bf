"""Exports as small as a test needs, in the shape of the published ones."""

import csv

import pytest

from lima import Refused
from lima_wikihow.source import Articles

ALL = ("headline", "title", "text")
SEP = ("overview", "headline", "text", "sectionLabel", "title")
LENIENT = {"shortest": 1, "longest": 1_000_000}
LONG = "Grind the beans just before you brew, because ground coffee goes stale within hours. " * 4


def table(columns, rows):
    """The text of a CSV file"""
    from io import StringIO

    out = StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


@pytest.fixture
def read(tmp_path):
    """Reads rows of these columns; (the examples, (line, reason) of what was refused)"""

    def found(columns, rows, **options):
        file = tmp_path / "wikihow.csv"
        file.write_text(table(columns, rows), encoding="utf-8", newline="")
        given = list(Articles().with_options(LENIENT | options).examples(str(file)))
        refused = [one for one in given if isinstance(one, Refused)]
        return [one for one in given if one not in refused], [
            (one.where.rpartition(" ")[2], one.reason) for one in refused
        ]

    return found
