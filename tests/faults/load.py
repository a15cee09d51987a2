"""A steady load of events that knows which of them were accepted."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BATCH = 20  # events of one request
_PATIENCE = 0.5  # seconds between two tries of the same request


@dataclass
class Load:
    """Sends batches at a rate until it is stopped. A batch that is not answered 2xx is sent again, as it was."""

    url: str  # of the events of a space
    token: str
    rate: float  # events a second
    accepted: set[str] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stopping = threading.Event()
        self._waiting: list[list[str]] = []
        self._wanted = threading.Condition()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(8)]
        self._clock = threading.Thread(target=self._make, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._clock.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Make no more, and return once all that was made is accepted."""
        self._stopping.set()
        self._clock.join()
        with self._wanted:
            self._wanted.notify_all()
        for thread in self._threads:
            thread.join()

    def _make(self) -> None:
        began, made = time.monotonic(), 0
        while not self._stopping.wait(0.01):
            while made + BATCH <= (time.monotonic() - began) * self.rate:
                with self._wanted:
                    self._waiting.append([f"e-{number}" for number in range(made, made + BATCH)])
                    self._wanted.notify()
                made += BATCH

    def _send(self) -> None:
        while True:
            with self._wanted:
                self._wanted.wait_for(lambda: self._waiting or self._stopping.is_set())
                if not self._waiting:
                    return
                ids = self._waiting.pop(0)
            while not self._post(ids):
                time.sleep(_PATIENCE)
            self.accepted.update(ids)

    def _post(self, ids: list[str]) -> bool:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)
        body = json.dumps(
            [{"specversion": "1.0", "id": each, "source": "/chaos", "type": "chaos.tick"} for each in ids]
        )
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", parts.path, body, headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._refused(type(error).__name__)
            return False
        finally:
            connection.close()
        if answer.status not in (200, 202):
            self._refused(str(answer.status))
            return False
        return True

    def _refused(self, why: str) -> None:
        self.refusals[why] = self.refusals.get(why, 0) + 1
