"""Messages that may go in one request, put together as they come."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Generic

from connectors.types.base import Message, Paced, ParamsT

Batch = Sequence[Message[ParamsT]]


class Gathering(Iterator[Batch[ParamsT]], Generic[ParamsT]):
    """Batches of messages, each of one key. ``messages`` is pulled lazily, as many as go together at a time.

    ``size_of`` says how many may go with a message, itself included; ``key_of`` what those have in common. What is to
    be had at once goes together; nothing waits for a batch to fill.
    """

    def __init__(
        self,
        messages: Iterable[Message[ParamsT]],
        size_of: Callable[[Message[ParamsT]], int],
        key_of: Callable[[Message[ParamsT]], Hashable],
    ) -> None:
        self._messages = iter(messages)
        self._wait = messages.wait if isinstance(messages, Paced) else None
        self._size_of = size_of
        self._key_of = key_of
        self._batches: deque[Batch[ParamsT]] = deque()

    def __next__(self) -> Batch[ParamsT]:
        if self._batches:
            return self._batches.popleft()
        message = next(self._messages)
        size = self._size_of(message)
        if size == 1:
            return (message,)
        self._gather(message, size)
        return self._batches.popleft()

    @property
    def wait(self) -> Callable[[], float] | None:
        """What returns the seconds until the next batch is to be had; None where each is to be had at once."""
        return self._seconds if self._wait else None

    def _seconds(self) -> float:
        return self._wait() if self._wait and not self._batches else 0.0

    def _gather(self, first: Message[ParamsT], size: int) -> None:
        """Take what is to be had at once, up to a full batch, and put together what may go together."""
        taken = {(size, self._key_of(first)): [first]}
        for _ in range(size - 1):
            if self._wait and self._wait() > 0:
                break
            message = next(self._messages, None)
            if message is None:
                break
            taken.setdefault((self._size_of(message), self._key_of(message)), []).append(message)
        for (most, _), batch in taken.items():
            self._batches.extend(batch[start : start + most] for start in range(0, len(batch), most))
