"""System checks of what keeps spaces apart."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections

from spaces import boundaries
from spaces.models import Space


@register(Tags.database)
def boundaries_stand(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """switchyard.boundaries: a trigger that keeps the spaces apart is not there; a migration broke off."""
    try:
        lacking = [
            name
            for using in databases or ()
            if Space._meta.db_table in connections[using].introspection.table_names()
            for name in boundaries.missing(using)
        ]
    except (DatabaseError, InterfaceError, ImproperlyConfigured):
        return []  # not to be reached, which others say
    if not lacking:
        return []
    message = f"The database does not keep spaces apart: {len(lacking)} triggers are missing, such as {lacking[0]}."
    return [checks.Warning(message, hint="Run manage.py migrate.", id="switchyard.boundaries")]
