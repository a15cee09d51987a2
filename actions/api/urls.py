"""Addresses of actions, deliveries and the event log in a space."""

from rest_framework.routers import SimpleRouter

from actions.api.views import ActionViewSet, DeliveryViewSet, EventLogViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("actions", ActionViewSet)
router.register("deliveries", DeliveryViewSet)
router.register("event-log", EventLogViewSet)

urlpatterns = router.urls
