"""The broker of the embedded shape: kombu's filesystem transport, with files that appear whole.

kombu creates a file and then fills it. Its reader takes the file in between for a message, cannot parse it, and ends
the worker.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose files no reader sees half-written."""

    # kombu's own classes disagree about the name of the second argument.
    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}.msg"
        _write(Path(self.data_folder_out) / name, dumps(payload))

    def _queue_bind(self, exchange: str, routing_key: str | None, pattern: str | None, queue: str | None) -> None:
        file = self.control_folder / f"{exchange}.exchange"
        if not file.exists():
            self.control_folder.mkdir(exist_ok=True)
            _write(file, dumps([(routing_key or "", pattern or "", queue or "")]))
        super()._queue_bind(exchange, routing_key or "", pattern or "", queue or "")


class Transport(filesystem.Transport):
    """Takes ``data_folder_in``, ``data_folder_out`` and ``control_folder`` as transport options."""

    Channel = Channel


def _write(file: Path, text: str) -> None:
    unseen = file.with_name(f".{uuid.uuid4()}.part")
    unseen.write_text(text)
    unseen.replace(file)
