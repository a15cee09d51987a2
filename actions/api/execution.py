"""Sending one message through a connector by hand."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from actions.services.execute import execute
from connectors.models import Connector
from spaces.api.fields import Text
from spaces.api.scope import SpaceScoped
from spaces.api.serializers import StrictSerializer
from spaces.models import Space
from spaces.roles import Ability


class ExecutionRequestSerializer(StrictSerializer):
    """What to send."""

    params = serializers.DictField(
        default=dict, help_text="As the type's `params_schema` says; strings in it are templates, as in an action."
    )
    event = serializers.DictField(
        required=False, help_text="Attributes of the event that fills the templates, in place of a made-up one."
    )


class ExecutionSerializer(serializers.Serializer[Any]):
    """What was sent, and what came of it."""

    webhook_id = Text()
    outcome = serializers.SerializerMethodField()
    reason = Text(source="outcome.reason", help_text="ok, or why it failed.")
    detail = Text(source="outcome.detail", allow_blank=True)
    retry_after = serializers.FloatField(
        source="outcome.retry_after", allow_null=True, help_text="Seconds that the system asks to wait."
    )
    duration = serializers.FloatField(source="outcome.duration", help_text="Seconds.")
    message = serializers.DictField(help_text="The rendered params.")
    request = serializers.DictField(source="outcome.request", help_text="What was sent, secrets masked.")
    response = serializers.DictField(source="outcome.response", help_text="What came back, secrets masked.")

    def get_outcome(self, execution: Any) -> str:
        return "success" if execution.outcome.reason.is_ok else "failure"


class ExecutionViewSet(SpaceScoped[Connector]):
    """Messages sent by hand."""

    queryset = Connector.objects.all()
    lookup_field = "public_id"
    lookup_url_kwarg = "id"
    serializer_class = ExecutionRequestSerializer
    summaries: ClassVar = {"execute": "Send one message through a connector"}
    abilities: ClassVar = {"execute": Ability.OPERATE}

    def narrow(self, rows: QuerySet[Connector], space: Space) -> QuerySet[Connector]:
        """Return the space's connectors and the preconfigured ones."""
        return Connector.objects.usable_in(space)

    @extend_schema(
        request=ExecutionRequestSerializer,
        responses=ExecutionSerializer,
        examples=[
            OpenApiExample("example", request_only=True, value={"params": {"body": {"text": "Hello from a person."}}})
        ],
    )
    def execute(self, request: Request, **kwargs: Any) -> Response:
        """Sends a real message now and answers with its outcome; 200 also when the system refused it."""
        given = self.get_serializer(data=request.data)
        given.is_valid(raise_exception=True)
        connector = get_object_or_404(self.get_queryset(), public_id=self.kwargs["id"])
        return Response(ExecutionSerializer(execute(self.space, connector, **given.validated_data)).data)
