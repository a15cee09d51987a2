"""Bring every secret under the key that encrypts now, while all runs; tell whether the keys are the right ones."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from django.apps import apps
from django.conf import settings
from django.db.models import BinaryField, Count, Model
from django.db.models.functions import Substr
from pydantic import SecretStr

from connectors.fields import SealedField
from connectors.models import AccessToken, Connector, SecretsCanary
from connectors.secrets import KEY_ID_LENGTH, Sealed, UndecryptableSecrets, key_id

_BATCH: Final = 500


@dataclass(slots=True)
class Rotation:
    """What a run did, or would do: how many values, and what none of the keys decrypts."""

    renewed: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


def rotate_secrets(*, dry_run: bool = False) -> Rotation:
    """Encrypt whatever is sealed under another key anew under the first of SECRETS_KEYS.

    Each value is replaced by itself, and only while it is still the one that was read: what somebody changes
    meanwhile stays, and a run that is cut off has lost nothing. Run it again until nothing is left. Access tokens that
    cannot be read are dropped: the next message asks for another.
    """
    rotation = Rotation()
    for model, column in sealed_columns():
        for key in _keys(model):
            _renew(model, column, key, rotation, dry_run=dry_run)
    return rotation


def sealed_columns() -> Iterator[tuple[type[Model], str]]:
    """Yield every column of ciphertext that the installation has."""
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if isinstance(column, SealedField):
                yield model, column.attname


def plant_canary(*, anew: bool = False) -> None:
    """Seal the canary, if there is none yet, or ``anew``: under keys that are not those of what is stored."""
    sealed = Sealed.seal({"canary": SecretStr("tweet")})
    if anew:
        SecretsCanary.objects.update_or_create(pk=SecretsCanary.ONLY, defaults={"sealed": sealed})
    else:
        SecretsCanary.objects.get_or_create(pk=SecretsCanary.ONLY, defaults={"sealed": sealed})


def has_other_keys() -> bool:
    """Whether SECRETS_KEYS are the keys of another database: none opens the canary."""
    canary = SecretsCanary.objects.filter(pk=SecretsCanary.ONLY).first()
    try:
        return canary is not None and not canary.sealed.open()
    except UndecryptableSecrets:
        return True


def lost_keys() -> dict[str, int]:
    """Return the ids of keys that connectors need and SECRETS_KEYS lacks, each with the number of connectors."""
    present = {key_id(key) for key in settings.SECRETS_KEYS}
    beginning = Substr("secrets", 1, KEY_ID_LENGTH + 1, output_field=BinaryField())
    found = Connector.objects.order_by().annotate(beginning=beginning).values_list("beginning").annotate(Count("pk"))
    # SQLite has NULL for a part of nothing.
    counts = {bytes(beginning or b"").decode("ascii", "replace"): count for beginning, count in found}
    needed = {text[:-1]: count for text, count in counts.items() if text.endswith(":")}
    return {key: count for key, count in sorted(needed.items()) if key not in present}


def _keys(model: type[Model]) -> Iterator[int]:
    """Yield every primary key, a batch at a time, so that no cursor stays open over the writes."""
    last: int | None = None
    while True:
        rows = model._default_manager.order_by("pk")
        batch = list((rows if last is None else rows.filter(pk__gt=last)).values_list("pk", flat=True)[:_BATCH])
        yield from batch
        if len(batch) < _BATCH:
            return
        last = batch[-1]


def _renew(model: type[Model], column: str, key: int, rotation: Rotation, *, dry_run: bool) -> None:
    rows = model._default_manager.filter(pk=key)
    # Read again after each clash; whoever keeps writing it keeps it current.
    while (sealed := rows.values_list(column, flat=True).first()) is not None:
        if sealed.is_current:
            rotation.current += bool(sealed.token)
            return
        try:
            renewed = sealed.renewed()
        except UndecryptableSecrets:
            _give_up(model, key, rotation, dry_run=dry_run)
            return
        if dry_run or rows.filter(**{column: sealed}).update(**{column: renewed}):
            rotation.renewed += 1
            return


def _give_up(model: type[Model], key: int, rotation: Rotation, *, dry_run: bool) -> None:
    if model is AccessToken:
        if not dry_run:
            AccessToken.objects.filter(pk=key).delete()
        return
    rotation.unreadable.append(_describe(model, key))


def _describe(model: type[Model], key: int) -> str:
    if model is not Connector:
        return f"{model._meta.verbose_name} {key}"
    row = Connector.objects.select_related("space").get(pk=key)
    place = f'of the space "{row.space.slug}"' if row.space else "of CONNECTORS_FILE"
    return f'connector "{row.public_id}" {place}'
