"""`lima sources licence`: what names of licences allow together, and the attribution that is owed."""

import json
from pathlib import Path

import pytest

from lima import Credit, Example
from lima_curate.cards.licences import Together, licence_named, parts_of
from lima_curate.cards.owed import conditions
from lima_curate.dataset import write_dataset


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("CC-BY-SA-3.0", (True, True, True, "CC-BY-SA", "https://creativecommons.org/licenses/by-sa/3.0/")),
        ("cc by-nc-sa 4.0", (False, True, True, "CC-BY-NC-SA", "https://creativecommons.org/licenses/by-nc-sa/4.0/")),
        ("CC-BY-SA-1.0", (True, True, True, "CC-BY-SA-1.0", "https://creativecommons.org/licenses/by-sa/1.0/")),
        ("CC-BY-ND-2.0-FR", (True, False, True, "", "https://creativecommons.org/licenses/by-nd/2.0/fr/")),
        ("CC0-1.0", (True, True, False, "", "https://creativecommons.org/publicdomain/zero/1.0/")),
        (
            "https://creativecommons.org/licenses/by-sa/4.0/",
            (True, True, True, "CC-BY-SA", "https://creativecommons.org/licenses/by-sa/4.0/"),
        ),
        (
            "http://creativecommons.org/licenses/by-nc/3.0/de/deed.en",
            (False, True, True, "", "https://creativecommons.org/licenses/by-nc/3.0/de/"),
        ),
        (
            "https://creativecommons.org/publicdomain/zero/1.0/",
            (True, True, False, "", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ),
        ("apache 2.0", (True, True, True, "", "https://spdx.org/licenses/Apache-2.0.html")),
    ],
)
def test_what_a_licence_asks_for(name, found):
    one = licence_named(name)
    assert (one.commercial, one.derivatives, one.attribution, one.family, one.url) == found


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("CC-BY-SA-3.0 AND CC-BY-SA-4.0", ("CC-BY-SA-3.0", "CC-BY-SA-4.0")),
        ("(GPL-3.0-only OR MIT) AND mine", ("MIT", "mine")),
        ("CC BY 4.0, cc-by-4.0", ("CC-BY-4.0",)),
        ("the file's own, or not", ("the file's own, or not",)),
        (" ", ()),
    ],
)
def test_which_licences_hold_of_an_expression(expression, names):
    assert parts_of(expression) == names


@pytest.mark.parametrize(
    ("names", "conflicts"),
    [
        (["CC-BY-SA-2.5", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "MIT", "CC0-1.0"], []),
        (["CC-BY-SA-3.0", "CC-BY-NC-SA-4.0"], ["CC-BY-NC-SA-4.0 with CC-BY-SA-3.0: each asks"]),
        (
            ["CC-BY-SA-3.0", "CC-BY-NC-4.0"],
            ["CC-BY-SA-3.0 with CC-BY-NC-4.0: the one asks that adaptations may be used"],
        ),
        (["CC-BY-NC-SA-4.0", "CC-BY-NC-2.0", "CC-BY-4.0"], []),
        (["CC-BY-ND-4.0", "CC-BY-SA-4.0"], ["CC-BY-SA-4.0 with CC-BY-ND-4.0: the one asks that adaptations be shared"]),
        (["CC-BY-SA-1.0", "CC-BY-SA-4.0"], ["CC-BY-SA-1.0 with CC-BY-SA-4.0: each asks"]),
        (["CC-BY-SA-4.0", "GPL-3.0-only", "AGPL-3.0-only"], []),
        (["CC-BY-SA-3.0", "ODbL-1.0"], ["CC-BY-SA-3.0 with ODbL-1.0: each asks"]),
    ],
)
def test_licences_that_no_one_work_can_keep(names, conflicts):
    found = Together.of(names).conflicts()
    assert len(found) == len(conflicts), found
    assert all(one.startswith(start) for one, start in zip(found, conflicts, strict=True)), found


