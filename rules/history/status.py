"""How a rule is doing, in one word, as the database finds it, so that lists can be narrowed by it."""

from datetime import timedelta
from typing import Any, Final

from django.db.models import Case, CharField, Q, QuerySet, TextChoices, Value, When
from django.utils import timezone

from rules.history.records import RunOutcome
from rules.models import Rule

FAILING_AFTER: Final = 3  # failures in a row
WARNED_FOR: Final = timedelta(hours=1)  # since the last failure of a condition or message


class RuleStatus(TextChoices):
    """How a rule is doing. Whether it is muted is another question."""

    OK = "ok"
    PENDING = "pending"  # it is to run by itself, and has not yet
    WARNING = "warning"
    FAILING = "failing"
    DISABLED = "disabled"


def with_status(rules: QuerySet[Rule]) -> QuerySet[Any]:
    """Return the rules, each with its ``status``, and with what is known of its last run and its troubles."""
    return rules.select_related("last_run", "trouble").annotate(status=_status())


def _status() -> Case:
    failing = Q(last_run__failures__gte=FAILING_AFTER) | Q(trouble__failures__gte=FAILING_AFTER)
    warned = Q(last_run__outcome__in=[RunOutcome.WARNING, RunOutcome.FAILED])
    warned |= Q(trouble__failures__gt=0) | Q(trouble__last_at__gt=timezone.now() - WARNED_FOR)
    return Case(
        When(enabled=False, then=Value(RuleStatus.DISABLED.value)),
        When(failing, then=Value(RuleStatus.FAILING.value)),
        When(warned, then=Value(RuleStatus.WARNING.value)),
        When(last_run__number=0, then=Value(RuleStatus.PENDING.value)),
        default=Value(RuleStatus.OK.value),
        output_field=CharField(),
    )


def last_error(rule: Rule) -> dict[str, Any] | None:
    """Return what went wrong last with a rule that ``with_status`` read, as rules.api.history_serializers shows it."""
    run, trouble = getattr(rule, "last_run", None), getattr(rule, "trouble", None)
    found = []
    if run is not None and run.failures:
        said = {"part": "run", "action": None, "reason": run.reason, "detail": run.detail, "count": run.failures}
        found.append({"time": run.ended_at, **said})
    if trouble is not None:
        said = {"part": trouble.part, "action": trouble.action or None, "reason": "", "detail": trouble.detail}
        found.append({"time": trouble.last_at, **said, "count": trouble.count})
    return max(found, key=lambda each: each["time"], default=None)
