"""Preconfigured connectors: what CONNECTORS_FILE says, kept as rows without a space."""

import logging
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.utils import timezone
from pydantic import SecretStr

from connectors.installation.reading import InstallationFile, Problem, installation_file
from connectors.installation.schemas import PreconfiguredSection
from connectors.models import Connector
from connectors.secrets import Sealed, UndecryptableSecrets
from connectors.services.deletion import is_used
from connectors.services.lifecycle import ConnectorChanges, clean_labels, clean_limits, described
from connectors.services.settings import check_config, parse_secrets
from connectors.services.status import settle_status
from connectors.signals import connector_deleted
from connectors.types.base import Config, Secrets
from connectors.types.registry import get_enabled_type, get_type, require_type
from spaces import audit
from spaces.errors import FieldError, InvalidInput
from spaces.services import bump_config_revision
from spaces.validation import Findings, clean_public_id, extend, reject

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Synced:
    """What one run changed, as public ids; ``shadowed`` are those that a space's own connector hides there."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    shadowed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Checked:
    section: PreconfiguredSection
    config: Config
    secrets: Secrets


def check_preconfigured(file: InstallationFile) -> list[Problem]:
    """Return what is wrong with the connectors of the file, each with its line and key."""
    found = Findings()
    seen: set[str] = set()
    for position, section in enumerate(file.connectors):
        place = f"/connectors/{position}"
        with found.gather():
            if section.id in seen:
                raise reject(f"{place}/id", f'The ID "{section.id}" stands in this file twice.')
        seen.add(section.id)
        with found.gather():
            _check(section, place)
    try:
        found.raise_any()
    except InvalidInput as invalid:
        return [file.problem(error) for error in invalid.errors]
    return []


def sync_preconfigured() -> Synced:
    """Make the preconfigured connectors what CONNECTORS_FILE says. May run again, and in several processes at once.

    One that the file no longer has is deleted; while actions use it, it stays, disabled.
    """
    try:
        synced = _sync()
    except IntegrityError:
        synced = _sync()  # another process made them in the same moment: now they are there
    for public_id, space in synced.shadowed:
        logger.warning('In the space "%s" the preconfigured connector "%s" is hidden by its own one.', space, public_id)
    return synced


def _sync() -> Synced:
    synced = Synced()
    sections = installation_file().connectors
    with transaction.atomic():
        rows = {row.public_id: row for row in Connector.objects.select_for_update().filter(space=None)}
        for position, section in enumerate(sections):
            checked = _check(section, f"/connectors/{position}")
            _put(rows.pop(section.id, None), checked, synced)
        for row in rows.values():
            _remove(row, synced)
        if synced.created or synced.updated or synced.deleted or synced.disabled:
            bump_config_revision(None)
    synced.shadowed = shadowed_ids()
    return synced


def shadowed_ids() -> list[tuple[str, str]]:
    """Return (public id, space) of each saved connector that hides a preconfigured one."""
    ids = Connector.objects.filter(space=None).values("public_id")
    saved = Connector.objects.filter(space__isnull=False, public_id__in=ids)
    return list(saved.order_by("public_id", "space__slug").values_list("public_id", "space__slug"))


def _check(section: PreconfiguredSection, place: str) -> _Checked:
    """Return the connector, checked by its type; raise InvalidInput with pointers into the file."""
    try:
        return _check_section(section)
    except InvalidInput as invalid:
        raise InvalidInput(FieldError(place + error.pointer, error.detail) for error in invalid.errors) from None


def _check_section(section: PreconfiguredSection) -> _Checked:
    found = Findings()
    with found.gather():
        clean_public_id(section.id, "con")
    clean_labels(Connector(), found, _labels(section))
    clean_limits(Connector(), found, _limits(section))
    with found.gather():
        require_type(section.type)
    found.raise_any()
    connector_type = get_enabled_type(section.type)
    with found.gather():
        if section.secrets.keys() & connector_type.secrets_model.kept:
            raise reject("/secrets", "There is no such field.")
    with found.gather():
        config = check_config(connector_type, section.config)
    with found.gather():
        secrets = parse_secrets(connector_type, section.secrets)
    found.raise_any()
    missing = connector_type.missing_secrets(config, secrets)
    if missing:
        raise InvalidInput(FieldError(extend("/secrets", name), "The config needs this secret.") for name in missing)
    return _Checked(section, config, secrets)


def _labels(section: PreconfiguredSection) -> ConnectorChanges:
    return {"name": section.name, "tags": section.tags, "health_interval": section.health_interval}


def _limits(section: PreconfiguredSection) -> ConnectorChanges:
    return {"max_concurrency": section.max_concurrency, "max_per_second": section.max_per_second}


def _put(row: Connector | None, checked: _Checked, synced: Synced) -> None:
    section = checked.section
    is_new = row is None
    row = row or Connector(space=None, public_id=section.id, type=section.type)
    before = None if is_new else described(row)
    clean_labels(row, Findings(), _labels(section))
    clean_limits(row, Findings(), _limits(section))
    config = checked.config.model_dump(mode="json")
    is_same = not is_new and (row.type, row.config, row.enabled) == (section.type, config, True)
    has_same_secrets = not is_new and _has(row, checked.secrets)
    is_shown_as_before = row.exposes_config == section.expose_config
    if is_same and has_same_secrets and is_shown_as_before and before == described(row):
        return
    row.type, row.config, row.enabled, row.exposes_config = section.type, config, True, section.expose_config
    row.is_missing_secrets = False
    if not has_same_secrets:
        texts = {name: value for name, value in checked.secrets if isinstance(value, SecretStr)}
        row.secrets = Sealed.seal(texts)
        row.secrets_set_at = dict.fromkeys(texts, timezone.now().isoformat())
    row.updated_at = timezone.now()
    if is_new:
        row.health_due_at = timezone.now() if row.health_interval != 0 else None
    else:
        row.version += 1
        if not (is_same and has_same_secrets):
            settle_status(row)
    row.save()
    (synced.created if is_new else synced.updated).append(row.public_id)
    _record("connector.create" if is_new else "connector.update", row, before)


def _has(row: Connector, secrets: Secrets) -> bool:
    try:
        return parse_secrets(get_type(row.type), row.secrets.open()) == secrets
    except (UndecryptableSecrets, InvalidInput, LookupError):
        return False


def _remove(row: Connector, synced: Synced) -> None:
    before = described(row)
    if is_used(row):
        if row.enabled:
            row.enabled = False
            row.version += 1
            settle_status(row)
            row.status_detail = "It no longer stands in CONNECTORS_FILE, and something uses it."
            row.save()
            synced.disabled.append(row.public_id)
            _record("connector.update", row, before)
        return
    connector_deleted.send(Connector, connector=row, replacement=None)
    row.delete()
    synced.deleted.append(row.public_id)
    audit.record("connector.delete", space=None, object_id=row.public_id, object_name=row.name, before=before)


def _record(action: str, row: Connector, before: dict[str, object] | None) -> None:
    audit.record(action, space=None, object_id=row.public_id, object_name=row.name, before=before, after=described(row))
