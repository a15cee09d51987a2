"""A wrong HTTP connector is refused when it is saved, with the field and the reason."""

from typing import Any

import pytest
import trustme
from pydantic import ValidationError
from pytest_django import Settings

from connectors.net.headers import RESERVED
from connectors.types.http import connector_type
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.schemas import HttpConfig, HttpParams

URL = "https://hooks.example.com/events"
LEAF = trustme.CA().issue_cert("client.test")
CERTIFICATE = LEAF.cert_chain_pems[0].bytes().decode()
KEY = LEAF.private_key_pem.bytes().decode()


def places(error: ValidationError) -> list[tuple[int | str, ...]]:
    return [details["loc"] for details in error.errors()]


def refused(model: type[Any], values: dict[str, Any]) -> list[tuple[int | str, ...]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return places(caught.value)


def test_a_url_is_all_that_is_needed() -> None:
    config = HttpConfig(url=URL)
    assert (config.method, config.timeout, config.auth, config.verify, config.headers) == (
        "POST",
        15,
        "none",
        "default",
        {},
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", ""),
        ("url", "hooks.example.com"),
        ("url", "ftp://hooks.example.com/"),
        ("url", r"http://127.0.0.1\@hooks.example.com/"),
        ("url", "https://user:password@hooks.example.com/"),
        ("url", None),
        ("method", "HEAD"),
        ("method", "post"),
        ("timeout", 0),
        ("timeout", 301),
        ("timeout", "soon"),
        ("timeout", float("nan")),
        ("auth", "digest"),
        ("verify", "maybe"),
        ("ca", "no certificate"),
        ("client_cert", "no certificate"),
        ("client_cert", KEY),
        ("client_cert", CERTIFICATE + KEY),
        ("username", "a:b"),
        ("username", "a\nb"),
        ("headers", {f"h{n}": "" for n in range(51)}),
        ("unknown", 1),
    ],
)
def test_a_wrong_config_is_refused_at_its_field(field: str, value: object) -> None:
    assert refused(HttpConfig, {"url": URL, field: value}) == [(field,)]


@pytest.mark.parametrize(
    "name", [*sorted(RESERVED), "Host", "WEBHOOK-ID", "", "a b", "a:b", "a\r\nb", "ä", "a\0", "x" * 257]
)
def test_row_11_headers_that_are_reserved_or_misnamed_are_refused(name: str) -> None:
    assert refused(HttpConfig, {"url": URL, "headers": {name: "1"}}) == [("headers",)]
    assert refused(HttpParams, {"headers": {name: "1"}}) == [("headers",)]


@pytest.mark.parametrize("value", ["a\r\nb", "a\n", "\r", "a\0b", "a\x7f", "ä", "\ud800", "x" * 8193])
def test_row_11_header_values_that_break_lines_or_are_not_ascii_are_refused(value: str) -> None:
    assert refused(HttpConfig, {"url": URL, "headers": {"X-A": value}}) == [("headers",)]
    assert refused(HttpParams, {"headers": {"X-A": value}}) == [("headers",)]


def test_a_header_stands_once() -> None:
    assert refused(HttpConfig, {"url": URL, "headers": {"X-A": "1", "x-a": "2"}}) == [("headers",)]


def test_authentication_and_a_header_for_it_exclude_each_other() -> None:
    headers = {"Authorization": "Basic eDp5"}
    HttpConfig(url=URL, headers=headers)
    assert refused(HttpConfig, {"url": URL, "headers": headers, "auth": "bearer"}) == [("auth",)]


