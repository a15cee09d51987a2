"""The producers of this process: one for each connector, kept while it stays as it is."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from connectors.net.brokers import vet
from connectors.net.kafka import Fault, Producer
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.resolver import NameNotFound
from connectors.outcomes import Reason
from connectors.types.answers import clean
from connectors.types.kafka.outcomes import explain, reason_for
from connectors.types.kafka.settings import KafkaConnection, access_of, producer_settings, token_for
from connectors.types.masking import Masker
from connectors.types.oauth2 import NoToken

_MOST: Final = 64  # producers of this process; each has a thread for each server of its cluster
_UNUSED: Final = 600.0  # seconds after which one that nobody used is closed
_SHARE: Final = 0.25  # of a message's own time that its producer may take to reach the cluster
_REMEMBERED: Final = 10.0  # seconds, at the least, for which a topic that is missing stays so
Refusal = tuple[Reason, str]


class Link:
    """A producer for those messages of a connector that have the same time for a try: librdkafka has one for all.

    ``timeout`` None is the connector's own. A link that ``is_spent`` is not used again.
    """

    def __init__(self, connection: KafkaConnection, policy: NetworkPolicy, timeout: float | None) -> None:
        self.connection = connection
        self.policy = policy
        self.is_spent = False
        self.users = 0
        self.made_at = time.monotonic()
        self.used_at = time.monotonic()
        self._access = access_of(connection, policy)
        self._reach_within = limit = self._access.terms.timeout
        self._timeout = limit
        if timeout is not None:
            # The time that it takes to reach the cluster is the message's: it was taken before.
            self._reach_within = min(timeout, limit) * _SHARE
            self._timeout = min(timeout, limit) - self._reach_within
        self._producer: Producer | None = None
        self._has_reached = False
        self._lock = threading.Lock()

    @property
    def masker(self) -> Masker:
        """What takes the connection's secrets out of texts."""
        return self._access.masker

    def mistrust(self) -> None:
        """Note that the cluster lacked what a message needs: a producer remembers that for minutes."""
        if time.monotonic() - self.made_at > _REMEMBERED:
            self.is_spent = True

    @property
    def producer(self) -> Producer:
        """The producer, once ``reach`` has been called."""
        assert self._producer is not None
        return self._producer

    def reach(self) -> Refusal | None:
        """See that the cluster is there, if that is not known yet; return why nothing can be sent to it."""
        with self._lock:
            refusal = self._try_to_reach()
            self.is_spent = self.is_spent or refusal is not None
            return refusal

    def _try_to_reach(self) -> Refusal | None:
        tokens = self._access.tokens
        try:
            if not self._has_reached:
                for server in self._access.servers:
                    vet(self.policy, server)
            if tokens is not None:
                tokens.token()
        except BlockedTarget as error:
            return Reason.BLOCKED_TARGET, str(error)
        except NameNotFound as error:
            return Reason.RETRY_DNS, str(error)
        except NoToken as error:
            return error.failure.reason, clean(error.failure.detail, self.masker)
        if self._producer is None:
            opened = self._open()
            if isinstance(opened, Fault):
                return self._explained(opened)
            self._producer = opened
        if not self._has_reached:
            if fault := self._producer.reach(self._reach_within):
                return self._explained(fault)
            self._has_reached = True
        return None

    def _open(self) -> Producer | Fault:
        connection, access = self.connection, self._access
        tokens = access.tokens
        return Producer.open(
            producer_settings(connection, access, self._timeout),
            access.servers,
            self.policy,
            self._mask,
            None if tokens is None else lambda: token_for(connection, tokens),
        )

    def _mask(self, text: str) -> str:
        return self.masker.mask(text)

    def _explained(self, fault: Fault) -> Refusal:
        return reason_for(fault), explain(fault, self.masker)

    def close(self) -> None:
        """Drop what is under way, and all connections."""
        if self._producer is not None:
            self._producer.close()


class Links:
    """Lends the links of this process; closes those that are spent, replaced, or were not used for long."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._links: OrderedDict[tuple[int, float | None], Link] = OrderedDict()  # longest unused first
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, connection: KafkaConnection, timeout: float | None = None) -> Iterator[Link]:
        """Lend the link for this connector as it is now, and the policy as it is now; several may have it at once."""
        link = self._take(connection, timeout)
        try:
            yield link
        finally:
            self._put_back(link)

    def close(self) -> None:
        """Close all that nobody uses."""
        with self._lock:
            closing = [link for link in self._links.values() if not link.users]
            self._links.clear()
        _close(closing)

    def _take(self, connection: KafkaConnection, timeout: float | None) -> Link:
        policy, key = NetworkPolicy.current(), (connection.id, timeout)
        closing: list[Link] = []
        with self._lock:
            link = self._links.pop(key, None)
            # Compared as a whole: a row's id and version come again where a database was restored.
            if link is not None and (link.is_spent or link.connection != connection or link.policy != policy):
                link.is_spent = True
                closing.append(link)
                link = None
            if link is None:
                link = Link(connection, policy, timeout)
            link.users += 1
            link.used_at = time.monotonic()
            self._links[key] = link
            closing += self._superfluous(link.used_at)
            closing = [each for each in closing if not each.users]
        _close(closing)
        return link

    def _superfluous(self, now: float) -> list[Link]:
        """Take those off the list that are too many or were not used for long."""
        over = len(self._links) - self._most
        taken = [
            key
            for number, (key, link) in enumerate(self._links.items())
            if not link.users and (number < over or now - link.used_at > _UNUSED)
        ]
        return [self._links.pop(key) for key in taken]

    def _put_back(self, link: Link) -> None:
        with self._lock:
            link.users -= 1
            link.used_at = time.monotonic()
            is_over = link.is_spent and not link.users and link not in self._links.values()
        if is_over:
            link.close()


def _close(links: list[Link]) -> None:
    for link in links:
        link.close()
