from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class SpacesConfig(AppConfig):
    name = "spaces"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from spaces import (
            checks,  # noqa: F401  it registers checks
            receivers,  # noqa: F401  connects them
        )

        pre_migrate.connect(_take_boundaries_down, sender=self)
        post_migrate.connect(_put_boundaries_up, sender=self)


def _take_boundaries_down(using: str, plan: Any, **kwargs: Any) -> None:
    from spaces import boundaries

    if plan:
        boundaries.take_down(using)


def _put_boundaries_up(using: str, **kwargs: Any) -> None:
    from spaces import boundaries

    boundaries.put_up(using)
