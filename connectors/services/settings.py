"""Checks a connector's config and secrets by its type's models, and puts them on the row."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from django.utils import timezone
from pydantic import SecretStr

from connectors.models import Connector
from connectors.secrets import Sealed, UndecryptableSecrets
from connectors.types.base import AnyConnectorType, Config, Secrets
from connectors.types.registry import UnknownConnectorType, get_type
from spaces.errors import FieldError, InvalidInput
from spaces.validation import Findings, check_storable, extend, parse_model, reject

Given = Mapping[str, SecretStr | None]
# What consoles, exports and other products show in place of a secret.
_MASK: Final = re.compile(r"\*{3,}|•{3,}|<secret>|\[redacted\]", re.IGNORECASE)


def conceal(secrets: Mapping[str, object]) -> Given:
    """Wrap each text, so that no traceback from here on shows it. Raise InvalidInput for other values than None."""
    if not isinstance(secrets, Mapping):
        raise reject("/secrets", "Give an object of fields and values.")
    check_storable(dict(secrets), "/secrets")
    concealed: dict[str, SecretStr | None] = {}
    for name, value in secrets.items():
        if not isinstance(value, str | None):
            raise reject(extend("/secrets", name), "Write text, or null to clear it.")
        concealed[name] = None if value is None else SecretStr(value)
    return concealed


def without_masks(row: Connector, given: Given) -> Given:
    """Leave out what is no secret but the mask of one that is set: sent back, it keeps the secret.

    Raises InvalidInput for the mask of one that is not set.
    """
    masked = {name for name, value in given.items() if value is not None and _MASK.fullmatch(value.get_secret_value())}
    if unset := masked - row.secrets_set_at.keys():
        detail = "This is a mask and no secret: enter the secret itself."
        raise InvalidInput(FieldError(extend("/secrets", name), detail) for name in sorted(unset))
    return {name: value for name, value in given.items() if name not in masked}


def apply_settings(row: Connector, config: dict[str, Any], given: Given) -> None:
    """Put the config and the secrets on the row; raise InvalidInput.

    A secret that is not given is kept, None clears it. What is kept never goes to a new target.
    """
    try:
        connector_type = get_type(row.type)
    except UnknownConnectorType as error:
        raise reject("/type", str(error)) from None
    found = Findings()
    with found.gather():
        _refuse_kept(connector_type, given)
    with found.gather():
        new_config = check_config(connector_type, config)
    with found.gather():
        secrets = _merge(row, connector_type, given)
    found.raise_any()
    awaited = [name for name in awaited_secrets(row) if name not in given]
    if row.secrets_set_at and (foreign := _new_targets(row, connector_type, new_config)):
        _refuse_new_target(row, connector_type, foreign, given)
        # What the type derived from the former secrets was for the former target as well.
        secrets = secrets and secrets.model_copy(update=dict.fromkeys(connector_type.secrets_model.kept))
    row.config = new_config.model_dump(mode="json")
    if secrets is not None:
        _store(row, secrets, given)
        await_secrets(row, [*connector_type.missing_secrets(new_config, secrets), *awaited])


def await_secrets(row: Connector, names: Iterable[str]) -> None:
    """Note on the row which secrets must be entered before it may be used."""
    row.missing_secrets = list(dict.fromkeys(names))
    row.is_missing_secrets = bool(row.missing_secrets)


def awaited_secrets(row: Connector) -> list[str]:
    """Return the missing secrets that the config does without: a copy came without them, and nobody decided yet.

    None in their place gives them up.
    """
    if not row.missing_secrets:
        return []
    needed: list[str] = []
    with suppress(InvalidInput, UndecryptableSecrets, UnknownConnectorType):
        connector_type = get_type(row.type)
        config = parse_model(connector_type.config_model, row.config, "/config")
        needed = connector_type.missing_secrets(config, parse_secrets(connector_type, row.secrets.open()))
    return [name for name in row.missing_secrets if name not in needed]


def stranded_secrets(row: Connector, config: dict[str, Any]) -> list[str]:
    """Return the stored secrets that this config would send to a target that they were not entered for.

    The row's type must exist. Raises InvalidInput.
    """
    connector_type = get_type(row.type)
    new_config = check_config(connector_type, config)
    if not row.secrets_set_at or not _new_targets(row, connector_type, new_config):
        return []
    return sorted(row.secrets_set_at.keys() - connector_type.secrets_model.kept)


def _refuse_kept(connector_type: AnyConnectorType, given: Given) -> None:
    if taken := connector_type.secrets_model.kept & given.keys():
        raise InvalidInput(FieldError(extend("/secrets", name), "There is no such field.") for name in sorted(taken))


def check_config(connector_type: AnyConnectorType, config: dict[str, Any]) -> Config:
    """Return the config as the type has it; raise InvalidInput."""
    check_storable(config, "/config")
    parsed: Config = parse_model(connector_type.config_model, config, "/config")
    if forbidden := connector_type.check(parsed):
        raise InvalidInput(FieldError(f"/config{error.pointer}", error.detail) for error in forbidden)
    return parsed


def _merge(row: Connector, connector_type: AnyConnectorType, given: Given) -> Secrets | None:
    """Return the secrets as they will be; None when they stay as they are and cannot be read."""
    kept = row.secrets_set_at.keys() - given.keys()
    try:
        stored = row.secrets.open()
    except UndecryptableSecrets as error:
        if not given:
            return None
        if kept := kept - connector_type.secrets_model.kept:
            detail = f"{error} Then this one is needed as well; null clears it."
            raise InvalidInput(FieldError(extend("/secrets", name), detail) for name in sorted(kept)) from None
        stored = {}
    values: dict[str, SecretStr | None] = {name: stored[name] for name in kept & stored.keys()}
    for name, value in given.items():
        # What is cleared is left out, unless it never stood there: the model tells whether there is such a field.
        if value is not None or name not in row.secrets_set_at:
            values[name] = value
    secrets = parse_secrets(connector_type, values)
    if given and stored:
        with suppress(InvalidInput):  # what no longer fits the type has no successor
            secrets = connector_type.succeed(parse_secrets(connector_type, stored), secrets)
    return secrets


def parse_secrets(connector_type: AnyConnectorType, values: Given) -> Secrets:
    """Return the type's secrets; raise InvalidInput, whose texts quote none of the values."""
    try:
        secrets: Secrets = parse_model(connector_type.secrets_model, values, "/secrets")
    except InvalidInput as invalid:
        plaintexts = [value.get_secret_value() for value in values.values() if value is not None]
        errors = [
            FieldError(error.pointer, "This value is not accepted.")
            if any(text and text in error.detail for text in plaintexts)
            else error
            for error in invalid.errors
        ]
    else:
        return secrets
    raise InvalidInput(errors)


def _new_targets(row: Connector, connector_type: AnyConnectorType, new_config: Config) -> tuple[str, str] | None:
    """Return, in words, the former targets and those that are new; None when there are no new ones."""
    try:
        old = connector_type.targets(parse_model(connector_type.config_model, row.config, "/config"))
    except InvalidInput:
        old = frozenset()
    new = connector_type.targets(new_config) - old
    return (", ".join(sorted(old)) or "another target", ", ".join(sorted(new))) if new else None


def _refuse_new_target(
    row: Connector, connector_type: AnyConnectorType, foreign: tuple[str, str], given: Given
) -> None:
    if kept := row.secrets_set_at.keys() - given.keys() - connector_type.secrets_model.kept:
        detail = f"Enter this secret again: it was given for {foreign[0]} and would now go to {foreign[1]}."
        raise InvalidInput(FieldError(extend("/secrets", name), detail) for name in sorted(kept))


def _store(row: Connector, secrets: Secrets, given: Given) -> None:
    texts = {name: value for name, value in secrets if isinstance(value, SecretStr)}
    now = timezone.now().isoformat()
    if given:
        row.secrets = Sealed.seal(texts)
    row.secrets_set_at = {name: now if name in given else row.secrets_set_at.get(name, now) for name in texts}
