"""System checks of the console: nothing that lives in a space is shown past the roles."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.core.checks import CheckMessage, Error, register
from django.db.models import Model

from spaces.models import Space


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
