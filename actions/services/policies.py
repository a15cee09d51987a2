"""Checks and describes an action's delivery policy."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypedDict

from actions.models import Action
from actions.policy import RetryPolicy
from actions.services.params import compile_ordering_key
from connectors.net.policy import NetworkPolicy
from spaces.validation import Findings, check_storable, clean_number, parse_model, reject

MAX_PER_SECOND: Final = 10_000
MAX_CONCURRENCY: Final = 1000
MAX_KEY_TEMPLATE: Final = 500


class PolicyChanges(TypedDict, total=False):
    """The part of the policy beside tries and expiry.

    ``retry`` is what a RetryPolicy says, empty for the usual. ``timeout`` is in seconds. None is no limit of the
    action's own; an empty ``ordering_key`` no order.
    """

    retry: dict[str, Any]
    timeout: float | None
    max_per_second: float | None
    max_concurrency: int | None
    ordering_key: str


NAMES: Final = tuple(PolicyChanges.__annotations__)


def apply_policy(row: Action, found: Findings, changes: Mapping[str, Any]) -> None:
    """Put the changes of the policy on the row; what is wrong with them goes to ``found``."""
    for name in NAMES:
        if name in changes:
            with found.gather():
                setattr(row, name, _CLEAN[name](changes[name]))


def described_policy(row: Action) -> dict[str, Any]:
    """Return the policy as the audit log and exports show it."""
    return {name: getattr(row, name) for name in NAMES}


def _clean_retry(value: Any) -> dict[str, Any]:
    check_storable(value, "/retry")
    return parse_model(RetryPolicy, value, "/retry", is_strict=True).model_dump(mode="json", exclude_defaults=True)


def _clean_timeout(seconds: float | None) -> float | None:
    limit = NetworkPolicy.current().longest_timeout()
    if seconds is not None and not 1 <= seconds <= limit:
        raise reject("/timeout", f"Use 1 to {limit:g} s: the installation sets the limit.")
    return seconds


def _clean_rate(rate: float | None) -> float | None:
    if rate is not None and not 0.01 <= rate <= MAX_PER_SECOND:
        raise reject("/max_per_second", f"Use a number from 0.01 to {MAX_PER_SECOND}.")
    return rate


def _clean_concurrency(value: int | None) -> int | None:
    return None if value is None else clean_number(value, "/max_concurrency", 1, MAX_CONCURRENCY)


def _clean_ordering_key(template: str) -> str:
    check_storable(template, "/ordering_key")
    if len(template) > MAX_KEY_TEMPLATE:
        raise reject("/ordering_key", f"Use at most {MAX_KEY_TEMPLATE} characters; these are {len(template)}.")
    compile_ordering_key(template)
    return template


_CLEAN: Final[dict[str, Callable[[Any], Any]]] = {
    "retry": _clean_retry,
    "timeout": _clean_timeout,
    "max_per_second": _clean_rate,
    "max_concurrency": _clean_concurrency,
    "ordering_key": _clean_ordering_key,
}
