"""Where a sign-in begins and where the provider sends people back to."""

from django.urls import path

from connectors_project.sso import views

urlpatterns = [
    path("login/", views.login, name="oidc_login"),
    path("callback/", views.callback, name="oidc_callback"),
]
