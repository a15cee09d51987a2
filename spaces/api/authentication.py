"""Who sends a request: the bearer of an API key. Sessions are DRF's own SessionAuthentication."""

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from spaces.models import ApiKey
from spaces.services import InvalidKey, authenticate_key

ENDED = "This API key is unknown, expired or revoked."
SCHEMES = (b"bearer", b"apikey")


class ApiKeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer <key>`` or ``ApiKey <key>``; the key becomes ``request.auth``, there is no user."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() not in SCHEMES:
            return None
        try:
            return AnonymousUser(), authenticate_key(token.strip().decode("ascii"))
        except (InvalidKey, UnicodeDecodeError):
            raise AuthenticationFailed(ENDED) from None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="switchyard"'
