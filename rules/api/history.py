"""What the API tells of how a rule is doing: its runs, and its counts over time."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from django.utils import timezone
from django_filters import ChoiceFilter, FilterSet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from rules.api.history_serializers import MetricsSerializer, RunRecordSerializer
from rules.history.counting import KINDS, MOST_BUCKETS, STEPS, counts_between
from rules.history.records import RunOutcome, RunRecord
from rules.models import Rule
from spaces.api.problems import InvalidQuery
from spaces.api.queries import NewestFirst, time_in
from spaces.api.scope import SpaceScoped
from spaces.roles import Ability

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_USUAL: Final = {"minute": timedelta(hours=1), "hour": timedelta(days=1), "day": timedelta(days=30)}


class RunFilter(FilterSet):
    """What the runs of a rule can be narrowed to."""

    outcome = ChoiceFilter(choices=RunOutcome.choices, label="How it went.")


class RuleHistory(SpaceScoped[Rule]):
    """The runs of a rule, and its counts over time."""

    abilities: ClassVar = dict.fromkeys(("runs", "metrics"), Ability.READ)
    summaries: ClassVar = {"runs": "List the runs of a rule", "metrics": "Read the counts of a rule over time"}
    parameters: ClassVar = {
        "runs": ("outcome", "cursor", "page_size", "ordering"),
        "metrics": ("from", "to", "step"),
    }

    @extend_schema(responses=RunRecordSerializer(many=True))
    @action(
        detail=True,
        methods=["get"],
        url_path="runs",
        serializer_class=RunRecordSerializer,
        pagination_class=NewestFirst,
        filterset_class=RunFilter,
    )
    def runs(self, request: Request, **kwargs: Any) -> Response:
        """Of a rule that runs by itself, the newest first; others have none. Kept as long as the event log."""
        rows: Any = RunFilter(request.query_params, RunRecord.objects.filter(rule=self.get_object()))
        if not rows.is_valid():
            raise InvalidQuery({name: " ".join(details) for name, details in rows.errors.items()})
        page: Any = self.paginate_queryset(rows.qs)
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("from", {"type": "string", "format": "date-time"}, description="Where it begins."),
            OpenApiParameter("to", {"type": "string", "format": "date-time"}, description="Where it ends; else now."),
            OpenApiParameter(
                "step",
                {"type": "string", "enum": list(STEPS), "default": "hour"},
                description="The last hour is known by minute, the rest by hour. Days are those of UTC.",
            ),
        ],
        responses=MetricsSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], url_path="metrics", pagination_class=None, serializer_class=MetricsSerializer)
    def metrics(self, request: Request, **kwargs: Any) -> Response:
        """How often it matched, and what became of its deliveries, by minute, hour or day; up to 1,000 steps."""
        step = request.query_params.get("step", "hour")
        if step not in STEPS:
            raise InvalidQuery({"step": f"Use one of {', '.join(STEPS)}."})
        now = timezone.now()
        end = min(time_in(request, "to") or now, now)
        begin = time_in(request, "from") or max(end, _EARLIEST) - _USUAL[step]
        if begin >= end:
            raise InvalidQuery({"from": "It must be before `to`, and be past."})
        if (end - begin) / timedelta(seconds=STEPS[step]) > MOST_BUCKETS:
            raise InvalidQuery({"step": f"These are more than {MOST_BUCKETS} steps: use longer ones, or less time."})
        buckets = counts_between(self.get_object(), begin, end, STEPS[step])
        totals = {kind: sum(amounts[kind] for _, amounts in buckets) for kind in KINDS}
        shown = [{"start": start, **amounts} for start, amounts in buckets]
        return Response(MetricsSerializer({"step": step, "totals": totals, "buckets": shown}).data)
