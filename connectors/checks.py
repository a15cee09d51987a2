"""System checks of what whoever runs this installation set and installed: CONNECTORS_FILE, the keys of its database,
and packages with connector types."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection

from connectors.installation.reading import installation_file
from connectors.models import SecretsCanary
from connectors.services.canary import WrongKeys, check_canary
from connectors.services.preconfigured import check_preconfigured, shadowed_ids
from connectors.services.rotation import lost_keys
from connectors.types.packages import packaged_types
from connectors.types.registry import own_types


@register()
def connectors_file_can_be_used(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.CONNECTORS_FILE: something in the file is wrong; the message names line and key."""
    file = installation_file()
    return [
        Error(
            f"CONNECTORS_FILE, {problem}",
            hint=f"Correct {settings.CONNECTORS_FILE}. docs/connectors-file.md describes it.",
            id="switchyard.CONNECTORS_FILE",
        )
        for problem in file.problems or check_preconfigured(file)
    ]


@register(Tags.database)
def secrets_can_be_read(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """switchyard.SECRETS_KEYS: the keys are another database's (an error), or one in use is missing (a warning)."""
    if not databases or not settings.SECRETS_KEYS:
        return []
    try:
        if SecretsCanary._meta.db_table not in connection.introspection.table_names():
            return []  # not set up yet
        check_canary()
        lost = lost_keys()
    except WrongKeys as error:
        return [Error(str(error), hint=error.ADVICE, id="switchyard.SECRETS_KEYS")]
    except ImproperlyConfigured:
        return []  # DATABASE_URL cannot be used, which another check says
    except (DatabaseError, InterfaceError) as error:
        return [_warning(f"SECRETS_KEYS was not checked, the database cannot be used: {error}", "See DATABASE_URL.")]
    hint = "Put the key back, or enter those secrets again. manage.py rotate_secrets --dry-run lists the connectors."
    return [_warning(_lack(key, count), hint) for key, count in lost.items()]


def _lack(key: str, count: int) -> str:
    missing = f"SECRETS_KEYS lacks the key {key}." if key else "SECRETS_KEYS lacks a key from before keys had ids."
    return f"{missing} Connectors that need it, and fail as bad_config: {count}."


def _warning(message: str, hint: str) -> CheckMessage:
    return checks.Warning(message, hint=hint, id="switchyard.SECRETS_KEYS")


@register(Tags.database)
def preconfigured_connectors_are_seen(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """switchyard.shadowed_connector: in a space, a connector of its own hides a preconfigured one of the same ID."""
    if not databases or not settings.CONNECTORS_FILE:
        return []
    try:
        shadowed = shadowed_ids()
    except (DatabaseError, InterfaceError, ImproperlyConfigured):
        return []  # not set up yet, or not to be reached, which others say
    return [
        checks.Warning(
            f'In the space "{space}" the preconfigured connector "{public_id}" is hidden by its own one of that ID.',
            hint="Delete the space's connector, or give the one in CONNECTORS_FILE another ID.",
            id="switchyard.shadowed_connector",
        )
        for public_id, space in shadowed
    ]


@register()
def packaged_types_can_be_used(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.connector_types: a connector type of another package is left out, as it is broken or clashes."""
    return [
        checks.Warning(
            f"The connector type that the package {each.package} declares as {each.entry} is left out: {each.why}.",
            hint="Update or remove the package. Connectors of this type fail as bad_config until it is there again.",
            id="switchyard.connector_types",
        )
        for each in packaged_types(own_types()).left_out
    ]
