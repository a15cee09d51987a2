"""An OpenID provider on loopback that is strict: what OpenID Connect Core 1.0 or RFC 7636 forbids a client is a 400.

Whoever comes to it is signed in at once, as ``person``. The fields of ``OpenIDProvider`` make it a faulty one.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

CLIENT_ID = "switchyard"
CLIENT_SECRET = "canary-client-secret-of-32-bytes-or-more"
_FORM = "application/x-www-form-urlencoded"


def new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class Code:
    """What a code stands for: the request that it answers, and who was signed in."""

    request: dict[str, str]
    person: dict[str, Any]


@dataclass
class OpenIDProvider:
    """One provider with one client; ``refused`` says which request broke the rules, and how."""

    server: HTTPServer
    key: RSAPrivateKey = field(default_factory=new_key)
    person: dict[str, Any] = field(default_factory=dict)
    # What a faulty provider does.
    change_token: Callable[[dict[str, Any]], dict[str, Any]] = dict
    sign: Callable[[dict[str, Any]], str] | None = None
    change_userinfo: Callable[[dict[str, Any]], Any] = dict
    change_configuration: Callable[[dict[str, Any]], Any] = dict
    error: str = ""
    failing: dict[str, Response] = field(default_factory=dict)
    # What came.
    authorized: list[dict[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _codes: dict[str, Code] = field(default_factory=dict)
    _tokens: dict[str, Code] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path, answer in {
            "/.well-known/openid-configuration": self._configuration,
            "/authorize": self._authorize,
            "/token": self._token,
            "/keys": self._keys,
            "/userinfo": self._userinfo,
        }.items():
            self.server.expect_request(path).respond_with_handler(self._unless_failing(path, answer))

    @property
    def issuer(self) -> str:
        return self.server.url_for("").rstrip("/")

    def mend(self) -> None:
        """Let it be a good provider again, which remembers nothing."""
        self.change_token = self.change_userinfo = self.change_configuration = dict
        self.sign, self.error = None, ""
        for memory in (self.failing, self.authorized, self.refused, self._codes, self._tokens):
            memory.clear()
        if not self.server.is_running():
            self.server.start()

    def signed(self, claims: dict[str, Any], key: Any = None, algorithm: str = "RS256", kid: str = "one") -> str:
        return jwt.encode(claims, self.key if key is None else key, algorithm, headers={"kid": kid})

    def _unless_failing(self, path: str, answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            try:
                return self.failing.get(path) or answer(request)
            except AssertionError as broken:
                self.refused.append(f"{path}: {broken}")
                return _json({"error": "invalid_request", "error_description": str(broken)}, 400)

        return handle

    def _configuration(self, _: Request) -> Response:
        """OpenID Connect Discovery 1.0, section 3."""
        paths = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        urls = {name: f"{self.issuer}{path}" for name, path in {**paths, "userinfo_endpoint": "/userinfo"}.items()}
        return _json(self.change_configuration({"issuer": self.issuer, **urls}))

    def _authorize(self, request: Request) -> Response:
        """Core, section 3.1.2.1; RFC 7636, section 4.3."""
        given = {name: values[0] for name, values in request.args.to_dict(flat=False).items() if len(values) == 1}
        assert len(given) == len(request.args), "no parameter comes twice (RFC 6749, 3.1)"
        self.authorized.append(given)
        assert given.get("client_id") == CLIENT_ID, "client_id"
        assert given.get("response_type") == "code", "response_type"
        assert "openid" in given.get("scope", "").split(), "scope"
        assert given.get("code_challenge_method") == "S256", "code_challenge_method"
        assert len(given.get("code_challenge", "")) == 43, "code_challenge"
        assert len(given.get("state", "")) >= 16, "state"
        assert len(given.get("nonce", "")) >= 16, "nonce"
        if self.error:
            answer = {"error": self.error, "state": given["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code] = Code(given, self.person)
            answer = {"code": code, "state": given["state"]}
        return Response(status=302, headers={"Location": f"{given['redirect_uri']}?{urlencode(answer)}"})

    def _token(self, request: Request) -> Response:
        """Core, section 3.1.3.1; client_secret_basic, the default; RFC 7636, section 4.6."""
        assert request.method == "POST", "method"
        assert request.mimetype == _FORM, "content type"
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        assert request.headers.get("Authorization") == f"Basic {basic}", "client authentication"
        assert "client_secret" not in request.form, "one way of authentication (RFC 6749, 2.3)"
        assert request.form.get("grant_type") == "authorization_code", "grant_type"
        code = self._codes.pop(request.form.get("code", ""), None)
        assert code is not None, "code"
        assert request.form.get("redirect_uri") == code.request["redirect_uri"], "redirect_uri"
        verifier = request.form.get("code_verifier", "")
        assert 43 <= len(verifier) <= 128, "code_verifier"
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        assert challenge == code.request["code_challenge"], "code_verifier"
        access_token = secrets.token_urlsafe(16)
        self._tokens[access_token] = code
        claims = self.change_token(self._claims(code))
        id_token = self.sign(claims) if self.sign else self.signed(claims)
        return _json(
            {"access_token": access_token, "token_type": "Bearer", "expires_in": 60, "id_token": id_token},
            headers={"Cache-Control": "no-store"},
        )

    def _claims(self, code: Code) -> dict[str, Any]:
        now = int(time.time())
        token = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": code.request["nonce"]}
        return {**token, **code.person}

    def _keys(self, _: Request) -> Response:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return _json({"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]})

    def _userinfo(self, request: Request) -> Response:
        """Core, section 5.3; RFC 6750, section 2.1."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        assert kind == "Bearer", "bearer token"
        assert token in self._tokens, "access token"
        return _json(self.change_userinfo(self._tokens[token].person))


@contextmanager
def openid_provider() -> Iterator[OpenIDProvider]:
    """Run a provider on a free port of the loopback address."""
    with HTTPServer("127.0.0.1", 0, threaded=True) as server:
        yield OpenIDProvider(server)


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/json")
