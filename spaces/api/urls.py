"""Addresses under ``/api/v1/`` of spaces and what administers them."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from spaces.api.administration import ApiKeyViewSet, AuditViewSet, MemberViewSet, SpaceViewSet
from spaces.api.views import own_host_only

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("spaces", SpaceViewSet)
router.register("spaces/<slug:space>/members", MemberViewSet)
router.register("spaces/<slug:space>/api-keys", ApiKeyViewSet, basename="api-key")
router.register("spaces/<slug:space>/audit", AuditViewSet)

urlpatterns = [
    *router.urls,
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", own_host_only(SpectacularSwaggerSplitView.as_view())),
    path("redoc", own_host_only(SpectacularRedocView.as_view(template_name="api/redoc.html"))),
]
