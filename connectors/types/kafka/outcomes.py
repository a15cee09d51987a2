"""What an error of Kafka's means for a delivery.

Names that begin with an underscore are errors that librdkafka itself finds (rdkafka.h, rd_kafka_resp_err_t); the others
are what a broker answers (Kafka's protocol guide, error codes).
"""

import re
from typing import Any, Final

from connectors.net.kafka import BLOCKED, Fault
from connectors.outcomes import Outcome, Reason
from connectors.types.answers import clean
from connectors.types.masking import Masker

Meanings = dict[str, tuple[Reason, str]]

MAX_SAID: Final = 500  # characters of what a broker says
# By error: what becomes of the delivery, and what to tell a person.
MEANINGS: Final[Meanings] = {
    # The way to the cluster.
    BLOCKED: (Reason.BLOCKED_TARGET, ""),
    "_RESOLVE": (Reason.RETRY_DNS, "The name of a server could not be resolved."),
    "_TRANSPORT": (Reason.RETRY_CONNECT, "No connection to the cluster."),
    "_SSL": (Reason.RETRY_TLS, "TLS with the cluster failed."),
    "_BAD_MSG": (Reason.RETRY_CONNECT, "What answered does not speak Kafka's protocol."),
    "_TIMED_OUT": (Reason.RETRY_TIMEOUT, "The cluster did not answer in time."),
    "_MSG_TIMED_OUT": (Reason.RETRY_TIMEOUT, "The cluster did not acknowledge the message in time; it may have it."),
    "REQUEST_TIMED_OUT": (Reason.RETRY_TIMEOUT, "The replicas did not acknowledge the message in time."),
    "_QUEUE_FULL": (Reason.RETRY_TIMEOUT, "Too much waits to be sent to the cluster."),
    # The cluster is not as it should be, and is expected to mend itself.
    "NOT_ENOUGH_REPLICAS": (Reason.RETRY_HTTP_5XX, "Fewer replicas are in sync than the topic asks for."),
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": (Reason.RETRY_HTTP_5XX, "Fewer replicas got it than the topic asks for."),
    "_PURGE_QUEUE": (Reason.RETRY_CONNECT, "The connection was given up before the message was sent."),
    "_PURGE_INFLIGHT": (
        Reason.RETRY_CONNECT,
        "The connection was given up while the message was sent; it may be there.",
    ),
    "_FATAL": (Reason.RETRY_CONNECT, "The producer failed for good, and another takes its place."),
    "THROTTLING_QUOTA_EXCEEDED": (Reason.RETRY_429, "A quota of the cluster is used up."),
    # Whom the cluster takes us for.
    "_AUTHENTICATION": (Reason.BAD_CONFIG, "The cluster does not accept the credentials."),
    "SASL_AUTHENTICATION_FAILED": (Reason.BAD_CONFIG, "The cluster does not accept the credentials."),
    "UNSUPPORTED_SASL_MECHANISM": (Reason.BAD_CONFIG, "The cluster does not take this kind of authentication."),
    "CLUSTER_AUTHORIZATION_FAILED": (Reason.BAD_CONFIG, "The cluster does not allow this user idempotent messages."),
    "TOPIC_AUTHORIZATION_FAILED": (Reason.PERMANENT_4XX, "topic: the cluster does not allow this user to write to it."),
    # The message.
    "_UNKNOWN_TOPIC": (Reason.PERMANENT_4XX, "topic: the cluster has no such topic."),
    "UNKNOWN_TOPIC_OR_PART": (Reason.PERMANENT_4XX, "topic: the cluster has no such topic."),
    "TOPIC_EXCEPTION": (Reason.TEMPLATE_ERROR, "topic: the cluster takes no topic of this name."),
    "_UNKNOWN_PARTITION": (Reason.TEMPLATE_ERROR, "partition: the topic has no such partition."),
    "MSG_SIZE_TOO_LARGE": (Reason.TOO_LARGE, "The message is larger than the cluster or the topic allows."),
    "_MSG_SIZE_TOO_LARGE": (Reason.TOO_LARGE, "The message is larger than the connector allows."),
    "RECORD_LIST_TOO_LARGE": (Reason.TOO_LARGE, "The batch is larger than the topic's segments."),
    "INVALID_TIMESTAMP": (Reason.TEMPLATE_ERROR, "timestamp: too far from the cluster's time for this topic."),
    "INVALID_RECORD": (
        Reason.TEMPLATE_ERROR,
        "key: the topic does not take this message; a compacted one needs a key.",
    ),
    "POLICY_VIOLATION": (Reason.PERMANENT_4XX, "The message is against a policy of the cluster."),
    # The settings.
    "INVALID_REQUIRED_ACKS": (Reason.BAD_CONFIG, "The cluster does not take this acknowledgement."),
    "UNSUPPORTED_COMPRESSION_TYPE": (Reason.BAD_CONFIG, "The topic does not take this compression."),
    "_UNSUPPORTED_FEATURE": (Reason.BAD_CONFIG, "The cluster is too old for these settings."),
    "_INVALID_ARG": (Reason.BAD_CONFIG, "librdkafka does not take these settings."),
}
_MISSING: Final = (
    Reason.PERMANENT_4XX,
    "topics: the cluster has no such topic, or none that fits the pattern. It is read once it is there.",
)
# The same for who reads topics.
READING: Final[Meanings] = MEANINGS | {
    "_FATAL": (Reason.RETRY_CONNECT, "The consumer failed for good, and another takes its place."),
    "TOPIC_AUTHORIZATION_FAILED": (
        Reason.PERMANENT_4XX,
        "topics: the cluster does not allow this user to read one of them.",
    ),
    "GROUP_AUTHORIZATION_FAILED": (
        Reason.PERMANENT_4XX,
        "group_id: the cluster does not allow this user to read as a member of this consumer group.",
    ),
    "INVALID_GROUP_ID": (Reason.PERMANENT_4XX, "group_id: the cluster takes no consumer group of this name."),
    "_UNKNOWN_TOPIC": _MISSING,
    "UNKNOWN_TOPIC_OR_PART": _MISSING,
    "TOPIC_EXCEPTION": (Reason.PERMANENT_4XX, "topics: the cluster takes no topic of this name."),
}
# What the docs page says of all this.
RESULTS: Final[dict[str, Reason]] = {
    "an acknowledgement, or with acks none the sending": Reason.OK,
    "no acknowledgement in time: the cluster may have the message": Reason.RETRY_TIMEOUT,
    "no connection, a broken one, an answer that is not Kafka's, a producer that failed for good": Reason.RETRY_CONNECT,
    "the name of a server that cannot be resolved": Reason.RETRY_DNS,
    "a certificate that is not trusted, on either side": Reason.RETRY_TLS,
    "too few replicas in sync, a leader that moves, and other errors that pass": Reason.RETRY_HTTP_5XX,
    "a quota that is used up": Reason.RETRY_429,
    "a topic that is missing or may not be written, a message against a policy of the cluster": Reason.PERMANENT_4XX,
    "a topic, partition, timestamp, key, value or header that cannot be": Reason.TEMPLATE_ERROR,
    "a message larger than the connector, the topic or the cluster allows": Reason.TOO_LARGE,
    "credentials that are refused, settings that the cluster does not take": Reason.BAD_CONFIG,
    "a server, also one that the cluster advertises, that the network policy forbids": Reason.BLOCKED_TARGET,
}
# What can be expected to pass: leaders that move, brokers that start, storage that fails over.
OTHERWISE: Final = (Reason.RETRY_HTTP_5XX, "The cluster did not take the message.")
_OTHERWISE_READING: Final = (Reason.RETRY_HTTP_5XX, "The cluster does not let the topics be read.")
# Of these errors librdkafka's own words, or those of the other side, say which of several things went wrong.
_SPOKEN: Final = frozenset(
    {"_TRANSPORT", "_SSL", "_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "_FATAL", "_INVALID_ARG"}
)
# What stands around those words: server, state, time taken, and the address of a name, which is nobody's business.
_AROUND: Final = re.compile(
    r"^(?:\w+://)?\S+:\d+(?:/\w+)?: |Failed to connect to broker at \S+: |Connect to \S+ failed: "
    r"|\s*\((?:after|while) .*"
    # Of OpenSSL's errors the place in its source and their number, and what librdkafka advises its own callers.
    r"|\S+\.c:\d+:\S+ |error:[0-9A-F]+:SSL routines:\w*:|, verify that ssl\.ca\.location .*|SSL alert number \d+"
)


def reason_for(fault: Fault, meanings: Meanings = MEANINGS) -> Reason:
    """Return what an error means: with MEANINGS for a message, with READING for who reads."""
    if "OAUTHBEARER token" in fault.said:  # the token endpoint's fault, and asked again by itself
        return Reason.RETRY_CONNECT
    if fault.code == "_TRANSPORT":
        if _is_tls(fault):
            return Reason.RETRY_TLS
        if "timed out" in fault.said:
            return Reason.RETRY_TIMEOUT
    return _meaning(fault.code, meanings)[0]


def explain(fault: Fault, masker: Masker, meanings: Meanings = MEANINGS) -> str:
    """Return an error in a line for a person: ours, and what was said where that tells more."""
    if fault.code == BLOCKED:
        return fault.said
    code = "_SSL" if fault.code == "_TRANSPORT" and _is_tls(fault) else fault.code
    ours = _meaning(code, meanings)[1]
    if fault.code in meanings and fault.code not in _SPOKEN:
        return ours
    said = clean(_AROUND.sub("", fault.said)[:MAX_SAID], masker, is_cut=len(fault.said) > MAX_SAID)
    said = " ".join("".join(character if character.isprintable() else " " for character in said).split())
    return f"{ours} {said.rstrip('.:?')}." if said else ours


def _meaning(code: str, meanings: Meanings) -> tuple[Reason, str]:
    return meanings.get(code, _OTHERWISE_READING if meanings is READING else OTHERWISE)


def _is_tls(fault: Fault) -> bool:
    return "SSL" in fault.said or "ssl" in fault.said


def outcome_of(fault: Fault, key: int, duration: float, request: dict[str, Any], masker: Masker) -> Outcome:
    """Return the outcome of a message that was not delivered."""
    return Outcome(key, reason_for(fault), explain(fault, masker), None, duration, request, {"error": fault.code})
