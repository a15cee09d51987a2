"""Access tokens that token endpoints gave out, kept encrypted and shared by all processes."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from pydantic import SecretStr

from connectors.models import AccessToken
from connectors.secrets import Sealed, UndecryptableSecrets


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token (RFC 6750) and when it ends."""

    text: SecretStr
    expires_at: datetime


def load_token(connector_id: int, version: int) -> Token | None:
    """Return the token that was given out for this version of the connector, if one is kept and can be read."""
    row = AccessToken.objects.filter(connector_id=connector_id, version=version).first()
    if row is None:
        return None
    try:
        return Token(row.token.open()["token"], row.expires_at)
    except (UndecryptableSecrets, KeyError):
        return None


def keep_token(connector_id: int, version: int, token: Token) -> None:
    """Keep a token in place of the one before; a connector that is gone meanwhile keeps none."""
    try:
        with transaction.atomic():
            AccessToken.objects.update_or_create(
                connector_id=connector_id,
                defaults={
                    "version": version,
                    "token": Sealed.seal({"token": token.text}),
                    "expires_at": token.expires_at,
                },
            )
    except IntegrityError:
        return


def drop_token(connector_id: int, version: int) -> None:
    """Forget the token of this version: the system no longer takes it."""
    AccessToken.objects.filter(connector_id=connector_id, version=version).delete()
