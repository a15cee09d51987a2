"""The two addresses of single sign-on. What goes wrong is told on the login page, where a password still helps."""

import logging
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from connectors_project.sso.claims import BadClaims, read_person
from connectors_project.sso.provider import Adapter, Provider, ProviderFault, StaleSignIn
from spaces.addresses import address_of
from spaces.audit import Actor, Kind, acting
from spaces.services import SignInRefused, SignInRules, sign_in

logger = logging.getLogger(__name__)

# The user is found in the database like any other; nothing but this view vouches for them.
_BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@require_GET
def login(request: HttpRequest) -> HttpResponse:
    """Send the person to the provider."""
    try:
        return Provider(request).begin(secrets.token_urlsafe(32), request.GET.get("next", ""))
    except ProviderFault as fault:
        return _provider_failed(request, fault)


@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """Let the person in with whom the provider comes back."""
    try:
        state = Provider(request).resume()
        if not request.GET.get("code"):
            return _refuse(
                request, f"{settings.OIDC_NAME} did not let you in.", request.GET.get("error", "no code")[:100]
            )
        claims = Adapter(request, settings.OIDC_ISSUER).exchange(state)
        person = read_person(claims, settings.OIDC_GROUPS_CLAIM)
        with acting(lambda: Actor(Kind.SYSTEM, "single sign-on", address_of(request))):
            user = sign_in(person, SignInRules(settings.OIDC_GROUPS, settings.OIDC_SUPERUSERS))
    except StaleSignIn:
        return _refuse(request, "This sign-in is over, or began in another browser. Try again.", "unknown state")
    except ProviderFault as fault:
        return _provider_failed(request, fault)
    except BadClaims as fault:
        return _refuse(
            request, f"What {settings.OIDC_NAME} says of you is not accepted. Ask an administrator.", str(fault)
        )
    except SignInRefused as refusal:
        return _refuse(request, str(refusal), f"{refusal} Subject: {person.subject}")
    auth.login(request, user, backend=_BACKEND)
    request.session.set_expiry(timezone.now() + timedelta(hours=settings.OIDC_SESSION_HOURS))
    return redirect(_destination(request, state["data"]["destination"]))


def _destination(request: HttpRequest, wanted: str) -> str:
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return settings.LOGIN_REDIRECT_URL


def _provider_failed(request: HttpRequest, fault: ProviderFault) -> HttpResponse:
    text = f"{settings.OIDC_NAME} does not answer as it should. Try again later, or sign in with a password."
    return _refuse(request, text, str(fault))


def _refuse(request: HttpRequest, text: str, cause: str) -> HttpResponse:
    logger.warning("Single sign-on failed: %s", cause)
    messages.error(request, text)
    return redirect("admin:login")
