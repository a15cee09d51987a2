"""System checks of the settings."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from connectors.net.policy import NetworkPolicy

# Seconds: no try may end in the last five of its lease, and it takes a moment until it starts.
_LEASE_MARGIN = 6


@register()
def options_can_be_used(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.NAME: the option of that name is missing or cannot be used."""
    return [
        Error(problem.message, hint=problem.hint, id=f"switchyard.{problem.option}")
        for problem in settings.OPTION_PROBLEMS
    ]


@register()
def leases_outlive_requests(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.LEASE_SECONDS: a delivery would be taken from its worker while it is still being sent."""
    longest = NetworkPolicy.current().longest_timeout()
    least = ceil(longest) + _LEASE_MARGIN
    if least <= settings.LEASE_SECONDS:
        return []
    return [
        Error(
            f"LEASE_SECONDS is {settings.LEASE_SECONDS}, too short for requests that may take {longest:g} s.",
            hint=f"Set LEASE_SECONDS to {least} or more, or lower NETWORK_TIMEOUT or the timeouts in CONNECTORS_FILE.",
            id="switchyard.LEASE_SECONDS",
        )
    ]


@register()
def https_has_a_proxy(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """switchyard.HTTPS: no request could ever count as one over https, so that each would be redirected for ever."""
    if settings.TRUSTED_PROXIES or not settings.HTTPS:
        return []
    return [
        Error(
            "HTTPS is on and TRUSTED_PROXIES names no proxy that ends TLS.",
            hint="Set TRUSTED_PROXIES to the network of the proxy, such as 10.0.0.5/32, or HTTPS to false.",
            id="switchyard.HTTPS",
        )
    ]
