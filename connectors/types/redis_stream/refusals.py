"""What the refusals of Redis mean for a message.

| refusal | reason |
|---|---|
| LOADING, MASTERDOWN, READONLY, CLUSTERDOWN, TRYAGAIN, BUSY, OOM, MISCONF, NOREPLICAS | retry_http_5xx |
| ERR max number of clients reached | retry_connect |
| NOAUTH, WRONGPASS, DENIED, MOVED, ASK, NOPERM for a command, anything to AUTH and SELECT | bad_config |
| NOPERM for a key, WRONGTYPE, an ID that is not greater than the last, any other ERR | permanent_4xx |

An ID that is not greater than the last, where the entry of that ID has the message's webhook-id, is a success: an
earlier try got there. Sources: the documentation of XADD, ACL, replication and Redis Cluster at redis.io.
"""

from typing import Final

from connectors.net.redis import Failed
from connectors.outcomes import Reason

_PASSING: Final = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
    }
)
_OF_THE_CONNECTION: Final = frozenset({"ASK", "DENIED", "MOVED", "NOAUTH", "WRONGPASS"})
_CLIENTS: Final = "max number of clients"
_NOT_GREATER: Final = "equal or smaller than the target stream top item"
_ADVICE: Final = {
    "READONLY": "This server is a replica: enter the address of its master.",
    "MOVED": "This is a Redis Cluster and the stream is on another of its servers: enter the address of that one.",
    "ASK": "This is a Redis Cluster and the stream is moving to another of its servers.",
    "NOAUTH": "The server wants a password.",
    "WRONGPASS": "Check the user name and the password.",
    "NOPERM": "The ACL user needs +xadd and a pattern for the keys of the streams, such as ~switchyard:*.",
    "OOM": "The server's memory is full: give streams a longest length, or the server more memory.",
    "DENIED": "The server is in protected mode: it takes connections from its own machine, or with a password.",
}
_USUAL_ADVICE: Final = "See what the server itself says in its log."


def reason_for(refusal: Failed) -> Reason:
    """Return what it means that Redis refuses a command in these words."""
    if refusal.code in _PASSING:
        return Reason.RETRY_HTTP_5XX
    if _CLIENTS in refusal.detail:
        return Reason.RETRY_CONNECT
    if refusal.code in _OF_THE_CONNECTION or (refusal.code == "NOPERM" and " key" not in refusal.detail):
        return Reason.BAD_CONFIG
    return Reason.PERMANENT_4XX


def reason_for_sign_in(refusal: Failed) -> Reason:
    """Return what it means that Redis refuses AUTH or SELECT in these words."""
    found = reason_for(refusal)
    return Reason.BAD_CONFIG if found is Reason.PERMANENT_4XX else found


def advice_for(refusal: Failed) -> str:
    """Return what a person can do about it."""
    return _ADVICE.get(refusal.code, _USUAL_ADVICE)


def is_of_message(refusal: Failed) -> bool:
    """Whether the server refuses this one entry, and the connection is as good as before."""
    return reason_for(refusal) is Reason.PERMANENT_4XX


def says_not_greater(refusal: Failed) -> bool:
    """Whether the entry's ID is not greater than the last one."""
    return _NOT_GREATER in refusal.detail
