"""System checks of what whoever runs this installation wrote in CONNECTORS_FILE."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from connectors.installation.reading import installation_file
from connectors.services.preconfigured import check_preconfigured


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
