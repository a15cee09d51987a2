"""Addresses of rules, sources and events in a space."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from rules.api.silences import MaintenanceWindowViewSet
from rules.api.tracing import TraceViewSet
from rules.api.views import (
    AlertViewSet,
    ConditionViewSet,
    EventViewSet,
    RuleTypeViewSet,
    RuleViewSet,
    SourceTypeViewSet,
    SourceViewSet,
)
from rules.sources.http import events_view

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("rules", RuleViewSet)
router.register("rule-types", RuleTypeViewSet, basename="rule-type")
router.register("conditions", ConditionViewSet)
router.register("alerts", AlertViewSet)
router.register("maintenance-windows", MaintenanceWindowViewSet)
router.register("sources", SourceViewSet)
router.register("source-types", SourceTypeViewSet, basename="source-type")

urlpatterns = [
    *router.urls,
    path("events", events_view(EventViewSet.as_view({"get": "list"}))),
    path("events/<int:id>", EventViewSet.as_view({"get": "retrieve"}, detail=True)),
    path("events/<int:id>/trace", TraceViewSet.as_view({"get": "explain"}, detail=True)),
]
