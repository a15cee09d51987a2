"""Addresses of actions, deliveries and the event log in a space."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from actions.api.execution import ExecutionViewSet
from actions.api.views import ActionViewSet, DeliveryViewSet, EventLogViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("actions", ActionViewSet)
router.register("deliveries", DeliveryViewSet)
router.register("event-log", EventLogViewSet)

urlpatterns = [
    *router.urls,
    path("connectors/<slug:id>/execute", ExecutionViewSet.as_view({"post": "execute"}, detail=True)),
]
