"""Find deliveries: what lists, searches and bulk jobs can be narrowed to."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from django.db.models import Max, Q, QuerySet
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from actions import occasions
from actions.models import Action, Delivery, GoneObject
from actions.suppression import Suppression
from connectors.models import Connector
from connectors.outcomes import Reason
from spaces.public_ids import MAX_LENGTH

# What no index answers is looked for among this many of the newest deliveries, and no further.
SEARCHED_ROWS: Final = 100_000
LONGEST_SEARCH: Final = 200
_LARGEST_KEY: Final = 2**63 - 1
# Keys are given out in the order of time but for transactions that run side by side, none of them for longer.
_SLACK: Final = timedelta(minutes=5)
_FEW: Final = 1000
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)

Keys = Mapping[str, Sequence[int]]


def _in_utc(time: datetime) -> datetime:
    """Return the time in UTC, where databases compare it; in another zone it may lie outside the calendar."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("Use a time from the year 1 to the year 9999, in UTC.") from None


Time = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class DeliveryFilter(BaseModel):
    """What deliveries must have in common; each field that is None demands nothing.

    ``rule``, ``action`` and ``connector`` are public ids, ``event`` a key. The times hold from the first moment to
    before the last: ``since`` and ``until`` of the making, the others of the end.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    state: Delivery.State | None = None
    reason: Reason | Suppression | None = None
    rule: str | None = Field(default=None, max_length=MAX_LENGTH)
    action: str | None = Field(default=None, max_length=MAX_LENGTH)
    connector: str | None = Field(default=None, max_length=MAX_LENGTH)
    event: int | None = Field(default=None, ge=1, le=_LARGEST_KEY)
    event_type: str | None = Field(default=None, max_length=255)
    since: Time | None = None
    until: Time | None = None
    finished_since: Time | None = None
    finished_until: Time | None = None
    search: str | None = Field(default=None, min_length=1, max_length=LONGEST_SEARCH)

    @property
    def any_time(self) -> bool:
        """Whether it demands a time by which keys can be narrowed."""
        return any((self.since, self.until, self.finished_until))

    def stored(self) -> dict[str, Any]:
        """Return it as JSON, without what demands nothing."""
        return self.model_dump(mode="json", exclude_none=True)


def keys_named(space_id: int, wanted: DeliveryFilter) -> Keys:
    """Return the keys of the actions and connectors whose ids are demanded, those that were deleted among them."""
    keys: dict[str, list[int]] = {}
    if wanted.action is not None:
        found = Action.objects.filter(space=space_id, public_id=wanted.action)
        keys["action"] = [*found.values_list("pk", flat=True), *_gone_keys("action", space_id, wanted.action)]
    if wanted.connector is not None:
        usable = Connector.objects.filter(Q(space=space_id) | Q(space=None), public_id=wanted.connector)
        keys["connector"] = [
            *usable.values_list("pk", flat=True),
            *_gone_keys("connector", space_id, wanted.connector),
        ]
    return keys


def _gone_keys(kind: str, space_id: int, public_id: str) -> QuerySet[GoneObject, int]:
    gone = GoneObject.objects.filter(Q(space=space_id) | Q(space=None), kind=kind, public_id=public_id)
    return gone.values_list("key", flat=True)


def matching(
    rows: QuerySet[Delivery],
    space_id: int,
    wanted: DeliveryFilter,
    *,
    newest: int | None = None,
    keys: Keys | None = None,
) -> QuerySet[Delivery]:
    """Narrow deliveries of the space to those wanted; ``newest`` is the key that a search goes back from.

    ``keys`` is what ``keys_named`` returned before, for what the ids of the filter named then.
    """
    plain: dict[str, Any] = {
        "state": wanted.state,
        "last_reason": wanted.reason,
        "rule_id": wanted.rule,
        "event_id": wanted.event,
        "created_at__gte": wanted.since,
        "created_at__lt": wanted.until,
        "finished_at__gte": wanted.finished_since,
        "finished_at__lt": wanted.finished_until,
    }
    rows = rows.filter(**{lookup: value for lookup, value in plain.items() if value is not None})
    rows = _within(rows, space_id, wanted)
    # Keys, found beforehand: with a join PostgreSQL sorts all that match before it knows the first page.
    for name, found in (keys_named(space_id, wanted) if keys is None else keys).items():
        rows = rows.filter(**{f"{name}__in": found})
    if wanted.event_type is not None:
        rows = rows.filter(event_id__in=occasions.source().events_of_type(space_id, wanted.event_type))
    if wanted.search is not None or wanted.event_type is not None:
        newest = Delivery.objects.aggregate(newest=Max("pk"))["newest"] or 0 if newest is None else newest
        rows = rows.filter(pk__gt=newest - SEARCHED_ROWS)
    return rows if wanted.search is None else rows.filter(_words(wanted.search))


def _within(rows: QuerySet[Delivery], space_id: int, wanted: DeliveryFilter) -> QuerySet[Delivery]:
    """Narrow by keys what is narrowed by times: lists go by keys, and would be walked through up to those times."""
    newest = Delivery.objects.aggregate(newest=Max("pk"))["newest"] or 0 if wanted.any_time else 0
    if wanted.since is not None:
        rows = rows.filter(pk__gte=_first_made(_shifted(wanted.since, -_SLACK), newest))
    ends = [time for time in (wanted.until, wanted.finished_until) if time is not None]  # none ends before it is made
    if ends:
        rows = rows.filter(pk__lte=_first_made(_shifted(min(ends), _SLACK), newest))
    if wanted.finished_since is not None and wanted.state == Delivery.State.DEAD:
        ended = Delivery.objects.filter(space=space_id, state=wanted.state, finished_at__gte=wanted.finished_since)
        if wanted.finished_until is not None:
            ended = ended.filter(finished_at__lt=wanted.finished_until)
        keys = list(ended.order_by("finished_at").values_list("pk", flat=True)[: _FEW + 1])
        rows = rows.filter(pk__in=keys) if len(keys) <= _FEW else rows
    return rows


def _shifted(time: datetime, by: timedelta) -> datetime:
    """Return the time so much later, or where the calendar ends."""
    try:
        return time + by
    except OverflowError:
        return _LATEST if by > timedelta() else _EARLIEST


def _first_made(time: datetime, newest: int) -> int:
    """Return about the least key of what was made at this time or later, by halving the keys."""
    low, high = 0, newest + 1
    while low < high:
        middle = (low + high) // 2
        found = Delivery.objects.filter(pk__gt=middle, pk__lte=high).order_by("pk")
        made = found.values_list("pk", "created_at").first()
        if made is None or made[1] >= time:
            high = middle
        else:
            low = made[0]
    return low


def _words(search: str) -> Q:
    if search.isdecimal() and search.isascii() and int(search[:20]) <= _LARGEST_KEY:
        return Q(pk=int(search)) | Q(event_id=int(search)) | Q(last_detail__icontains=search)
    try:
        return Q(webhook_id=uuid.UUID(search))
    except ValueError:
        return Q(last_detail__icontains=search) | Q(rule_id__icontains=search)


def successors_of(row: Delivery) -> QuerySet[Delivery]:
    """Return the deliveries that took over from this one: changed by hand, or made by its action's fallback."""
    return Delivery.objects.filter(event_id=row.event_id, rule_id=row.rule_id, former_id=row.pk).order_by("pk")