def test_what_a_mix_may_be_used_for():
    lines = dict(conditions({"CC-BY-SA-3.0": 3, "CC-BY-NC-SA-4.0": 1, "the file's own": 2}))
    assert lines["commercial use"] == "no: CC-BY-NC-SA-4.0 (1 example)"
    assert lines["derivatives"] == "not known: of 2 examples the licence is not"
    assert lines["share alike"] == "CC-BY-NC-SA-4.0 (1 example), CC-BY-SA-3.0 (3 examples)"
    assert lines["unknown"].startswith('"the file\'s own" (2 examples): find out')
    assert lines["not together"].startswith("CC-BY-NC-SA-4.0 with CC-BY-SA-3.0")
    free = dict(conditions({"CC0-1.0": 3}))
    assert free == {"commercial use": "yes", "derivatives": "yes", "share alike": "no", "attribution": "no"}


def test_the_attribution_names_each_author_with_links_and_nobody_writes_lines_of_his_own(lima, tmp_path):
    hostile = Credit(
        author="Eve\n\x1b[31m\u202eNobody", url="https://a.example/1", licence="CC-BY-SA-3.0", part="answer"
    )
    good = Credit(
        author="Ann",
        author_url="https://a.example/ann",
        written="2015-01-02",
        licence="CC-BY-SA-4.0",
        url="https://a.example/2",
    )
    about = {"source": "s", "prompt": "Why?", "response": "So."}
    write_dataset(
        tmp_path / "s.jsonl",
        [
            Example(id="1\nLicences:", licence="CC-BY-SA-3.0 AND CC-BY-SA-4.0", credits=(hostile, good), **about),
            Example(id="2", licence="MIT", **about),
            Example(id="3", licence="CC0-1.0", **about),
        ],
    )
    said = lima("sources", "licence", "s.jsonl", "--out", "owed.txt").out
    assert "\x1b" not in said
    assert "is not legal advice" in said
    lines = Path("owed.txt").read_text().splitlines()
    assert lines[:4] == [
        "1 Licences:",
        "  answer by Eve ⟨U+001B⟩[31m⟨U+202E⟩Nobody, CC-BY-SA-3.0, https://a.example/1",
        "  Ann (https://a.example/ann), 2015-01-02, CC-BY-SA-4.0, https://a.example/2",
        "s: 1 example, MIT; no authors are named",
    ]
    assert lines[-4:] == [
        "Licences:",
        "  CC-BY-SA-3.0: https://creativecommons.org/licenses/by-sa/3.0/",
        "  CC-BY-SA-4.0: https://creativecommons.org/licenses/by-sa/4.0/",
        "  MIT: https://spdx.org/licenses/MIT.html",
    ]
    assert any(line.startswith("Changes: ") for line in lines)
    assert "owed.txt exists" in lima("sources", "licence", "s.jsonl", "--out", "owed.txt", code=1).err


def test_a_recipe_and_a_mix_are_read_as_what_they_are(lima, examples):
    file = examples("a", 6, licence="CC-BY-4.0")
    Path("recipe.toml").write_text(f'sources = ["{file}"]\n')
    Path("mix.toml").write_text(f'[[source]]\nspec = "{file}"\ntake = 2\n')
    counts = [lima("sources", "licence", one, "--json").json["licences"] for one in (file, "recipe.toml", "mix.toml")]
    assert counts == [{"CC-BY-4.0": 6}, {"CC-BY-4.0": 6}, {"CC-BY-4.0": 2}]
    assert "Missing: wikihow." in lima("sources", "licence", "lima-table-1", f"--path=authors={file}").out
    wrong = lima("sources", "licence", file, "--path=authors=x", code=1).err
    assert "--path authors=…: a mix has sources with names, and there is none. Leave --path out." in wrong
    Path("empty.toml").write_text("seed = 1\n")
    assert "names no source" in lima("sources", "licence", "empty.toml", code=1).err
    assert json.loads(lima("sources", "licence", file, "--json").out)["examples"] == 6
