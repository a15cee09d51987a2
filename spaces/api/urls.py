"""Addresses under ``/api/v1/`` of spaces and what administers them."""

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.urls import path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.routers import SimpleRouter

from spaces.api.administration import ApiKeyViewSet, AuditViewSet, MemberViewSet, SpaceViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("spaces", SpaceViewSet)
router.register("spaces/<slug:space>/members", MemberViewSet)
router.register("spaces/<slug:space>/api-keys", ApiKeyViewSet, basename="api-key")
router.register("spaces/<slug:space>/audit", AuditViewSet)

# What the bundles on the pages of documentation need beyond what every page may do.
_of_bundles = csp_update({"style-src": [SELF, UNSAFE_INLINE], "worker-src": [SELF, "blob:"]})

urlpatterns = [
    *router.urls,
    path("schema", SpectacularJSONAPIView.as_view(), name="schema"),
    path("docs", _of_bundles(SpectacularSwaggerSplitView.as_view())),
    path("redoc", _of_bundles(SpectacularRedocView.as_view(template_name="api/redoc.html"))),
]
