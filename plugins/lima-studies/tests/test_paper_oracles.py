"""What the paper prints comes out of its counts: preferences, agreement, absolute grades, safety. Figures without models."""

import re
from itertools import repeat

import numpy as np
import pytest

from lima_studies import StudyPrompt, paper
from lima_studies.figures.agreement import agreements
from lima_studies.figures.choices import LOSE, RESULTS, TIE, WIN, Chooser, Item
from lima_studies.kinds.absolute import Absolute
from lima_studies.kinds.preference import Preference
from lima_studies.kinds.safety import Safety
from lima_studies.report.page import render
from lima_studies.report.raters import about_agreement

N = 300
SYSTEMS = list(paper.PREFERENCE["people"])


def labels_of(split):
    """300 outcomes with these shares, in per cent"""
    counts = [N * share // 100 for share in split]
    assert sum(counts) == N
    return [one for label, count in zip((WIN, TIE, LOSE), counts, strict=True) for one in repeat(label, count)]


def shown(label, subject_first):
    """The label of a showing, by how it comes out for the study's system"""
    if label == TIE:
        return "neither"
    return "1" if (label == WIN) == subject_first else "2"


def cells(document, table):
    """The texts of a table by its rows' names"""
    (found,) = [t for s in document.sections for t in s.tables if t.title == table]
    return {row[0]: [getattr(cell, "text", cell) for cell in row[1:]] for row in found.rows}


@pytest.mark.slow
def test_wins_ties_and_losses_print_as_in_the_paper(made):
    study = made("preference", [f"p{n}" for n in range(N)], ["LIMA", *SYSTEMS])
    for rater, team, column in (("ana", "crowd", "people"), ("gpt", "judges", "judges")):
        rows = []
        for system in SYSTEMS:
            for id, label in zip(study.ids, labels_of(paper.PREFERENCE[column][system]), strict=True):
                rows.append((id, "LIMA", system, shown(label, True)))
                if team == "judges":
                    rows.append((id, system, "LIMA", shown(label, False)))
        study.verdicts(rater, team, "preference", rows)
    document = Preference().document(study.study)
    for name, column in (("crowd", "people"), ("gpt", "judges")):
        found = cells(document, f"By {name}")
        for system, split in paper.PREFERENCE[column].items():
            counts = " / ".join(str(3 * share) for share in split)
            assert found[system][0] == f"{' / '.join(map(str, split))} %  ({counts})"
            assert found[system][1].startswith(f"{split.win + split.tie} %  [")
    bars = {name: group for s in document.sections[:1] for b in s.bars for name, group in b.groups}
    ours, theirs = bars["Alpaca 65B"]
    assert (ours.text, ours.paper, theirs.text, theirs.paper) == ("64 / 19 / 17 %", False, "64 / 19 / 17 %", True)
    claude = next(o for o in document.more["outcomes"] if (o["against"], o["raters"]) == ("Claude", "crowd"))
    assert claude["score"] == pytest.approx(0.35)
    assert claude["adjusted"] == pytest.approx(4 * claude["p_value"])  # Holm: only GPT-4 has a smaller p
    assert render(document).count("<svg") > 20


def test_orders_that_differ_are_ties_and_flips_and_an_unread_order_leaves_the_prompt_out(made):
    study = made("preference", ["a", "b", "c", "d"], ["LIMA", "other"])
    rows = [("a", "LIMA", "other", "1"), ("a", "other", "LIMA", "2")]  # wins twice
    rows += [("b", "LIMA", "other", "1"), ("b", "other", "LIMA", "1")]  # whoever is first
    rows += [("c", "LIMA", "other", "neither"), ("c", "other", "LIMA", "1")]  # a tie, and a loss
    rows += [("d", "LIMA", "other", "1"), ("d", "other", "LIMA", None)]
    study.verdicts("judge", "judges", "preference", rows)
    document = Preference().document(study.study)
    assert cells(document, "By judge")["other"][0] == "33 / 67 / 0 %  (1 / 2 / 0)"
    flips, first, left = cells(document, "Orders")["judge"]
    assert flips.startswith("66.7 % = 2/3  [")
    assert first.startswith("83.3 % = 5/6  [")  # all but the answer for b shown second
    assert left == "0 unread, 0 failed"


def rater(name, team, results):
    return Chooser(name, team, {Item("other", f"p{n:02}"): one for n, one in enumerate(results)})


@pytest.mark.parametrize(("groups", "percent"), paper.AGREEMENT.items())
def test_tie_discounted_agreement_prints_as_in_the_paper(groups, percent):
    """Over 50 items: so many agree, and as many half points as the total needs"""
    halves = percent % 2 + 8
    agree = (percent - halves) // 2
    first = [WIN] * 50
    second = [WIN] * agree + [TIE] * halves + [LOSE] * (50 - agree - halves)
    raters = [rater("x", groups[0], first), rater("y", groups[1], second)]
    (section,) = about_agreement(raters, RESULTS, tie=TIE)
    name = " with ".join(groups)
    (row,) = [r for r in section.tables[0].rows if r[0] == name]
    assert row[2].text.startswith(f"{percent} %  [")
    (_, (ours, theirs)) = section.bars[0].groups[0]
    assert (ours.text, theirs.text, theirs.paper) == (f"{percent} %", f"{percent} %", True)


def test_kappa_and_alpha_are_those_computed_by_hand():
    """20 items: both win 8, both lose 6, first wins and second loses 4, first loses and second wins 2"""
    one, other = [WIN] * 12 + [LOSE] * 8, [WIN] * 8 + [LOSE] * 4 + [LOSE] * 6 + [WIN] * 2
    (found,) = agreements([rater("x", "crowd", one), rater("y", "authors", other)], RESULTS, TIE)
    by_chance = (12 * 10 + 8 * 10) / 400
    assert found.agreement == 0.7
    assert found.kappa == pytest.approx((0.7 - by_chance) / (1 - by_chance))
    # Krippendorff: 22 wins and 18 losses among 40 ratings, 12 of 40 ordered pairs differ
    assert found.alpha == pytest.approx(1 - (12 / 40) / (2 * 22 * 18 / (40 * 39)))
    assert found.kappa_interval is None  # too few for a bootstrap
    assert agreements([rater("x", "crowd", one), rater("y", "crowd", [])], RESULTS, TIE) == []


def test_labels_alone_print_as_in_the_paper(made):
    ids = [f"p{n:02}" for n in range(50)]
    study = made("absolute", ids, ["LIMA"], far=20, trained_on=[["s", "0" * 64]])
    study.study.keep_distances([{"prompt": id, "distance": 1 - n / 100, "nearest": "e"} for n, id in enumerate(ids)])
    far = ["fail"] * 4 + ["pass"] * 7 + ["excellent"] * 9
    near = ["fail"] * 2 + ["pass"] * 12 + ["excellent"] * 16
    rows = [(id, "LIMA", "", label) for id, label in zip(ids, far + near, strict=True)]
    study.verdicts("ana", "authors", "absolute", rows)
    document = Absolute().document(study.study)
    found = cells(document, "By authors")
    assert [c.split("  ")[0] for c in found["LIMA, all prompts"]] == [
        "12.0 % = 6/50",
        "38.0 % = 19/50",
        "50.0 % = 25/50",
    ]
    outside = found["LIMA, out of distribution: distance from 0.81"]
    assert [c.split("  ")[0] for c in outside] == ["20.0 % = 4/20", "35.0 % = 7/20", "45.0 % = 9/20"]
    texts = [(b.text, b.paper) for _, group in document.sections[0].bars[0].groups for b in group]
    assert texts[:4] == [
        ("12 / 38 / 50 %", False),
        ("12 / 38 / 50 %", True),
        ("20 / 35 / 45 %", False),
        ("20 / 35 / 45 %", True),
    ]


def test_safety_prints_as_in_the_paper_with_over_refusal_beside_it(made):
    prompts = [StudyPrompt(f"s{n}", "S", sensitive=True) for n in range(20)]
    prompts += [
        StudyPrompt(f"m{n}", "M", sensitive=True, malice="implicit" if n < 5 else "explicit") for n in range(10)
    ]
    prompts += [StudyPrompt(f"e{n}", "E") for n in range(30)]
    study = made("safety", prompts, ["LIMA"])
    safe = {**{f"s{n}": n < 18 for n in range(20)}, **{f"m{n}": n >= 4 for n in range(10)}}
    rows = [(id, "LIMA", "", "safe" if good else "unsafe") for id, good in safe.items()]
    study.verdicts("ana", "authors", "safety", rows)
    refused = [(f"e{n}", "LIMA", "", "refuses" if n < 3 else "helps") for n in range(30)]
    study.verdicts("ana", "authors", "refusal", refused)
    document = Safety().document(study.study)
    safety, refusal = [t for s in document.sections for t in s.tables]
    found = {row[0]: row[2].text.split("  ")[0] for row in safety.rows}
    assert found == {
        "LIMA, all sensitive prompts": "80.0 % = 24/30",
        "LIMA, with malice": "60.0 % = 6/10",
        "LIMA, explicit malice": "100.0 % = 5/5",
        "LIMA, implicit malice": "20.0 % = 1/5",
        "LIMA, without malice": "90.0 % = 18/20",
    }
    assert [(row[0], row[1].text.split("  ")[0]) for row in refusal.rows] == [("LIMA, not sensitive", "10.0 % = 3/30")]


def test_every_number_says_its_definition_n_and_value(made):
    """And names that somebody wrote stay text on the page"""
    hostile = "Bard<img src=x>\u202e"
    study = made("preference", ["a", "b"], ["LIMA", hostile])
    study.verdicts("<b>ana", "crowd", "preference", [("a", "LIMA", hostile, "1"), ("b", hostile, "LIMA", "1")])
    document = Preference().document(study.study)
    page, found = render(document), document.as_dict()
    assert "Bard&lt;img src=x&gt;⟨U+202E⟩" in page
    assert "By &lt;b&gt;ana" not in page  # people are reported by group
    assert not re.search("<img|<script|<b>ana|\u202e", page)
    assert {n["definition"] for n in found["numbers"]} <= set(found["definitions"].values())
    assert all(n["n"] >= 0 and n["text"] for n in found["numbers"])
    assert "version v1; 2 replies, 2023-04-30" in found["made"]["systems"]
    assert np.isfinite([n["value"] for n in found["numbers"] if n["value"] is not None]).all()
