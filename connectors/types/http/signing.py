"""Signatures of messages: Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks)."""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import SecretStr

from connectors.types.http.credentials import HttpSecrets

OVERLAP: Final = timedelta(hours=24)  # that a secret which was replaced signs along
_MOST_FORMER: Final = 4


def sign(keys: Iterable[bytes], message_id: str, timestamp: str, body: bytes | None) -> str:
    """Return the value of the header ``webhook-signature``: one signature for each key."""
    content = f"{message_id}.{timestamp}.".encode() + (body or b"")
    return " ".join(f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys)


def succeed(former: HttpSecrets, secrets: HttpSecrets) -> HttpSecrets:
    """Return ``secrets`` with the signing secret that they replace, and those before it that still sign along."""
    if secrets.signing_secret is None:
        return secrets.model_copy(update={"former_signing_secrets": None})
    if former.signing_secret is None or former.signing_secret == secrets.signing_secret:
        return secrets
    now = datetime.now(UTC)
    lines = [f"{former.signing_secret.get_secret_value()} {(now + OVERLAP).isoformat()}"]
    lines += [f"{secret} {until.isoformat()}" for secret, until in former.former_secrets() if until > now]
    return secrets.model_copy(update={"former_signing_secrets": SecretStr("\n".join(lines[:_MOST_FORMER]))})
