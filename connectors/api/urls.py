"""Addresses of connectors in a space."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from connectors.api.transfer import ExportViewSet, ImportViewSet
from connectors.api.views import ConnectorTypeViewSet, ConnectorViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("connectors", ConnectorViewSet)
router.register("connector-types", ConnectorTypeViewSet, basename="connector-type")

urlpatterns = [
    *router.urls,
    path("exports", ExportViewSet.as_view({"post": "create"}, basename="export")),
    path("imports", ImportViewSet.as_view({"post": "create"}, basename="import")),
]