def test_basic_authentication_needs_a_user_name() -> None:
    assert refused(HttpConfig, {"url": URL, "auth": "basic"}) == [("username",)]
    HttpConfig(url=URL, auth="basic", username="me")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", "a\r\nx: y"),
        ("token", "tökén"),
        ("client_key", "no key"),
        ("client_key", CERTIFICATE),
        ("client_key", KEY.replace("BEGIN ", "BEGIN ENCRYPTED ")),
        ("password", "x" * 1025),
    ],
)
def test_a_wrong_secret_is_refused_and_not_told(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        HttpSecrets.model_validate({field: value})
    assert places(caught.value) == [(field,)]
    assert value not in str(caught.value)
    assert value not in repr(caught.value)


@pytest.mark.parametrize(
    ("config", "given", "missing"),
    [
        ({}, {}, []),
        ({"auth": "basic", "username": "me"}, {}, ["password"]),
        ({"auth": "basic", "username": "me"}, {"password": ""}, ["password"]),
        ({"auth": "basic", "username": "me"}, {"password": "x"}, []),
        ({"auth": "bearer"}, {"password": "x"}, ["token"]),
        ({"auth": "bearer"}, {"token": "x"}, []),
        ({"client_cert": CERTIFICATE}, {}, ["client_key"]),
        ({"client_cert": CERTIFICATE}, {"client_key": KEY}, []),
        ({"client_cert": CERTIFICATE, "auth": "bearer"}, {}, ["token", "client_key"]),
    ],
)
def test_a_secret_that_the_config_needs_is_missed(
    config: dict[str, Any], given: dict[str, str], missing: list[str]
) -> None:
    parsed = HttpConfig.model_validate({"url": URL, **config})
    assert connector_type.missing_secrets(parsed, HttpSecrets.model_validate(given)) == missing


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://169.254.169.254/latest/meta-data", ["/url"]),
        ("http://[fd00:ec2::254]/", ["/url"]),
        ("http://metadata.google.internal/", ["/url"]),
        ("http://2130706433/", ["/url"]),
        ("http://①②⑦.⓪.⓪.①/", ["/url"]),
        ("http://[::ffff:10.0.0.1]/", ["/url"]),
        ("http://example.com:6379/", ["/url"]),
        ("http://example.com/", []),
    ],
)
def test_rows_1_to_4_a_denied_target_is_refused_when_saved(settings: Settings, url: str, place: list[str]) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    assert [error.pointer for error in connector_type.check(HttpConfig(url=url))] == place


def test_a_timeout_beyond_the_installation_s_is_refused_when_saved(settings: Settings) -> None:
    settings.NETWORK_TIMEOUT = 20
    (error,) = connector_type.check(HttpConfig(url=URL, timeout=21))
    assert (error.pointer, "20 s" in error.detail) == ("/timeout", True)
    assert connector_type.check(HttpConfig(url=URL, timeout=20)) == []


def test_a_stored_config_opens_whatever_the_settings_are_now(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    settings.NETWORK_ALLOWED_HOSTS = []
    HttpConfig(url="http://10.0.0.1/", timeout=300)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://Hooks.Example.com/a?b", "https://hooks.example.com:443"),
        ("http://hooks.example.com:8080/", "http://hooks.example.com:8080"),
        ("http://127.1/", "http://127.0.0.1:80"),
    ],
)
def test_the_target_is_where_the_secrets_go(url: str, target: str) -> None:
    assert connector_type.targets(HttpConfig(url=url)) == {target}


@pytest.mark.parametrize(
    ("config", "params", "field", "expected"),
    [
        ({}, {}, "body", "json"),
        ({}, {"headers": {"Content-Type": "text/plain"}}, "body", "text"),
        ({"Content-Type": "text/plain"}, {}, "body", "text"),
        (
            {"Content-Type": "text/plain"},
            {"headers": {"content-type": "application/json; charset=utf-8"}},
            "body",
            "json",
        ),
        ({"content-type": "application/cloudevents+json"}, {}, "body", "json"),
        ({"content-type": "application/jsonp"}, {}, "body", "text"),
        ({}, {"headers": None}, "body", "json"),
        ({}, {}, "path", "url"),
        ({}, {}, "query", "url"),
        ({}, {}, "headers", "text"),
        ({}, {}, "method", "text"),
    ],
)
def test_values_are_escaped_for_where_they_stand(
    config: dict[str, str], params: dict[str, Any], field: str, expected: str
) -> None:
    assert connector_type.template_format(HttpConfig(url=URL, headers=config), params, field) == expected


@pytest.mark.parametrize("body", ["text", "", None, 1, 1.5, True, [1, {"a": None}], {"a": ["{{ event.data }}"]}])
def test_a_body_is_any_json_value(body: object) -> None:
    assert HttpParams.model_validate({"body": body}).body == body


def test_header_values_of_params_may_be_templates() -> None:
    HttpParams(headers={"X-A": "{{ event.data.naïve }}"})
