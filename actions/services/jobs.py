"""Bulk jobs: send again, or cancel, every delivery that matches a filter."""

import uuid
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from actions.engine.clock import database_time
from actions.models import ENDED, Delivery, DeliveryJob
from actions.services.browse import DeliveryFilter, Keys, keys_named, matching
from actions.services.cancel import cancel_rows
from actions.services.replay import replay_rows
from actions.wakeups import wake
from spaces import audit
from spaces.errors import ReadOnly
from spaces.models import Space
from spaces.validation import check_storable, clean_number, parse_model, reject

WORK: Final = "actions.tasks.work_jobs"
USUAL_RATE: Final = 50
HIGHEST_RATE: Final = 1000
_AT_ONCE: Final = 1000  # deliveries of one batch, which is one transaction

Kind = DeliveryJob.Kind
State = DeliveryJob.State
_WAITING: Final = (Delivery.State.PENDING, Delivery.State.LEASED)


def read_filter(kind: str, wanted: dict[str, object]) -> DeliveryFilter:
    """Return the filter of a job of this kind; raise InvalidInput.

    Without a state it is of dead deliveries where they are sent again, of waiting ones where they are cancelled.
    """
    check_storable(wanted, "/filter")
    parsed = parse_model(DeliveryFilter, wanted, "/filter")
    usual, allowed = (Delivery.State.DEAD, ENDED) if kind == Kind.REPLAY else (Delivery.State.PENDING, _WAITING)
    if parsed.state is None:
        return parsed.model_copy(update={"state": usual})
    if parsed.state not in allowed:
        done = "sent again" if kind == Kind.REPLAY else "cancelled"
        raise reject("/filter/state", f"Only what is {' or '.join(allowed)} can be {done}.")
    return parsed


def count_matching(space: Space, wanted: DeliveryFilter, keys: Keys | None = None) -> int:
    """Return how many deliveries match now."""
    return matching(Delivery.objects.filter(space=space), space.pk, wanted, keys=keys).order_by().count()


def start_job(
    space: Space, kind: str, wanted: DeliveryFilter, *, rate: int = USUAL_RATE, key: uuid.UUID | None = None
) -> DeliveryJob:
    """Start a job on what matches now, at ``rate`` deliveries a second; raise InvalidInput.

    Of the same ``key`` there is one in a space: the second call returns it.
    """
    clean_number(rate, "/rate", 1, HIGHEST_RATE)
    try:
        with transaction.atomic():
            keys = keys_named(space.pk, wanted)
            job = DeliveryJob.objects.create(
                space=space,
                kind=kind,
                filter=wanted.stored(),
                keys=keys,
                rate=rate,
                key=key or uuid.uuid4(),
                total=count_matching(space, wanted, keys),
                last=Delivery.objects.aggregate(last=Max("pk"))["last"] or 0,
                created_by=audit.current_actor().name[:255],
            )
            job.refresh_from_db(fields=["created_at"])
            pace = {"rate": rate} if kind == Kind.REPLAY else {}
            _record(f"delivery.bulk_{kind}", job, after={"filter": job.filter, "total": job.total, **pace})
            transaction.on_commit(lambda: wake(WORK))
    except IntegrityError:
        if key is None or (same := DeliveryJob.objects.filter(space=space, key=key).first()) is None:
            raise
        return same
    return job


def cancel_job(job: DeliveryJob) -> DeliveryJob:
    """Stop a job for good; what it has done stays done. Raises ReadOnly where it has ended."""
    return _move(job, State.CANCELLED, of=(State.RUNNING, State.PAUSED))


def pause_job(job: DeliveryJob) -> DeliveryJob:
    """Stop a job until it is resumed. Raises ReadOnly where it is not running."""
    return _move(job, State.PAUSED, of=(State.RUNNING,))


def resume_job(job: DeliveryJob) -> DeliveryJob:
    """Let a paused job go on from where it stopped. Raises ReadOnly where it is not paused."""
    return _move(job, State.RUNNING, of=(State.PAUSED,))


