"""System checks of what keeps spaces apart: in the database, and in the console."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connections
from django.db.models import Model

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


@register()
def admins_are_scoped(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.unscoped_admin: an admin of something in a space would show it to everybody."""
    from spaces.admin.scoping import SpaceScopedAdmin  # here, for checks are registered before there are admins

    return [
        Error(
            f"{type(model_admin).__name__} shows {model._meta.label}, which lives in a space, and is not scoped.",
            hint="Derive it from SpaceScopedAdmin and say in `abilities` what each permission needs.",
            obj=type(model_admin),
            id="switchyard.unscoped_admin",
        )
        for model, model_admin in admin.site._registry.items()
        if leads_to_space(model) and not (isinstance(model_admin, SpaceScopedAdmin) and "view" in model_admin.abilities)
    ]


def leads_to_space(model: type[Model]) -> bool:
    """Whether the model is the space, or refers to it, by way of others too."""
    found, reached = [model], {model}
    while found:
        current = found.pop()
        if current is Space:
            return True
        for field in current._meta.get_fields():
            target = field.related_model if field.is_relation and not field.auto_created else None
            if isinstance(target, type) and target not in reached:
                reached.add(target)
                found.append(target)
    return False
