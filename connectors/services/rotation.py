"""Bring every secret under the key that encrypts now, while all runs; tell which keys are missing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps
from django.db.models import BinaryField, Count, Model, QuerySet
from django.db.models.functions import Substr

from connectors.fields import SealedField, empty
from connectors.models import AccessToken, Connector, SecretsCanary
from connectors.outcomes import Reason
from connectors.secrets import KEY_ID_LENGTH, Sealed, UndecryptableSecrets, held_key_ids
from connectors.services.canary import WrongKeys, check_canary, plant_canary
from connectors.services.circuits import observe

_BATCH: Final = 500


@dataclass(slots=True)
class Rotation:
    """What a run did, or would do: how many values, and for each that no key opens, whose it is and why."""

    renewed: int = 0
    current: int = 0
    unreadable: list[str] = field(default_factory=list)


def rotate_secrets(*, dry_run: bool = False, accept_loss: bool = False) -> Rotation:
    """Encrypt whatever is sealed under another key anew under the first of SECRETS_KEYS.

    Each value is replaced by itself, and only while it is still the one that was read: what somebody changes
    meanwhile stays, and a run that is cut off has lost nothing. Run it again until nothing is left. Access tokens that
    cannot be read are dropped: the next message asks for another. Connectors whose secrets cannot be read show as
    disconnected.

    Raises WrongKeys and touches nothing when the keys are those of another database, unless ``accept_loss``.
    """
    if not dry_run:
        _require_keys(accept_loss=accept_loss)
    rotation = Rotation()
    for model, column in sealed_columns():
        for key, sealed in _values(model, column):
            _renew(model, column, key, sealed, rotation, dry_run=dry_run)
    return rotation


def sealed_columns() -> Iterator[tuple[type[Model], str]]:
    """Yield every column of ciphertext that the installation has.

    The canary is last: while a run was cut off before its end, nothing starts without the former key.
    """
    for model in sorted(apps.get_models(), key=lambda model: model is SecretsCanary):
        for column in model._meta.concrete_fields:
            if isinstance(column, SealedField):
                yield model, column.attname


def lost_keys() -> dict[str, int]:
    """Return the ids of keys that connectors need and SECRETS_KEYS lacks, each with the number of connectors.

    The empty id stands for values from before keys had ids.
    """
    beginning = Substr("secrets", 1, KEY_ID_LENGTH + 1, output_field=BinaryField())
    sealed = Connector.objects.order_by().exclude(secrets=empty())
    found = sealed.annotate(beginning=beginning).values_list("beginning").annotate(Count("pk"))
    counts = {Sealed(bytes(beginning)).key_id: count for beginning, count in found}
    lost = {key: count for key, count in sorted(counts.items()) if key and key not in held_key_ids()}
    if "" in counts:
        values = sealed.values_list("secrets", flat=True).iterator()
        if nameless := sum(not each.key_id and not each.is_readable for each in values):
            lost[""] = nameless
    return lost


def _require_keys(*, accept_loss: bool) -> None:
    try:
        check_canary()
    except WrongKeys:
        if not accept_loss:
            raise
        plant_canary(anew=True)


def _values(model: type[Model], column: str) -> Iterator[tuple[Any, Sealed]]:
    """Yield primary key and value of every row, a batch at a time, so that no cursor stays open over the writes."""
    rows = model._base_manager.order_by("pk")
    batch = list(rows.values_list("pk", column)[:_BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1][0]).values_list("pk", column)[:_BATCH])


def _renew(
    model: type[Model], column: str, key: Any, sealed: Sealed | None, rotation: Rotation, *, dry_run: bool
) -> None:
    rows = model._base_manager.filter(pk=key)
    while sealed is not None and sealed.token:
        same = rows.filter(**{column: sealed})
        try:
            renewed = sealed.renewed()
        except UndecryptableSecrets as error:
            row = same.first()
            if row is not None:
                _give_up(row, same, error, rotation, dry_run=dry_run)
                return
        else:
            if sealed.is_current:
                rotation.current += 1
                return
            if dry_run or same.update(**{column: renewed}):
                rotation.renewed += 1
                return
        # Somebody changed it meanwhile. That stays, and may be under a former key itself.
        sealed = rows.values_list(column, flat=True).first()


def _give_up(
    row: Model, same: QuerySet[Model], error: UndecryptableSecrets, rotation: Rotation, *, dry_run: bool
) -> None:
    if isinstance(row, AccessToken):
        if not dry_run:
            same.delete()
        return
    rotation.unreadable.append(f"{_describe(row)}: {error}")
    if isinstance(row, Connector) and not dry_run:
        # Nothing here comes and goes, so there is nothing to wait for.
        observe(row.pk, Reason.BAD_CONFIG, str(error), at_once=True)


def _describe(row: Model) -> str:
    if not isinstance(row, Connector):
        return f"{row._meta.verbose_name} {row.pk}"
    place = f'in the space "{row.space.slug}"' if row.space else "of CONNECTORS_FILE"
    return f'connector "{row.public_id}" {place}'