def work_jobs() -> None:
    """Work off what the rates of the running jobs allow by now."""
    running = DeliveryJob.objects.filter(state=State.RUNNING, space__archived_at=None)
    for key in list(running.order_by("pk").values_list("pk", flat=True)):
        while work_batch(key):
            pass


def work_batch(job_id: int) -> bool:
    """Do one batch of a job in one transaction; return whether another may follow at once.

    Nothing is done where the job does not run, its space is archived, or another process has it.
    """
    with transaction.atomic():
        job = (
            DeliveryJob.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(pk=job_id, state=State.RUNNING, space__archived_at=None)
            .first()
        )
        if job is None:
            return False
        now = database_time()
        begin = max(job.paced_until or now, now)
        room = _room(job, begin, now)
        if room < 1:
            return False
        rows = list(_left(job).order_by("pk").select_for_update()[:room])
        _carry_out(job, rows, begin)
        # Rows that changed while their lock was waited for are missing, so that fewer need not be the last.
        if len(rows) < room and not _left(job).exists():
            job.state, job.finished_at = State.DONE, now
        job.save(update_fields=["done", "refused", "last_refusal", "position", "paced_until", "state", "finished_at"])
        return bool(rows) and job.state == State.RUNNING


def _room(job: DeliveryJob, begin: datetime, now: datetime) -> int:
    """Return how many deliveries may be taken now: for a replay, what its rate allows until the sweep after the next.

    They fall due one by one, so that no burst comes of it.
    """
    if job.kind == Kind.CANCEL:
        return _AT_ONCE
    ahead = now + timedelta(seconds=2 * settings.SWEEP_SECONDS) - begin
    return min(_AT_ONCE, int(ahead.total_seconds() * job.rate))


def _left(job: DeliveryJob) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(space=job.space_id, pk__gt=job.position, pk__lte=job.last)
    if job.kind == Kind.REPLAY:
        # What ended later was not asked for; of what this job sent again, nothing is met a second time.
        rows = rows.filter(finished_at__lte=job.created_at)
    wanted = DeliveryFilter.model_validate(job.filter)
    # Whatever has become of what the ids named when it was asked for.
    return matching(rows, job.space_id, wanted, newest=job.last, keys=job.keys)


def _carry_out(job: DeliveryJob, rows: list[Delivery], begin: datetime) -> None:
    if not rows:
        return
    refusals: dict[int, str] = {}
    if job.kind == Kind.REPLAY:
        refusals = replay_rows(rows, since=begin, apart=1 / job.rate)
        job.paced_until = begin + timedelta(seconds=(len(rows) - len(refusals)) / job.rate)
    else:
        cancel_rows([row for row in rows if not row.cancel_asked])
    job.position = rows[-1].pk
    job.done += len(rows) - len(refusals)
    job.refused += len(refusals)
    if refusals:
        job.last_refusal = refusals[max(refusals)]


def _move(job: DeliveryJob, state: DeliveryJob.State, *, of: tuple[DeliveryJob.State, ...]) -> DeliveryJob:
    with transaction.atomic():
        row = DeliveryJob.objects.select_for_update().get(pk=job.pk)
        if row.state not in of:
            raise ReadOnly(f"The job {row.pk} is {row.state}; only one that is {' or '.join(of)} can be that.")
        before = row.state
        row.state = state
        row.finished_at = timezone.now() if state == State.CANCELLED else None
        row.save(update_fields=["state", "finished_at"])
        _record(f"delivery.bulk_{row.kind}.{state}", row, before={"state": before}, after={"state": state})
        transaction.on_commit(lambda: wake(WORK))
    return row


def _record(what: str, job: DeliveryJob, *, after: dict[str, object], before: dict[str, object] | None = None) -> None:
    audit.record(what, space=job.space_id, object_id=str(job.pk), before=before, after=after)
