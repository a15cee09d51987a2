"""Addresses under ``/api/v1/`` that are in no space."""

from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from spaces.api.views import SpaceViewSet, own_host_only

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("spaces", SpaceViewSet)

urlpatterns = [
    *router.urls,
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", own_host_only(SpectacularSwaggerSplitView.as_view())),
    path("redoc", own_host_only(SpectacularRedocView.as_view(template_name="api/redoc.html"))),
]
