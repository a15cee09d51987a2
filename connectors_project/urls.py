"""Every URL of the installation."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from connectors_project.demo.receiver import receiver
from spaces.api import problems

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("spaces.api.urls")),
    path("api/v1/spaces/<slug:space>/", include("connectors.api.urls")),
    path("api/v1/spaces/<slug:space>/", include("actions.api.urls")),
    path("api/v1/spaces/<slug:space>/", include("rules.api.urls")),
    re_path("^api/", problems.not_found),
]
if settings.OIDC_ISSUER:
    urlpatterns.append(path("accounts/oidc/", include("connectors_project.sso.urls")))
if settings.EMBEDDED:
    urlpatterns.append(path("demo/receiver/", receiver))

handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.page_not_found
handler500 = problems.server_error
