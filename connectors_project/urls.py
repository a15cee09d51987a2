"""Every URL of the installation."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from connectors_project import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("healthz", health.live),
    path("readyz", health.ready),
]
