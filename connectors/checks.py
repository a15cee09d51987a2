"""System checks of what whoever runs this installation wrote in CONNECTORS_FILE."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from connectors.installation.reading import installation_file
from connectors.services.preconfigured import check_preconfigured
from connectors.services.rotation import has_other_keys, lost_keys


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
def secrets_can_be_read(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.SECRETS_KEYS: the keys are another database's (an error), or one in use is missing (a warning)."""
    if not kwargs.get("databases"):
        return []
    try:
        if has_other_keys():
            return [
                Error(
                    "SECRETS_KEYS has none of the keys under which the secrets in this database are encrypted.",
                    hint="Put the former keys back. Are they lost for good? manage.py rotate_secrets --accept-loss.",
                    id="switchyard.SECRETS_KEYS",
                )
            ]
        lost = lost_keys()
    except (DatabaseError, ImproperlyConfigured):  # not set up yet, or not to be reached: others say that
        return []
    return [
        checks.Warning(
            f"SECRETS_KEYS lacks the key {key}, which {count} connectors need. They fail as bad_config.",
            hint="Put the key back, or enter those secrets again. manage.py rotate_secrets lists the connectors.",
            id="switchyard.SECRETS_KEYS",
        )
        for key, count in lost.items()
    ]
