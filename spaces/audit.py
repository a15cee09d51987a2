"""The audit log: who changed what, written in the transaction of the change."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from spaces.models import AuditEntry, Space

MASK: Final = "<secret>"

Kind = AuditEntry.Kind


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from which address."""

    kind: AuditEntry.Kind
    name: str
    address: str | None = None


_SYSTEM: Final = Actor(Kind.SYSTEM, "system")
_actor: ContextVar[Callable[[], Actor]] = ContextVar("actor", default=lambda: _SYSTEM)


@contextmanager
def acting(find_actor: Callable[[], Actor]) -> Iterator[None]:
    """Let ``find_actor`` say who does what the block does; it is asked when something is recorded."""
    token = _actor.set(find_actor)
    try:
        yield
    finally:
        _actor.reset(token)


def current_actor() -> Actor:
    """Return who acts now."""
    return _actor.get()()


def record(
    action: str,
    *,
    space: Space | int | None,
    object_id: str,
    object_name: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry. Of ``before`` and ``after``, JSON with secrets masked, only what differs is kept."""
    if before is not None and after is not None:
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        before = {name: value for name, value in before.items() if name in changed}
        after = {name: value for name, value in after.items() if name in changed}
    actor = current_actor()
    AuditEntry.objects.create(
        space_id=space.pk if isinstance(space, Space) else space,
        actor_kind=actor.kind,
        actor=actor.name[:255],
        address=actor.address,
        action=action,
        object_id=object_id,
        object_name=object_name,
        before=before,
        after=after,
    )
