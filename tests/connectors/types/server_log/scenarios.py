"""The server log in the contract tests: there is no other system that could fail."""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.server_log.schemas import ServerLogConfig, ServerLogParams, ServerLogSecrets
from tests.contract.harness import Scenario


def message(key: int) -> Message[ServerLogParams]:
    return Message(key, f"msg-{key}", ServerLogParams(message=f"event {key}", level="warn"))


@contextmanager
def _log() -> Iterator[Connection[ServerLogConfig, ServerLogSecrets]]:
    yield Connection(1, 1, ServerLogConfig(), ServerLogSecrets())


SCENARIOS = (Scenario("accepts", _log, Reason.OK),)
