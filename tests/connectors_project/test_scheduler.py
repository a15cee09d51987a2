"""The scheduler's process ends when it is told to, whatever it is doing."""

import signal
from collections.abc import Iterator

import pytest
from celery.beat import Service
from celery.signals import beat_init

from connectors_project.celery import app


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_scheduler_ends_though_what_it_does_swallows_the_exit(number: signal.Signals) -> None:
    service = Service(app)
    beat_init.send(sender=service)
    handler = signal.getsignal(number)
    assert callable(handler)
    with pytest.raises(SystemExit):
        handler(number, None)
    # As its loop asks before each turn; the exception may be lost on its way there.
    assert service._is_shutdown.is_set()  # type: ignore[attr-defined]  # its stubs leave it out
