"""Objects that are wrong in one way each fail the check that is named for it, and no other."""

import pytest

import broken_filters
import broken_graders
import broken_models
import broken_renderers
import broken_sources
from lima.testing.texts import Exchange
from registering import Registers

pytestmark = pytest.mark.slow

TABLES = {
    "sources": (broken_sources.Contract, broken_sources.SOURCES),
    "renderers": (broken_renderers.Contract, broken_renderers.RENDERERS),
    "graders": (broken_graders.Contract, broken_graders.GRADERS),
    "evaluations": (broken_graders.OfEvaluations, broken_graders.EVALUATIONS),
    "filters": (broken_filters.Contract, broken_filters.FILTERS),
    "models": (broken_models.Contract, broken_models.MODELS),
}


def failures(kind, base, thing, more=None):
    good = {"graders": {"good": broken_graders.Good()}, kind: {"odd": thing}}
    plugin = thing if isinstance(thing, Registers) else Registers(**good)
    return list(type("Odd", (base,), {"plugin": plugin, **(more or {})}).failures())


def one_check_each(kind, base, rows):
    found = {(number, check): failures(kind, base, *thing) for number, (check, *thing) in enumerate(rows)}
    assert {key: failed for key, failed in found.items() if failed != [key[1]]} == {}


@pytest.mark.parametrize("kind", TABLES)
def test_a_wrong_object_fails_the_one_check(kind, monkeypatch):
    monkeypatch.setattr("lima.testing.renderers.LONG", Exchange("Why? " * 100, "It is so. " * 5_100))
    one_check_each(kind, *TABLES[kind])


def test_a_wrong_base_fails_the_one_check(base):
    one_check_each("base_models", broken_models.OfBases, broken_models.bases(str(base)))


@pytest.mark.parametrize("kind", TABLES)
def test_every_check_of_a_kind_has_an_object_that_fails_it(kind):
    """But for those of all kinds, which a source or another is tried on"""
    base, rows = TABLES[kind]
    of_all = {name for name in vars(base.__mro__[-2]) if name.startswith("test_")} - {"test_works"}
    own = {name for one in base.__mro__[:-2] for name in vars(one) if name.startswith("test_")} - of_all
    assert own - {check for check, *_ in rows} == set()


@pytest.mark.parametrize(
    ("kind", "base", "thing"),
    [
        ("renderers", broken_renderers.Contract, broken_renderers.Good()),
        ("graders", broken_graders.Contract, broken_graders.Good()),
        ("evaluations", broken_graders.OfEvaluations, broken_graders.evaluation()),
        ("filters", broken_filters.Contract, broken_filters.Good()),
        ("models", broken_models.Contract, broken_models.Opener(broken_models.Good())),
        ("models", broken_models.Contract, broken_models.Opener(broken_models.Handing())),
    ],
)
def test_what_is_right_fails_none(kind, base, thing):
    assert failures(kind, base, thing) == []
