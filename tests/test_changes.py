"""The ten everyday changes of docs/changes.md: each diff touches the few files that the page names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DIFFS = sorted((ROOT / "docs" / "changes").glob("*.diff"))
ROWS = dict(
    re.findall(
        r"^\| \[[^]]+\]\(changes/([\w-]+\.diff)\)[^|]*\| ([^|]+) \|", (ROOT / "docs/changes.md").read_text(), re.M
    )
)


def touched(diff: Path) -> list[str]:
    """The files of a diff that are neither tests nor pages, a plugin's without its folder"""
    files = re.findall(r"^diff --git a/(\S+) b/\1$", diff.read_text(), re.M)
    counted = [f for f in files if not f.endswith(".md") and "tests" not in Path(f).parts]
    return sorted(re.sub(r"^plugins/[\w-]+/", "", f) for f in counted)


def test_there_are_ten_and_each_has_its_row():
    assert len(DIFFS) == 10
    assert sorted(ROWS) == [d.name for d in DIFFS]


@pytest.mark.parametrize("diff", DIFFS, ids=lambda d: d.stem)
def test_a_change_touches_at_most_three_files_which_the_page_names(diff):
    files = touched(diff)
    assert 1 <= len(files) <= 3
    assert files == sorted(re.findall(r"`([^`]+)`", ROWS[diff.name]))
