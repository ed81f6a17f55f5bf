"""The primary test finds a difference where there is none no more often than it may, whatever makes the experiment awkward."""

from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def simulation(monkeypatch):
    """The module that the benchmark's figures come from"""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import false_positives

    return false_positives


@pytest.mark.slow
def test_ten_conversations_keep_the_level(simulation):
    """The first scenario, and the two that an unwary test would fail at"""
    by_name = {scenario.name: scenario for scenario in simulation.SCENARIOS}
    assert 0.04 <= simulation.rate(by_name["ten conversations"], 2000) <= 0.06
    for name in ("one against fifty seeds, few fails", "grader that can only fail, one seed"):
        assert simulation.rate(by_name[name], 300) <= 0.06


def test_the_simulation_sees_a_test_that_does_not_keep_it(simulation, monkeypatch):
    """With all fifty seeds of one side against one of the other, the unwary test finds differences everywhere"""
    scenario = next(s for s in simulation.SCENARIOS if s.name == "one against fifty seeds, few fails")
    draw, found = np.random.default_rng(0), 0
    for _ in range(200):
        turns, effect = draw.integers(3, 7, 10), draw.normal(0, 0.7, (10, 1, 1))
        sides = [simulation.side(scenario, seeds, turns, effect, draw).grid.codes for seeds in scenario.seeds]
        means = [np.array([of_one[of_one >= 0].mean() for of_one in codes]) for codes in sides]
        found += simulation.sign_flip(means[1] - means[0]).p_value <= simulation.LEVEL
    assert found / 200 > 0.1


@pytest.mark.slow
def test_no_scenario_leaves_its_bounds(simulation):
    rates = {s.name: (s.lowest, simulation.rate(s, 2000)) for s in simulation.SCENARIOS}
    assert {name: found for name, (lowest, found) in rates.items() if not lowest <= found <= 0.06} == {}
