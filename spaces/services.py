"""Use cases of spaces and API keys."""

import hashlib
import secrets
from datetime import datetime
from typing import TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from spaces.errors import FieldError, InvalidInput
from spaces.models import ApiKey, Space
from spaces.validation import Findings, check_storable, clean_name, clean_public_id, distinct_id, extend, reject

KEY_PREFIX = "sy_"
# What the types of the installation's own events begin with; nobody else sends such.
OWN_EVENTS = "switchyard."


class SpaceChanges(TypedDict, total=False):
    """What may be changed of a space."""

    name: str
    description: str
    color: str
    default_event_type: str
    default_event_source: str


class InvalidKey(Exception):
    """The bearer token is unknown, expired or revoked."""


def create_space(slug: str, name: str, description: str = "") -> Space:
    """Create a space; raise InvalidInput."""
    found = Findings()
    with found.gather():
        slug = clean_public_id(slug, "space")
    with found.gather():
        name = clean_name(name)
    with found.gather():
        check_storable(description, "/description")
    found.raise_any()
    with distinct_id(Space.objects.all(), slug=slug):
        return Space.objects.create(slug=slug, name=name, description=description)


def update_space(space: Space, **changes: Unpack[SpaceChanges]) -> Space:
    """Change a space and return it as it now is; raise InvalidInput, or Space.DoesNotExist when it is gone."""
    with transaction.atomic():
        row = Space.objects.select_for_update().get(pk=space.pk)
        for field, value in changes.items():
            setattr(row, field, value)
        found = Findings()
        with found.gather():
            row.name = clean_name(row.name)
        with found.gather():
            check_storable(changes, "")
        with found.gather():
            _check_fields(row)
        found.raise_any()
        row.save()
        bump_config_revision(row.pk)
    return row


def bump_config_revision(space_id: int | None) -> None:
    """Tell every worker that a connector, action or rule of the space changed; None: of every space."""
    spaces = Space.objects.all() if space_id is None else Space.objects.filter(pk=space_id)
    spaces.update(config_revision=F("config_revision") + 1)


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


def _check_fields(space: Space) -> None:
    if space.default_event_type.startswith(OWN_EVENTS):
        raise reject("/default_event_type", f"Types that begin with {OWN_EVENTS} are for the installation itself.")
    try:
        space.clean_fields()
    except ValidationError as error:
        raise InvalidInput(
            FieldError(extend("", field), text) for field, texts in error.message_dict.items() for text in texts
        ) from None


def _digest(token: str) -> str:
    # A plain hash is enough: the token carries 256 random bits, so it cannot be guessed from its hash.
    return hashlib.sha256(token.encode()).hexdigest()
