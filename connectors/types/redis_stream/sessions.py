"""Sessions with Redis: opened, used for one batch after another, and put aside in between."""

from collections.abc import Sequence

from connectors.net.dialling import CannotConnect
from connectors.net.redis import Command, Failed, RedisSession, Reply
from connectors.types.redis_stream.entries import Entry
from connectors.types.redis_stream.refusals import is_of_message, reason_for_sign_in, says_not_greater
from connectors.types.redis_stream.schemas import RedisStreamConfig, RedisStreamSecrets
from connectors.types.tcp import Route

RedisRoute = Route[RedisStreamConfig, RedisStreamSecrets, RedisSession]


def add(route: RedisRoute, entries: Sequence[Entry], until: float) -> tuple[list[Reply], CannotConnect | None]:
    """Add entries by ``until`` (monotonic), in their order; return the replies, and why there are no more of them."""
    session = None
    try:
        session = route.take()
        if session is None:
            session = open_session(route, until)
        session.stream.until = until
        replies, ended = session.ask_all([entry.command for entry in entries])
        if ended is None:
            replies = [_recognise(session, entry, reply) for entry, reply in zip(entries, replies, strict=True)]
    except CannotConnect as error:
        replies, ended = [], error
    if session is not None:
        # What the server says of itself, such as that it is a replica by now, may be another's answer next time.
        if ended is not None or any(isinstance(reply, Failed) and not is_of_message(reply) for reply in replies):
            session.close()
        else:
            route.keep(session)
    return replies, ended


def open_session(route: RedisRoute, until: float) -> RedisSession:
    """Return a session that is signed in, with the database chosen; raise CannotConnect."""
    session = RedisSession(route.connect(until, with_tls=route.config.tls), route.mask)
    try:
        for what, command in (("the sign-in", sign_in(route)), ("the database", select(route))):
            if command and isinstance(refusal := session.ask(*command), Failed):
                raise CannotConnect(reason_for_sign_in(refusal), f"Redis refuses {what}: {refusal}.")
    except BaseException:
        session.close()
        raise
    return session


def sign_in(route: RedisRoute) -> Command:
    """Return the command that signs in; an empty one where there is no password."""
    secret = route.secrets.password
    if not secret:
        return ()
    user = [route.config.username] if route.config.username else []
    return ("AUTH", *user, secret.get_secret_value())


def select(route: RedisRoute) -> Command:
    """Return the command that chooses the database; an empty one for the first."""
    return ("SELECT", route.config.database) if route.config.database else ()


def _recognise(session: RedisSession, entry: Entry, reply: Reply) -> Reply:
    """Return the ID as the reply where an earlier try has added the entry already, and its own reply was lost."""
    if entry.chosen_id is None or not isinstance(reply, Failed) or not says_not_greater(reply):
        return reply
    entry_id = entry.chosen_id if "-" in entry.chosen_id else f"{entry.chosen_id}-0"
    return entry_id.encode() if entry.is_in(session.ask("XRANGE", entry.stream, entry_id, entry_id)) else reply
