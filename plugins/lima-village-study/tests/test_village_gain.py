"""History gain in the study: measured on what is held out, recorded by answer, and judged beside the grades."""

import pytest

from lima import CheckpointModel, LimaError, Store, load_plugins
from lima_dialogue_eval import gain_rows, write_gain
from lima_studies import Ledger
from lima_village.base_model import verified
from lima_village.dialogues import dialogues
from lima_village.registered import HeldOut
from lima_village_study import gain
from lima_village_study.arms import VALIDATION, chosen
from lima_village_study.findings import findings
from lima_village_study.study import Study

ARMS = ("before", "after", "more-singles", "unrelated")


@pytest.mark.slow
def test_held_out_conversations_are_none_that_is_trained_on():
    held = list(HeldOut().examples("village-more"))
    trained = {exchange.user for one in dialogues(100) for exchange in one.exchanges}
    assert len(held) == 150
    assert not trained & {turn.content for one in held for turn in one.turns}
    assert [one.id for one in HeldOut().examples(None)][:2] == ["village-001", "village-002"]
    with pytest.raises(LimaError, match="village-held-out:villag is no set of held-out conversations. Did you mean"):
        HeldOut().examples("villag")


def test_a_model_is_measured_and_every_answer_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(gain, "NUMBER", 3)
    model = CheckpointModel(verified(), load_plugins().registry("renderers").find("lima"), device="cpu")
    with Store(tmp_path / "lima.db") as store:
        found = gain.measure(model, gain.named("village-validation"), store, "r1")
        rows = gain_rows(store, "r1", gain.source("village-validation"))
        assert gain_rows(store, "r2", gain.source("village-validation")) == []
    expected = list(HeldOut().examples("village-validation"))[:3]
    later = [(one.id, exchange) for one in expected for exchange in range(2, len(one.turns) // 2 + 1)]
    assert [(row["conversation"], row["exchange"]) for row in rows] == later
    means = [[r["over_none"] for r in rows if r["conversation"] == one.id] for one in expected]
    assert found == pytest.approx(sum(sum(of) / len(of) for of in means) / 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gained", "agrees"),
    [
        ({"after": 0.5, "more-singles": 0.02, "unrelated": 0.1}, True),
        ({"after": 0.5, "more-singles": 0.02, "unrelated": 0.8}, False),
        ({"after": 0.1, "more-singles": 0.02, "unrelated": 0.1}, None),
        ({"after": -0.5, "more-singles": 0.02, "unrelated": 0.1}, False),
    ],
)
def test_the_verdict_needs_the_dialogues_ahead_of_every_other_arm(tmp_path, held, models, later, gained, agrees):
    work = Study.new(tmp_path / "lima.db", chosen(list(ARMS)), sets=VALIDATION)
    with Store(work.database) as store:
        work.begun(store)
        ledger = Ledger(store, work.id)
        for i, arm in enumerate(ARMS):
            ledger.note(arm, 0, "village-validation", 0, None, held(store, "village-validation", models[arm], arm))
            for seed in (0, 1):
                ledger.note(arm, seed, run=f"{arm}{seed}")
                answers = [
                    # How much an arm gains differs from conversation to conversation, with a mean that is the arm's.
                    later(
                        f"c{n}", *(base + gained.get(arm, 0.0) + 0.01 * (n * (i + 1) % 11 - 5) for base in (0.2, 1.5))
                    )
                    for n in range(11)
                ]
                about = {"model": arm, "run": f"{arm}{seed}", "renderer": "lima", "others": 2, "seed": 0}
                write_gain(store, {**about, "source": gain.source("village-validation")}, answers, 1.0)
        finding = {one.key: one for one in findings(store, work)}["gain"]
    assert finding.agrees is agrees
    assert f"by {'+' if gained['after'] > 0 else '−'}{abs(gained['after']):.3f}" in finding.sentence
    assert [row[0] for row in finding.tables[0].rows] == [
        "1,000 singles",
        "+ 30 dialogues",
        "more singles",
        "fake dialogues",
    ]
