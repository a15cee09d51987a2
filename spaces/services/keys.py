"""Make, check, rotate and revoke API keys."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from spaces import audit
from spaces.models import ApiKey, Space
from spaces.roles import Role
from spaces.validation import clean_name, clean_number, reject

KEY_PREFIX: Final = "sy_"
HIGHEST_RATE: Final = 1_000_000  # requests a minute
LONGEST_OVERLAP: Final = timedelta(days=30)
_NOTED_EVERY: Final = timedelta(minutes=1)


class InvalidKey(Exception):
    """The bearer token is unknown, expired or revoked."""


def create_api_key(
    space: Space,
    name: str,
    expires_at: datetime | None = None,
    *,
    role: str = Role.ADMIN,
    max_requests_per_minute: int | None = None,
) -> tuple[ApiKey, str]:
    """Create a key; return its row and the key itself, which cannot be read again. Raise InvalidInput."""
    if role not in Role.values:
        raise reject("/role", f"Use one of {', '.join(Role.values)}.")
    name = clean_name(name)
    if max_requests_per_minute is not None:
        clean_number(max_requests_per_minute, "/max_requests_per_minute", 1, HIGHEST_RATE)
    if expires_at is not None and expires_at <= timezone.now():
        raise reject("/expires_at", "Name a time to come, or leave it out.")
    token = KEY_PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        key = ApiKey.objects.create(
            space=space,
            name=name,
            role=role,
            prefix=token[:10],
            digest=_digest(token),
            expires_at=expires_at,
            max_requests_per_minute=max_requests_per_minute,
        )
        _record("api_key.create", key)
    return key, token


def rotate_api_key(key: ApiKey, overlap: timedelta = timedelta(hours=24)) -> tuple[ApiKey, str]:
    """Make a key of the same name and role; the former one ends after ``overlap``. Return the new one and its text.

    Raises InvalidInput for a key that is no longer live, or that has a live successor already.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise reject("/overlap", f"Use 0 to {LONGEST_OVERLAP.total_seconds():.0f} seconds.")
    with transaction.atomic():
        row = ApiKey.objects.select_for_update(of=("self",)).select_related("space", "successor").get(pk=key.pk)
        if not row.is_live:
            raise reject("", "This key is no longer live: make another.")
        former = row.successor
        if former is not None and former.is_live:
            raise reject("", f"This key was rotated to {former.prefix}…: rotate that one, or revoke it if it is lost.")
        # Its own end is that of the overlap by now, if it was rotated before.
        made, token = create_api_key(
            row.space,
            row.name,
            former.expires_at if former else row.expires_at,
            role=row.role,
            max_requests_per_minute=row.max_requests_per_minute,
        )
        ends = timezone.now() + overlap
        if row.expires_at is None or row.expires_at > ends:
            row.expires_at = ends
        row.successor = made
        row.version += 1
        row.save(update_fields=["expires_at", "successor", "version"])
        _record("api_key.rotate", row)
    return made, token


def revoke_api_key(key: ApiKey) -> None:
    """Make the key useless at once; revoking twice keeps the first time."""
    with transaction.atomic():
        revoked = {"revoked_at": timezone.now(), "version": F("version") + 1}
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(**revoked):
            _record("api_key.revoke", key)


def authenticate_key(token: str) -> ApiKey:
    """Return the live key behind a bearer token, with its space loaded; raise InvalidKey otherwise.

    The use of a key that has ended stands in the audit log.
    """
    key = ApiKey.objects.select_related("space__usage").filter(digest=_digest(token)).first()
    if key is None:
        raise InvalidKey
    if not key.is_live:
        ended = min(time for time in (key.revoked_at, key.expires_at) if time is not None)
        if _note_use(key, ended):
            _record("api_key.use_after_end", key)
        raise InvalidKey
    _note_use(key)
    return key


def reload_key(key: ApiKey) -> ApiKey:
    """Return the key, and its space, as they are now; raise InvalidKey when it has ended."""
    row = ApiKey.objects.select_related("space").filter(pk=key.pk).first()
    if row is None or not row.is_live:
        raise InvalidKey
    return row


def live_keys(ids: Iterable[int]) -> set[int]:
    """Return those of the keys that are not revoked and whose space is not archived at this moment.

    The busiest query of all: plain SQL, which costs a third of what the ORM's does.
    """
    wanted = list(set(ids))
    if not wanted:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT k.id FROM {ApiKey._meta.db_table} k JOIN {Space._meta.db_table} s ON s.id = k.space_id "  # noqa: S608  constant names
            f"WHERE k.id IN ({', '.join(['%s'] * len(wanted))}) AND k.revoked_at IS NULL AND s.archived_at IS NULL",
            wanted,
        )
        return {row[0] for row in cursor.fetchall()}


def _note_use(key: ApiKey, since: datetime | None = None) -> bool:
    """Note that the key was used now; whether that is news, as it is once a minute and for the first time ``since``."""
    now = timezone.now()
    before = max(now - _NOTED_EVERY, since) if since else now - _NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > before:
        return False
    stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
    return bool(ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now))


def _record(action: str, key: ApiKey) -> None:
    after = {
        "role": key.role,
        "prefix": key.prefix,
        "max_requests_per_minute": key.max_requests_per_minute,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
    }
    audit.record(action, space=key.space_id, object_id=key.prefix, object_name=key.name, after=after)


def _digest(token: str) -> str:
    # A plain hash is enough: the token carries 256 random bits, so it cannot be guessed from its hash.
    return hashlib.sha256(token.encode()).hexdigest()
