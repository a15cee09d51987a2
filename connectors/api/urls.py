"""Addresses of connectors in a space."""

from rest_framework.routers import SimpleRouter

from connectors.api.views import ConnectorTypeViewSet, ConnectorViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("connectors", ConnectorViewSet)
router.register("connector-types", ConnectorTypeViewSet, basename="connector-type")

urlpatterns = router.urls
