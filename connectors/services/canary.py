"""The canary: one sealed value by which a process sees, before it serves, whether it has the keys of its database."""

from typing import Final

from pydantic import SecretStr

from connectors.fields import empty
from connectors.models import Connector, SecretsCanary
from connectors.secrets import Sealed, held_key_ids


class WrongKeys(Exception):
    """SECRETS_KEYS are not the keys of this database; the text says which are there and which is needed."""

    ADVICE: Final = (
        "Put the former keys back; docs/secrets.md tells how to find the right one. "
        "Where they are lost for good: manage.py rotate_secrets --accept-loss."
    )


def plant_canary(*, anew: bool = False) -> None:
    """Seal the canary, if there is none yet, or ``anew``: under keys that are not those of what is stored."""
    if anew or _planted() is None:
        sealed = Sealed.seal({"canary": SecretStr("tweet")})
        SecretsCanary.objects.update_or_create(pk=SecretsCanary.ONLY, defaults={"sealed": sealed})


def check_canary() -> None:
    """Raise WrongKeys when no key in SECRETS_KEYS opens the canary.

    Where there is none yet, as in a database from before it, the connectors' secrets stand in for it: one that opens
    will do.
    """
    canary = _planted()
    if canary is None:
        if not _opens_something():
            raise WrongKeys(f"No key in SECRETS_KEYS opens any of the secrets in this database. {_held()}")
    elif not canary.is_readable:
        needed = "SECRETS_KEYS does not open the canary of this database"
        if canary.key_id and canary.key_id not in held_key_ids():
            needed = f"This database needs the key {canary.key_id}, which SECRETS_KEYS does not hold"
        raise WrongKeys(f"{needed}. {_held()}")


def _planted() -> Sealed | None:
    """Return the canary. An empty one came out of a dump, which carries no ciphertext, and is as good as none."""
    canary = SecretsCanary.objects.filter(pk=SecretsCanary.ONLY).first()
    return canary.sealed if canary is not None and canary.sealed.token else None


def _opens_something() -> bool:
    """Whether the secrets of any connector open, or there are none."""
    stored = Connector.objects.order_by().exclude(secrets=empty()).values_list("secrets", flat=True)
    return not stored.exists() or any(sealed.is_readable for sealed in stored.iterator())


def _held() -> str:
    return f"It holds: {', '.join(held_key_ids())}."
