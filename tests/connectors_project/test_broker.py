"""The embedded broker hands over each wake-up whole, while others are being written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue


class Midway:
    """A header that runs ``look`` while the message around it is being written."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look

    def __json__(self) -> str:
        self._look()
        return "looked"


def connect(folder: Path) -> Connection:
    return Connection(
        "filesystem://localhost//",
        transport="connectors_project.broker:Transport",
        transport_options={
            "data_folder_in": str(folder),
            "data_folder_out": str(folder),
            "control_folder": str(folder / "control"),
        },
    )


def test_a_reader_never_takes_a_message_that_is_half_written(tmp_path: Path) -> None:
    looks = []
    with (
        connect(tmp_path) as writing,
        connect(tmp_path) as reading,
        writing.SimpleQueue("wake-ups") as written,
        reading.SimpleQueue("wake-ups") as read,
    ):

        def look() -> None:
            looks.append(True)
            assert is_empty(read)

        written.put({"number": 1}, headers={"midway": Midway(look)})
        assert looks
        message = read.get(timeout=10)
        message.ack()
        assert message.payload == {"number": 1}
        assert is_empty(read)


def is_empty(queue: SimpleQueue) -> bool:
    with pytest.raises(queue.Empty):
        queue.get_nowait()
    return True
