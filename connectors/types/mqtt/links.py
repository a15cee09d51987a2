"""The clients of this process: connections to brokers that outlive a run, each lent to one run at a time."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from connectors.net.dialling import CannotConnect
from connectors.net.mqtt import MqttClient
from connectors.net.mqtt_answers import Answer
from connectors.net.policy import NetworkPolicy
from connectors.types.answers import clean
from connectors.types.masking import Masker
from connectors.types.mqtt.sessions import MqttConnection, session_of

_MOST: Final = 64  # connections of this process that nobody uses
_UNUSED: Final = 600.0  # seconds after which one that nobody used is closed
_LOOK: Final = 1.0  # seconds between two looks after those that nobody uses: the shortest keep alive is 5


class Link:
    """A client of one connector as it is. ``published`` has the answers to what was published, by packet id."""

    def __init__(self, connection: MqttConnection, policy: NetworkPolicy) -> None:
        self.connection = connection
        self.policy = policy
        self.used_at = time.monotonic()
        self.masker = Masker(connection.secrets.plaintexts())
        self._session = session_of(connection, client_id=new_client_id(connection))
        self.timeout = policy.terms_for(self._session.origin, self._session.overrides).timeout
        self._open_anew()

    def _open_anew(self) -> None:
        self.published: deque[tuple[int, Answer]] = deque()
        self.client = MqttClient(self._session, on_published=lambda *answer: self.published.append(answer))

    def reach(self) -> CannotConnect | None:
        """See that there is a connection; return why there is none."""
        try:
            if self.client.is_connected:
                with suppress(CannotConnect):  # it ended while nobody looked
                    self.client.pump(0)
                    return None
            # A client that had messages under way would send them again: they have their outcomes.
            self._open_anew()
            self.client.connect(self.timeout)
        except CannotConnect as error:
            return CannotConnect(error.reason, clean(error.detail, self.masker))
        return None


class Links:
    """Lends the links of this process. Those that nobody uses are kept alive by a thread."""

    def __init__(self) -> None:
        self._idle: dict[int, Link] = {}  # by connector, longest unused first
        self._lock = threading.Lock()
        self._keeper: threading.Thread | None = None

    @contextmanager
    def lend(self, connection: MqttConnection) -> Iterator[Link]:
        """Lend a link for this connector as it is now, and the policy as it is now, to the caller alone."""
        policy = NetworkPolicy.current()
        with self._lock:
            link = self._idle.pop(connection.id, None)
        # Compared as a whole: a row's id and version come again where a database was restored.
        if link is not None and (link.connection != connection or link.policy != policy):
            link.client.disconnect()
            link = None
        if link is None:
            link = Link(connection, policy)
        try:
            yield link
        finally:
            self._put_back(link)

    def close(self) -> None:
        """Close all that nobody uses."""
        with self._lock:
            closing = list(self._idle.values())
            self._idle.clear()
        for link in closing:
            link.client.disconnect()

    def _put_back(self, link: Link) -> None:
        if not link.client.is_connected:
            link.client.drop()
            return
        link.used_at = time.monotonic()
        with self._lock:
            closing = [former] if (former := self._idle.pop(link.connection.id, None)) else []
            self._idle[link.connection.id] = link
            if len(self._idle) > _MOST:
                closing.append(self._idle.pop(next(iter(self._idle))))
            # A thread does not live on in a process that was forked.
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = threading.Thread(target=self._keep, name="mqtt-keeper", daemon=True)
                self._keeper.start()
        for each in closing:
            each.client.disconnect()

    def _keep(self) -> None:
        while True:
            time.sleep(_LOOK)
            with self._lock:
                self._look_after_all(time.monotonic())
                if not self._idle:
                    self._keeper = None
                    return

    def _look_after_all(self, now: float) -> None:
        for key, link in list(self._idle.items()):
            with suppress(CannotConnect):
                link.client.pump(0)
            if not link.client.is_connected or now - link.used_at > _UNUSED:
                del self._idle[key]
                link.client.disconnect()


def new_client_id(connection: MqttConnection) -> str:
    """Return a client id that nobody else has. MQTT 3.1.1 has every broker take 23 letters and digits."""
    return f"{connection.config.client_id or f'switchyard{connection.id}'}-{secrets.token_hex(4)}"
