"""System checks of the settings."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from connectors_project.options import OPTIONS

_NUMBERS = {option.name: number for number, option in enumerate(OPTIONS, start=1)}


@register()
def options_can_be_used(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.E1nn: the nn-th option of connectors_project.options is missing or cannot be used."""
    return [
        Error(problem.message, hint=problem.hint, id=f"switchyard.E1{_NUMBERS[problem.option]:02}")
        for problem in settings.OPTION_PROBLEMS
    ]
