"""What can be done over the API so that nobody hears: of rules, of alerts, in maintenance windows."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from rules.api.serializers import AlertSerializer, RuleSerializer
from rules.api.silence_serializers import (
    AcknowledgementSerializer,
    NewSnoozeSerializer,
    UnsnoozeSerializer,
    WindowSerializer,
)
from rules.models import Alert, MaintenanceWindow, Rule
from rules.services.silences import (
    acknowledge_alert,
    mute_alert,
    mute_rule,
    snooze_rule,
    unacknowledge_alert,
    unmute_alert,
    unmute_rule,
    unsnooze_rule,
)
from rules.services.windows import delete_window, update_window
from spaces.api.checked import takes_no_body
from spaces.api.preconditions import etag
from spaces.api.queries import NamedFilter
from spaces.api.scope import SpaceScoped
from spaces.api.serializers import StrictSerializer
from spaces.api.views import ObjectViewSet
from spaces.roles import Ability


class RuleSilences(SpaceScoped[Rule]):
    """Mute and snooze rules."""

    abilities: ClassVar = dict.fromkeys(("mute", "unmute", "snooze", "unsnooze"), Ability.OPERATE)
    summaries: ClassVar = {
        "mute": "Mute a rule",
        "unmute": "Unmute a rule",
        "snooze": "Snooze a rule",
        "unsnooze": "Take snoozes off a rule",
    }

    @takes_no_body(RuleSerializer)
    @action(detail=True, methods=["post"], url_path="mute")
    def mute(self, request: Request, **kwargs: Any) -> Response:
        """It goes on looking; its deliveries are recorded as suppressed until it is unmuted."""
        mute_rule(self.get_object())
        return self._rule()

    @takes_no_body(RuleSerializer)
    @action(detail=True, methods=["post"], url_path="unmute")
    def unmute(self, request: Request, **kwargs: Any) -> Response:
        """Alerts that opened meanwhile and are still active are told of at the next run. Snoozes stay."""
        unmute_rule(self.get_object())
        return self._rule()

    @extend_schema(request=NewSnoozeSerializer, responses=RuleSerializer)
    @action(detail=True, methods=["post"], url_path="snooze", serializer_class=NewSnoozeSerializer)
    def snooze(self, request: Request, **kwargs: Any) -> Response:
        """As if it were muted at the times of a schedule. A rule has up to 20 snoozes; those that are over go."""
        snooze_rule(self.get_object(), _given(NewSnoozeSerializer(data=request.data)))
        return self._rule()

    @extend_schema(request=UnsnoozeSerializer, responses=RuleSerializer)
    @action(detail=True, methods=["post"], url_path="unsnooze", serializer_class=UnsnoozeSerializer)
    def unsnooze(self, request: Request, **kwargs: Any) -> Response:
        """An ID that no snooze of the rule has is refused."""
        unsnooze_rule(self.get_object(), _given(UnsnoozeSerializer(data=request.data))["ids"])
        return self._rule()

    def _rule(self) -> Response:
        row = self.get_object()
        return Response(RuleSerializer(row, context=self.get_serializer_context()).data, headers=etag(row))


class AlertSilences(SpaceScoped[Alert]):
    """Acknowledge and mute alerts."""

    abilities: ClassVar = dict.fromkeys(("acknowledge", "unacknowledge", "mute", "unmute"), Ability.OPERATE)
    summaries: ClassVar = {
        "acknowledge": "Acknowledge an alert",
        "unacknowledge": "Take an acknowledgement back",
        "mute": "Mute the alerts of a key",
        "unmute": "Unmute the alerts of a key",
    }

    @extend_schema(request=AcknowledgementSerializer, responses=AlertSerializer)
    @action(detail=True, methods=["post"], url_path="acknowledge", serializer_class=AcknowledgementSerializer)
    def acknowledge(self, request: Request, **kwargs: Any) -> Response:
        """Nobody hears that the alert goes on, before its group changes. Its end is told of."""
        acknowledge_alert(self.get_object(), **_given(AcknowledgementSerializer(data=request.data)))
        return self._alert()

    @takes_no_body(AlertSerializer)
    @action(detail=True, methods=["post"], url_path="unacknowledge")
    def unacknowledge(self, request: Request, **kwargs: Any) -> Response:
        """It is told of again as the rule's actions have it."""
        unacknowledge_alert(self.get_object())
        return self._alert()

    @takes_no_body(AlertSerializer)
    @action(detail=True, methods=["post"], url_path="mute")
    def mute(self, request: Request, **kwargs: Any) -> Response:
        """Nobody hears of the rule's alerts of this key, this one and later ones, until they are unmuted."""
        mute_alert(self.get_object())
        return self._alert()

    @takes_no_body(AlertSerializer)
    @action(detail=True, methods=["post"], url_path="unmute")
    def unmute(self, request: Request, **kwargs: Any) -> Response:
        """One that opened meanwhile and is still active is told of at the next run."""
        unmute_alert(self.get_object())
        return self._alert()

    def _alert(self) -> Response:
        return Response(AlertSerializer(self.get_object(), context=self.get_serializer_context()).data)


class MaintenanceWindowViewSet(ObjectViewSet[MaintenanceWindow]):
    """When nobody hears of what rules find."""

    queryset = MaintenanceWindow.objects.all()
    serializer_class = WindowSerializer
    filterset_class = NamedFilter

    def perform_destroy(self, instance: MaintenanceWindow) -> None:
        delete_window(instance)

    def switch(self, row: MaintenanceWindow, *, enabled: bool) -> None:
        update_window(row, enabled=enabled)


def _given(serializer: StrictSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values
