"""The steps of a probe: a session as for entries, and whether the server takes writes."""

import time
from collections.abc import Iterator
from typing import Final

from connectors.net.dialling import CannotConnect
from connectors.net.redis import Argument, Failed, RedisSession, Reply
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.redis_stream.refusals import advice_for, reason_for_sign_in
from connectors.types.redis_stream.sessions import RedisRoute, select, sign_in
from connectors.types.tcp_probe import Stopped, reach, secure

_NO_ANSWER: Final = "Check that this is the port of Redis, and whether it wants TLS."
_PLAIN_ADVICE: Final = "The password is readable on the way: use TLS where the server has it."
_REPLICA: Final = "This server is a replica and takes no entries."
_MASTER_ADVICE: Final = "Enter the address of its master."


def probe_redis(route: RedisRoute, until: float) -> Iterator[Step]:
    """Yield resolve, policy, connect, tls, authenticate, database and role, as far as they go; raise Stopped."""
    config = route.config
    stream = yield from reach(route.policy, route.origin, until)
    session = RedisSession(stream, route.mask)
    try:
        if config.tls:
            yield from secure(stream, route.tls, route.origin.host)
        if command := sign_in(route):
            took = _ask(session, "authenticate", *command)
            advice = "" if config.tls else _PLAIN_ADVICE
            yield Step("authenticate", f"Redis accepts the user {config.username or 'default'}.", took, advice=advice)
        else:
            yield Step("authenticate", "Redis asks for no password.", _ask(session, "authenticate", "PING"))
        if command := select(route):
            yield Step("database", f"Database {config.database} is there.", _ask(session, "database", *command))
        yield _look_at_role(session)
    finally:
        session.close()


def _ask(session: RedisSession, step: str, *command: Argument) -> float:
    """Ask, and return the seconds that it took; raise Stopped when Redis refuses."""
    reply, took = _timed(session, step, *command)
    if isinstance(reply, Failed) and not (command == ("PING",) and reply.code == "NOPERM"):
        raise Stopped(Step(step, f"Redis refuses this: {reply}.", took, reason_for_sign_in(reply), advice_for(reply)))
    return took


def _look_at_role(session: RedisSession) -> Step:
    reply, took = _timed(session, "role", "ROLE")
    if isinstance(reply, list) and reply[:1] == [b"slave"]:
        raise Stopped(Step("role", _REPLICA, took, Reason.RETRY_HTTP_5XX, _MASTER_ADVICE))
    # An ACL may well keep ROLE from a user who only adds entries.
    known = "The server takes writes." if isinstance(reply, list) else "Whether it takes writes shows with an entry."
    return Step("role", known, took)


def _timed(session: RedisSession, step: str, *command: Argument) -> tuple[Reply, float]:
    began = time.monotonic()
    try:
        reply = session.ask(*command)
    except CannotConnect as error:
        raise Stopped(Step(step, error.detail, time.monotonic() - began, error.reason, _NO_ANSWER)) from None
    return reply, time.monotonic() - began
