"""What does not prove who came, or comes from a provider that fails, ends on the login page with a reason."""

import time
from collections.abc import Callable
from functools import partial

import pytest
from werkzeug import Response

from tests.connectors_project.sso.sign_in import Browser, Claims, Installation, assert_refused, changed, without
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider, new_key

CHANGES: dict[str, Callable[[Claims], Claims]] = {
    "of another sign-in": changed(nonce="another"),
    "without nonce": without("nonce"),
    "whose nonce is no text": changed(nonce=7),
    "expired": changed(exp=int(time.time()) - 3600),
    "without end": without("exp"),
    "without beginning": without("iat"),
    "of tomorrow": changed(iat=int(time.time()) + 86400),
    "for another client": changed(aud="another"),
    "without audience": without("aud"),
    "for others as well": changed(aud=[CLIENT_ID, "another"]),
    "of another party": changed(azp="another"),
    "of another issuer": changed(iss="https://evil.example"),
    "without subject": without("sub"),
    "whose subject is no text": changed(sub=7),
    "whose subject is too long": changed(sub="x" * 256),
    "whose groups are no list": changed(groups={"a": 1}),
    "whose groups are numbers": changed(groups=[1]),
    "with too many groups to tell": lambda token: {**token, "groups": None, "_claim_names": {"groups": "src1"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_token_that_does_not_prove_who_came_is_refused(
    installation: Installation, browser: Browser, change: Callable[[Claims], Claims]
) -> None:
    installation.provider.change_token = change
    installation.provider.change_userinfo = lambda _: change(installation.provider.person)
    assert_refused(installation, browser, "is not accepted")


SIGNATURES: dict[str, Callable[[OpenIDProvider, Claims], str]] = {
    "another key": lambda provider, claims: provider.signed(claims, new_key()),
    "an unknown key": lambda provider, claims: provider.signed(claims, new_key(), kid="two"),
    "none": lambda provider, claims: provider.signed(claims, "", "none"),
    "the client's secret": lambda provider, claims: provider.signed(claims, CLIENT_SECRET, "HS256"),
    "a part cut off": lambda provider, claims: provider.signed(claims).rpartition(".")[0],
    "nonsense": lambda *_: "ä.b.c",
}


@pytest.mark.parametrize("forge", SIGNATURES.values(), ids=SIGNATURES)
def test_a_token_that_the_provider_did_not_sign_is_refused(
    installation: Installation,
    browser: Browser,
    forge: Callable[[OpenIDProvider, Claims], str],
) -> None:
    installation.provider.sign = partial(forge, installation.provider)
    assert_refused(installation, browser, "is not accepted")


def test_userinfo_of_somebody_else_is_refused(installation: Installation, browser: Browser) -> None:
    installation.provider.change_userinfo = changed(sub="another")
    assert_refused(installation, browser, "is not accepted")


PAGES = {
    "an error": lambda: Response("down", 503),
    "a page": lambda: Response("<html>", content_type="text/html"),
    "a list": lambda: Response("[]", content_type="application/json"),
    "a number": lambda: Response("1", content_type="application/json"),
    "no type": lambda: Response(b"x", headers={"Content-Type": ""}),
    "an empty object": lambda: Response("{}", content_type="application/json"),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys", "/userinfo"])
def test_a_provider_that_answers_wrongly_is_told_and_never_an_error(
    installation: Installation, browser: Browser, path: str, page: Callable[[], Response]
) -> None:
    installation.provider.failing[path] = page()
    assert_refused(installation, browser, "does not answer as it should|is not accepted")


def test_a_provider_that_is_down_is_told_and_a_password_still_helps(
    installation: Installation, browser: Browser
) -> None:
    installation.provider.server.stop()
    assert_refused(installation, browser, "sign in with a password")


def in_plain_text(name: str) -> Callable[[Claims], Claims]:
    """Move an endpoint to an address that is not loopback's, though the provider answers there as well."""
    return lambda configuration: {**configuration, name: configuration[name].replace("127.0.0.1", "0.0.0.0")}


CONFIGURATIONS = {
    "another issuer": changed(issuer="https://evil.example"),
    "no key set": without("jwks_uri"),
    "a token endpoint in plain text": in_plain_text("token_endpoint"),
    "userinfo in plain text": in_plain_text("userinfo_endpoint"),
    "an address of another kind": changed(authorization_endpoint="javascript:alert(1)"),
}


@pytest.mark.parametrize("change", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_that_is_not_the_issuers_is_refused(
    installation: Installation, browser: Browser, change: Callable[[Claims], Claims]
) -> None:
    installation.provider.change_configuration = change
    assert_refused(installation, browser, "does not answer as it should")
