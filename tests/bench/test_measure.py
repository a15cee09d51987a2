"""A run whose counts differ anywhere fails."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench.ledger import NAIVE, Ledger
from bench.load import Target, requests_of
from bench.measure import CountsDiffer, Pipeline, check_counts
from bench.sink import Sink
from tests.bench.test_sink import post


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline of which one event from before was marked, and one more arrived and was recorded."""
    database = tmp_path / "naive.sqlite3"
    _execute(
        database,
        "CREATE TABLE naive_event (id INTEGER PRIMARY KEY)",
        "CREATE TABLE naive_execution (id INTEGER PRIMARY KEY, status TEXT)",
        "INSERT INTO naive_event DEFAULT VALUES",
        "INSERT INTO naive_execution (status) VALUES ('delivered')",
    )
    ledger = Ledger(database, NAIVE)
    ledger.mark()
    _execute(
        database,
        "INSERT INTO naive_event DEFAULT VALUES",
        "INSERT INTO naive_execution (status) VALUES ('delivered')",
    )
    with Sink() as sink:
        target = Target(sink.port, "/hook", "")
        post(sink, *requests_of(target, "run", 1, 1), answers=1)
        yield Pipeline("naive", target, sink, ledger, {})


def _execute(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_equal_counts_pass(pipeline: Pipeline) -> None:
    check_counts(pipeline, 1)
    assert pipeline.ledger.counts() == {"events": 1, "deliveries": 1, "delivered": 1}


def test_an_event_that_did_not_arrive_fails(pipeline: Pipeline) -> None:
    pipeline.sink.reset()
    with pytest.raises(CountsDiffer, match="'events at the sink': 0"):
        check_counts(pipeline, 1)


def test_an_event_without_a_record_fails(pipeline: Pipeline, tmp_path: Path) -> None:
    _execute(tmp_path / "naive.sqlite3", "UPDATE naive_execution SET status = 'pending'")
    with pytest.raises(CountsDiffer, match="'delivered': 0"):
        check_counts(pipeline, 1)


def test_a_record_too_many_fails(pipeline: Pipeline, tmp_path: Path) -> None:
    _execute(tmp_path / "naive.sqlite3", "INSERT INTO naive_execution (status) VALUES ('delivered')")
    with pytest.raises(CountsDiffer, match="'delivered': 2"):
        check_counts(pipeline, 1)
