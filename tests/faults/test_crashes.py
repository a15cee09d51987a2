"""Whatever is killed, an event that was answered 202 is delivered; again only where it was under way."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.installation import QUICK, Wired, event, wired
from tests.servers import RedisServer, kill

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=["server", "embedded"])
def installation(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, broker: RedisServer
) -> Iterator[Wired]:
    servers = {"database_url": database_url, "broker_url": broker.url} if request.param == "server" else {}
    with wired(tmp_path, **servers) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, database_url: str, broker: RedisServer) -> Iterator[Wired]:
    with wired(tmp_path, database_url=database_url, broker_url=broker.url) as running:
        yield running


def ids(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def test_a_worker_killed_in_mid_delivery_loses_nothing(installation: Wired) -> None:
    installation.receiver.hold = True
    installation.send(*ids("held", 5))
    under_way = installation.receiver.wait_for(5)
    (worker,) = installation.switchyard.workers
    kill(worker)
    installation.switchyard.workers.clear()
    installation.receiver.hold = False
    installation.receiver.release.set()
    installation.send(*ids("later", 5))
    installation.switchyard.start_worker()

    installation.settle()

    arrived = Counter(installation.received_ids)
    assert set(arrived) == {*ids("held", 5), *ids("later", 5)}
    # What was under way came again, as the same message; nothing else did.
    assert {event_id for event_id, times in arrived.items() if times > 1} == set(ids("held", 5))
    first = {request.headers["webhook-id"] for request in under_way}
    assert len(set(installation.receiver.webhook_ids)) == 10
    assert all(installation.receiver.webhook_ids.count(webhook_id) == 2 for webhook_id in first)
    status, log = installation.call("GET", "event-log?outcome=unknown")
    assert status == 200
    assert {entry["reason"] for entry in log["results"]} == {"lost_lease"}


def test_what_the_only_worker_held_when_killed_goes_out_within_ten_seconds_of_the_end_of_its_lease(
    installation: Wired,
) -> None:
    installation.receiver.hold = True
    installation.send("held")
    installation.receiver.wait_for(1)
    (worker,) = installation.switchyard.workers
    kill(worker)
    installation.switchyard.workers.clear()
    installation.receiver.hold = False
    installation.receiver.release.set()
    installation.switchyard.start_worker()

    lease = float(QUICK["LEASE_SECONDS"])
    installation.receiver.wait_for(2, within=lease + 10)

    assert installation.received_ids == ["held", "held"]
    installation.settle()


def test_web_killed_after_its_202_loses_nothing(installation: Wired) -> None:
    (worker,) = installation.switchyard.workers
    kill(worker)
    installation.switchyard.workers.clear()
    installation.send(*ids("kept", 20))
    assert installation.switchyard.web is not None
    kill(installation.switchyard.web)
    installation.switchyard.start_web()
    installation.switchyard.start_worker()

    installation.settle()

    assert Counter(installation.received_ids) == Counter(ids("kept", 20))


def test_a_flushed_redis_loses_nothing(server: Wired, broker: RedisServer) -> None:
    for round_ in range(5):
        server.send(*ids(f"round{round_}", 20))
        broker.flush()

    server.settle()

    assert Counter(server.received_ids) == Counter(f"round{r}-{n}" for r in range(5) for n in range(20))


def test_ingest_answers_202_within_a_second_while_redis_is_down(server: Wired, broker: RedisServer) -> None:
    broker.stop()
    took = []
    for number in range(10):
        began = time.monotonic()
        status, _ = server.call("POST", "events", event(f"down-{number}"))
        took.append(time.monotonic() - began)
        assert status == 202
    broker.start()

    server.settle()

    assert max(took) < 1.0, took
    assert Counter(server.received_ids) == Counter(ids("down", 10))


def test_sigterm_finishes_what_is_under_way_and_doubles_nothing(installation: Wired) -> None:
    installation.receiver.hold = True
    installation.send(*ids("held", 3))
    installation.receiver.wait_for(3)
    (worker,) = installation.switchyard.workers
    worker.terminate()
    installation.send(*ids("later", 50))
    installation.receiver.hold = False
    installation.receiver.release.set()
    assert worker.wait(20) == 0
    installation.switchyard.workers.clear()
    installation.switchyard.start_worker()

    installation.settle()

    assert Counter(installation.received_ids) == Counter([*ids("held", 3), *ids("later", 50)])
