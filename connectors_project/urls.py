"""Every URL of the installation."""

from django.conf import settings
from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from connectors_project.demo.receiver import receiver
from rules.api.views import EventViewSet
from rules.sources.http import events_view

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/spaces/<slug:space>/events", events_view(EventViewSet.as_view({"get": "list"}))),
]
if settings.EMBEDDED:
    urlpatterns.append(path("demo/receiver/", receiver))
