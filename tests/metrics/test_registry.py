from functools import cached_property

import pytest

from unidad.metrics.registry import METRICS, Column, Metric, measurable, measure
from unidad.metrics.rows import TooFewRowsError


class Weights:
    few = None

    @cached_property
    def grams(self) -> list[float]:
        return [1.0, 3.0]

    @cached_property
    def none_yet(self) -> list[float]:
        raise TooFewRowsError("too few")


@pytest.fixture
def metrics(monkeypatch):
    """A toy registry: one line each."""
    known = {
        "total": Metric(Column("total", "mass ({features})", "lower", 1, 1e3), sum, ("grams",)),
        "share": Metric(Column("share"), lambda total, grams: grams[0] / total, ("total", "grams")),
        "lost": Metric(Column("lost"), sum, ("few",)),
        "late": Metric(Column("late"), sum, ("none_yet",)),
        "other": Metric(Column("other"), sum, ("stones",)),
        "of_other": Metric(Column("of_other"), abs, ("other",)),
    }
    monkeypatch.setattr("unidad.metrics.registry.METRICS", known)
    return known


def test_a_task_measures_what_its_evidence_knows(metrics):
    assert measurable(Weights) == ["total", "share", "lost", "late"]


def test_needs_are_evidence_or_metrics_and_what_is_missing_is_null(metrics):
    found = measure(measurable(Weights), Weights())
    assert found == {"total": 4, "share": 0.25, "lost": None, "late": None}


def test_headings_say_which_end_is_better(metrics):
    column = metrics["total"].column
    assert column.header("my scales") == "mass (my scales) ↓"
    assert column.label("my scales") == "mass (my scales), lower is better"
    assert Column("plain", "plain").header("x") == Column("plain", "plain").label("x") == "plain"


def test_every_metric_has_its_own_name_and_needs_something():
    for name, metric in METRICS.items():
        assert (metric.column.name, bool(metric.needs)) == (name, True)
    assert "category_success" in METRICS
    assert not METRICS["category_success"].column.heading
