"""Sums of events: those of buckets, put together, come to what the events themselves come to."""

import math
from statistics import fmean
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.types.grouping import MOST_GROUPS
from rules.types.threshold.aggregates import PLAIN, Aggregate, Percentile
from rules.types.threshold.comparison import Comparator, Comparison
from rules.types.threshold.sketches import ERROR, LARGEST, SMALLEST, Distinct
from rules.types.threshold.summing import EventSums, Sums, width_of

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.floats(-1e290, 1e290, allow_nan=False),
    st.floats(-100, 100).map(lambda value: round(value, 2)),
)
BUCKETS = st.lists(st.lists(NUMBERS, max_size=30), max_size=8)


def result(aggregate: Aggregate, buckets: list[list[Any]], field: str = "data.x") -> float | None:
    """Return what the buckets come to, each summed up by itself and stored."""
    window = Sums(aggregate)
    for values in buckets:
        sums = EventSums(aggregate, field, [], 1)
        window.merge(sums.sum_up({"type": "t", "data": {"x": value}} for value in values))
    state = window.groups.get("events")
    return state.result() if state else None


@settings(max_examples=40, deadline=None)
@given(BUCKETS)
def test_buckets_come_to_what_their_events_come_to(buckets: list[list[float]]) -> None:
    values = [float(value) for values in buckets for value in values]
    size = math.fsum(map(abs, values))
    if not values:
        assert all(result(aggregate, buckets) is None for aggregate in PLAIN.values())
        return
    assert result(PLAIN["count"], buckets) == len(values)
    assert result(PLAIN["sum"], buckets) == pytest.approx(math.fsum(values), rel=1e-12, abs=1e-12 * size)
    mean_error = 1e-12 * size / len(values)
    assert result(PLAIN["avg"], buckets) == pytest.approx(fmean(values), rel=1e-12, abs=mean_error)
    assert (result(PLAIN["min"], buckets), result(PLAIN["max"], buckets)) == (min(values), max(values))


@settings(max_examples=40, deadline=None)
@given(BUCKETS, st.floats(1, 99.9))
def test_a_percentile_is_at_most_one_in_a_hundred_off(buckets: list[list[float]], percent: float) -> None:
    values = sorted(max(-LARGEST, min(float(value), LARGEST)) for values in buckets for value in values)
    found = result(Percentile(percent), buckets)
    if not values:
        assert found is None
        return
    exact = values[math.ceil(percent / 100 * len(values)) - 1]
    assert found == pytest.approx(exact, rel=ERROR * 1.001, abs=SMALLEST)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.one_of(st.text(max_size=3), st.integers(-3, 3), st.booleans()), max_size=20), max_size=8))
def test_few_distinct_values_are_counted_exactly(buckets: list[list[Any]]) -> None:
    distinct = {orjson.dumps(value) for values in buckets for value in values}
    assert (result(PLAIN["distinct"], buckets) or 0) == len(distinct)


@pytest.mark.parametrize("count", [300, 3_000, 10_000, 30_000])
def test_many_distinct_values_are_counted_nearly(count: int) -> None:
    whole, other = Distinct(), Distinct()
    for number in range(count):
        (whole if number % 3 else other).add(f"user-{number}")
        (other if number % 5 else whole).add(f"user-{number}")
    whole.merge(orjson.loads(orjson.dumps(other.stored())))
    assert whole.count() == pytest.approx(count, rel=0.05)  # three standard errors


def test_one_is_one_and_not_the_text_1() -> None:
    assert result(PLAIN["distinct"], [[1, 1.0], ["1", True, 2**63, 2.0**63]]) == 5


@pytest.mark.parametrize(
    ("value", "numbers", "distinct"),
    [
        (1, True, True),
        (-0.0, True, True),
        (2**64 - 1, True, True),
        (1e290, True, True),
        (1e291, False, True),
        ("1", False, True),
        (True, False, True),
        (None, False, False),
        ({"x": 1}, False, False),
        ([1], False, False),
    ],
)
def test_what_is_no_number_is_counted_as_skipped(value: Any, numbers: bool, distinct: bool) -> None:
    for name, counts in (("sum", numbers), ("distinct", distinct), ("count", True)):
        sums = Sums(PLAIN[name])
        sums.merge(EventSums(PLAIN[name], "data.x", [], 1).sum_up([{"type": "t", "data": {"x": value}}]))
        assert (sums.skipped, len(sums.groups)) == ((0, 1) if counts else (1, 0)), name


@pytest.mark.parametrize("data", [{}, {"data": "text"}, {"data": 5}, {"data": None}, {"data_base64": "AAAA"}])
def test_an_event_without_such_data_is_skipped(data: dict[str, Any]) -> None:
    sums = Sums(PLAIN["max"])
    sums.merge(EventSums(PLAIN["max"], "data.x.y", [], 1).sum_up([{"type": "t", **data}]))
    assert (sums.skipped, sums.groups) == (1, {})


def test_groups_are_named_by_their_values_and_bounded() -> None:
    sites: list[Any] = ["north", 7, 1.5, True, "x" * 5000, None, {}, [], ""]
    events: list[dict[str, Any]] = [{"type": "t", "source": "/a", "data": {"site": site}} for site in sites]
    sums = Sums(PLAIN["count"])
    sums.merge(EventSums(PLAIN["count"], "", ["source", "data.site"], 1).sum_up([*events, {"type": "t"}]))
    names = list(sums.groups)
    assert names[:4] == ["/a / north", "/a / 7", "/a / 1.5", "/a / true"]
    assert (len(names), len(names[4])) == (5, 512)


def test_groups_beyond_the_most_are_left_out_and_those_before_go_on() -> None:
    sums = Sums(PLAIN["count"])
    for number in range(MOST_GROUPS + 5):
        sums.add(f"g{number}", None)
    sums.add("g0", None)
    assert (len(sums.groups), sums.has_more, sums.groups["g0"].result()) == (MOST_GROUPS, True, 2)


@pytest.mark.parametrize(
    ("comparator", "met", "met_above"),
    [
        (">", [21, 30, 31], [21, 30, 31]),
        (">=", [20, 21, 30, 31], [20, 21, 30, 31]),
        ("<", [19], []),
        ("<=", [19, 20], []),
        ("between", [20, 21, 30], []),
        ("not_between", [19, 31], [31]),
        ("outside", [19, 20, 30, 31], [30, 31]),
    ],
)
def test_each_comparator_says_which_bounds_it_takes(
    comparator: Comparator, met: list[int], met_above: list[int]
) -> None:
    comparison = Comparison(comparator, 20, 30)
    values = [19, 20, 21, 30, 31]
    assert [value for value in values if comparison.is_met(value)] == met
    assert [value for value in values if comparison.is_met_above(value)] == met_above


@pytest.mark.parametrize("window", [10, 59, 60, 61, 119, 300, 3600, 86400, 100_000, 7 * 86400])
def test_a_window_has_some_sixty_buckets(window: int) -> None:
    width = width_of(window)
    assert width == 1 or 60 <= window / width <= 120
