"""Use cases of spaces and API keys."""

import hashlib
import secrets
from datetime import datetime

from django.db.models import F
from django.utils import timezone

from spaces.models import ApiKey, Space

KEY_PREFIX = "sy_"


class InvalidKey(Exception):
    """The bearer token is unknown, expired or revoked."""


def bump_config_revision(space_id: int) -> None:
    """Tell every worker that a connector, action or rule of the space changed."""
    Space.objects.filter(pk=space_id).update(config_revision=F("config_revision") + 1)


def create_api_key(space: Space, name: str, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """Create a key; return its row and the key itself, which cannot be read again."""
    token = KEY_PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(space=space, name=name, prefix=token[:10], digest=_digest(token), expires_at=expires_at)
    return key, token


def revoke_api_key(key: ApiKey) -> None:
    """Make the key useless; revoking twice keeps the first time."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())


def authenticate_key(token: str) -> ApiKey:
    """Return the live key behind a bearer token, with its space loaded; raise InvalidKey otherwise."""
    key = ApiKey.objects.select_related("space").filter(digest=_digest(token)).first()
    if key is None or not key.is_live:
        raise InvalidKey
    return key


def _digest(token: str) -> str:
    # A plain hash is enough: the token carries 256 random bits, so it cannot be guessed from its hash.
    return hashlib.sha256(token.encode()).hexdigest()
