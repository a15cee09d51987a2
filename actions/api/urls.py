"""Addresses of actions, deliveries and the event log in a space."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from actions.api.deliveries import CancellationViewSet, DeliveryViewSet, ReplayViewSet
from actions.api.execution import ExecutionViewSet
from actions.api.views import ActionViewSet, EventLogViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("actions", ActionViewSet)
router.register("deliveries", DeliveryViewSet)
router.register("event-log", EventLogViewSet)
router.register("replays", ReplayViewSet, basename="replay")
router.register("cancellations", CancellationViewSet, basename="cancellation")

urlpatterns = [
    *router.urls,
    path("connectors/<slug:id>/execute", ExecutionViewSet.as_view({"post": "execute"}, detail=True)),
]
