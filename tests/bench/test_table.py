"""The table shows medians, the spread, and only columns that have a figure."""

from bench.table import Figure, Row, render


def test_a_figure_is_the_median_with_half_the_spread() -> None:
    assert str(Figure([900, 1_000, 1_300])) == "1,000 ±20%"
    assert str(Figure([1.25], 1)) == "1.2"


def test_rows_are_aligned_and_hold_their_own_columns() -> None:
    rows = [Row("a", "batches", 40_000, {"per s": Figure([10])}), Row("bb", "singles", 5, {"ms": Figure([2.5], 1)})]
    assert render(rows).splitlines() == [
        "pipeline  load     events  per s   ms",
        "--------  -------  ------  -----  ---",
        "a         batches  40,000     10",
        "bb        singles       5         2.5",
    ]
