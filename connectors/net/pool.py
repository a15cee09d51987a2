"""Keeps idle channels, so that connections stay alive between batches."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from connectors.net.channel import Channel
from connectors.net.policy import NetworkPolicy

# Connections that idle channels of this process may hold open, all together.
MAX_IDLE_CONNECTIONS: Final = 512


class Pool:
    """Lends each key's channels, to one borrower at a time; closes those that were idle the longest."""

    def __init__(self, max_idle_connections: int = MAX_IDLE_CONNECTIONS) -> None:
        self._max = max_idle_connections
        self._lock = threading.Lock()
        self._idle: OrderedDict[Channel, Hashable] = OrderedDict()  # longest idle first

    @contextmanager
    def channel(self, key: Hashable) -> Iterator[Channel]:
        """Lend a channel for what ``key`` stands for, under the policy of now."""
        channel = self._take(key, NetworkPolicy.current())
        try:
            yield channel
        finally:
            self._put_back(key, channel)

    def clear(self) -> None:
        """Close every idle channel."""
        with self._lock:
            closing = list(self._idle)
            self._idle.clear()
        for channel in closing:
            channel.close()

    def _take(self, key: Hashable, policy: NetworkPolicy) -> Channel:
        with self._lock:
            for channel in reversed(self._idle):
                if self._idle[channel] == key and channel.policy == policy:
                    del self._idle[channel]
                    return channel
        return Channel(policy)

    def _put_back(self, key: Hashable, channel: Channel) -> None:
        closing = []
        with self._lock:
            self._idle[channel] = key
            total = sum(idle.weight for idle in self._idle)
            while total > self._max:
                oldest, _ = self._idle.popitem(last=False)
                total -= oldest.weight
                closing.append(oldest)
        for old in closing:
            old.close()


pool: Final = Pool()
