"""The OpenID provider, over allauth: its configuration, the way there, and what a code is worth.

allauth keeps state and PKCE verifier in the session and speaks OAuth 2. What it leaves out is done here and in
``claims``: the configuration is that of the issuer, the ID token's signature and nonce are checked, and the person who
signs in chooses neither scopes nor parameters.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.utils import build_absolute_uri
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from connectors_project.options import is_safe_url
from connectors_project.sso.claims import merge_claims, verify_id_token

_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class ProviderFault(Exception):
    """The provider cannot be reached, or answers what it should not; the text tells an administrator what."""


class StaleSignIn(Exception):
    """No sign-in that began in this browser waits for an answer, or not any more."""


class Adapter(OpenIDConnectOAuth2Adapter):
    """allauth's client of the provider that the settings name."""

    def get_provider(self) -> "Provider":
        return Provider(self.request)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        # Behind a TLS proxy the request itself came over plain HTTP.
        is_behind_proxy = f"https://{request.get_host()}" in settings.CSRF_TRUSTED_ORIGINS
        return str(build_absolute_uri(request, reverse("oidc_callback"), "https" if is_behind_proxy else None))

    @cached_property
    def openid_config(self) -> dict[str, Any]:
        """The provider's metadata; raise ProviderFault where they are not those of the issuer (Discovery 1.0, 4.3)."""
        url = f"{settings.OIDC_ISSUER.rstrip('/')}/.well-known/openid-configuration"
        config = self.read(url)
        if not isinstance(config, dict) or config.get("issuer") != settings.OIDC_ISSUER:
            raise ProviderFault(f"{url} is not the configuration of the issuer {settings.OIDC_ISSUER}")
        config.setdefault("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        optional = [name for name in ("userinfo_endpoint",) if name in config]
        for name in (*_ENDPOINTS, *optional):
            if not isinstance(config.get(name), str) or not is_safe_url(config[name]):
                raise ProviderFault(f"{url} names no usable {name}")
        return config

    def read(self, url: str) -> Any:
        """Return the JSON at the URL; raise ProviderFault."""
        with _answers_of(url), get_adapter().get_requests_session() as session:
            answer = session.get(url)
            answer.raise_for_status()
            return answer.json()

    def exchange(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return the claims that the code in the request is worth; raise ProviderFault or BadClaims."""
        app = self.get_provider().app
        client = self.get_client(self.request, app)
        try:
            with _answers_of(self.access_token_url):
                tokens = self.get_access_token_data(self.request, app, client, state["pkce_code_verifier"])
        except OAuth2Error:
            # Its text holds the whole answer.
            why = "did not take the code: are client ID, secret and redirect URI those that it knows?"
            raise ProviderFault(f"{self.access_token_url} {why}") from None
        if not isinstance(tokens.get("id_token"), str):
            raise ProviderFault(f"{self.access_token_url} gave no ID token")
        claims = verify_id_token(
            tokens["id_token"],
            self.read(self.openid_config["jwks_uri"]),
            issuer=settings.OIDC_ISSUER,
            client_id=settings.OIDC_CLIENT_ID,
            nonce=state["data"]["nonce"],
        )
        if "userinfo_endpoint" in self.openid_config:
            with _answers_of(self.profile_url):
                userinfo = self._fetch_user_info(tokens["access_token"])
            claims = merge_claims(claims, userinfo)
        return claims


class Provider(OpenIDConnectProvider):
    """The provider that the settings name; allauth's tables have none."""

    oauth2_adapter_class = Adapter

    def __init__(self, request: HttpRequest) -> None:
        app = SocialApp(
            provider=self.id,
            provider_id=settings.OIDC_ISSUER,
            name=settings.OIDC_NAME,
            client_id=settings.OIDC_CLIENT_ID,
            secret=settings.OIDC_CLIENT_SECRET,
            settings={"oauth_pkce_enabled": True, "scope": settings.OIDC_SCOPES},
        )
        super().__init__(request, app=app)

    def begin(self, nonce: str, destination: str) -> HttpResponse:
        """Return the redirect to the provider, from where the person comes back for ``destination``.

        Raises ProviderFault.
        """
        redirect: Callable[..., HttpResponse] = self.redirect
        data = {"nonce": nonce, "destination": destination}
        return redirect(self.request, AuthProcess.LOGIN, data=data, auth_params={"nonce": nonce})

    def resume(self) -> dict[str, Any]:
        """Return the state of the sign-in that the request answers, which can be answered once; raise StaleSignIn."""
        try:
            state: dict[str, Any] = self.unstash_redirect_state(self.request, self.request.GET.get("state", ""))
        except PermissionDenied:
            raise StaleSignIn from None
        return state


@contextmanager
def _answers_of(url: str) -> Iterator[None]:
    """Raise ProviderFault for what can go wrong with a request, and for an answer of another form than expected."""
    try:
        yield
    except OSError as error:  # the base of every exception of requests
        raise ProviderFault(f"{url} cannot be read: {type(error).__name__}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProviderFault(f"{url} answers in another form than OpenID Connect's") from error
