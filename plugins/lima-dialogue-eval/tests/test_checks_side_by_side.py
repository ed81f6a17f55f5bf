"""Labels in one row and their values in another, of which the last label and the first value are no pair."""

import pytest

from lima_dialogue_eval.checks import missed

TRAINS = {"pairs": {"Ulm": "09:30", "Bonn": "13:30", "Kiel": "18:30"}}


@pytest.mark.parametrize(
    "reply",
    [
        "Ulm/Bonn/Kiel: 09:30/13:30/18:30",
        "Ulm, Bonn and Kiel: 09:30, 13:30 and 18:30",
        "Ulm, Bonn, Kiel (09:30, 13:30, 18:30)",
        "Ulm – Bonn – Kiel: 09:30 – 13:30 – 18:30",
        "09:30/13:30/18:30 (Ulm/Bonn/Kiel)",
    ],
)
def test_nothing_is_said_of_two_rows(reply):
    assert missed(TRAINS, reply) == []


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("Kiel: 09:30, Ulm 18:30, Bonn 13:30", "'Ulm' has '18:30'; 'Kiel' has '09:30'"),
        ("Ulm and Bonn are early. Kiel: 09:30. Ulm: 18:30, Bonn: 13:30", "'Ulm' has '18:30'; 'Kiel' has '09:30'"),
        ("Ulm/Bonn/Kiel: 09:30/13:30", "without '18:30' for 'Kiel'"),
    ],
)
def test_a_value_behind_the_wrong_label_is_still_seen(reply, why):
    assert missed(TRAINS, reply) == [why]
