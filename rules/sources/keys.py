"""Which space an API key opens, remembered for a moment, so that a burst of requests costs one query."""

from hashlib import sha256
from time import monotonic

from spaces.models import ApiKey
from spaces.services import InvalidKey, authenticate_key

SECONDS = 2.0
MOST = 1000

_known: dict[bytes, tuple[float, ApiKey]] = {}


def authenticate(token: str) -> ApiKey:
    """Return the live key behind a bearer token, with its space loaded; raise InvalidKey.

    Each process remembers up to 1,000 keys for 2 seconds, by hash: for so long a change to the space's defaults and
    limits is not seen. That a key is still live is asked again when its events are stored: a revoked one stores none.
    """
    digest = _digest(token)
    until, key = _known.get(digest, (0.0, None))
    if key is None or until < monotonic():
        key = authenticate_key(token)
        if len(_known) >= MOST:
            _known.clear()
        _known[digest] = monotonic() + SECONDS, key
    if not key.is_live:
        raise InvalidKey
    return key


def forget(token: str) -> None:
    """Ask the database about this token the next time."""
    _known.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
