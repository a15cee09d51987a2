"""Notifications go through the services of apprise whose hosts are fixed, and through nothing else.

Sources: appriseit.com/services (URLs); pushover.net/api ("Pushing Messages", "Response format", "Limitations");
twilio.com/docs/messaging/api/message-resource; simplepush.io/features.
"""

import json
import subprocess
import sys
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs

import pytest
from pytest_django import Settings

from connectors.net.exchange import Response, Result
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.apprise import connector_type, plugins
from connectors.types.apprise.plugins import Asked, BadServiceUrl, Call, check_url, run
from connectors.types.apprise.schemas import AppriseConfig, AppriseParams, AppriseSecrets
from connectors.types.apprise.services import SERVICES
from connectors.types.base import Connection, Message
from tests.connectors.types.apprise.behind import authority_pem, services
from tests.contract.scripted import answering, http_answer
from tests.servers import ROOT

USER, TOKEN = "u" * 30, "t" * 30
PUSHOVER = f"pover://{USER}@{TOKEN}"
SID, AUTH = f"AC{'1' * 32}", "2" * 32
URLS = {
    "bulksms": "bulksms://user:password@15551234567",
    "clicksend": "clicksend://user:password@15551234567",
    "httpsms": f"httpsms://{'k' * 10}@15551233456/15551234567",
    "ifttt": "ifttt://webhookid@event",
    "join": f"join://{'a' * 32}/device",
    "line": f"line://{'t' * 20}/target",
    "msgbird": f"msgbird://{'a' * 25}/15551233456/15551234567",
    "pagertree": f"pagertree://int_{'a' * 10}",
    "pover": PUSHOVER,
    "prowl": f"prowl://{'a' * 40}",
    "pushed": f"pushed://{'a' * 32}/{'a' * 64}",
    "resend": "resend://re_abc:a@example.com/b@example.com",
    "schan": "schan://12345678",
    "sendgrid": "sendgrid://abcd:a@example.com/b@example.com",
    "signl4": "signl4://secret123",
    "spike": f"spike://{'1' * 32}",
    "spush": "spush://YT8stRg",
    "twilio": f"twilio://{SID}:{AUTH}@15551233456/15551234567/15557654321",
    "victorops": "victorops://route@aaaaaaaa-1111-2222-3333-444444444444",
    "vonage": f"vonage://AC123456:{'b' * 16}@15551233456/15551234567",
    "wxpusher": "wxpusher://AT_abcdef/UID_abcd",
}


def calls(url: str, params: dict[str, str] | None = None, answer: bytes = b"{}") -> list[Call]:
    """Return what the plugin asks for when everything is answered 200."""
    service = url.partition("://")[0]
    found: list[Call] = []
    results: list[Result] = []
    while True:
        try:
            run(service, url, AppriseParams.model_validate(params or {"title": "t", "body": "b"}), results)
        except Asked as asked:
            found.append(asked.call)
            results.append(Response(200, {}, answer, False, 0.0))
        else:
            return found


def connection(url: str, **config: Any) -> Connection[AppriseConfig, AppriseSecrets]:
    given = {"service": url.partition("://")[0], "ca": authority_pem(), **config}
    return Connection(1, 1, AppriseConfig.model_validate(given), AppriseSecrets.model_validate({"url": url}))


def send(url: str, **params: str) -> Outcome:
    message = Message(7, "0d9f", AppriseParams.model_validate({"title": "t", "body": "b", **params}))
    (outcome,) = connector_type.deliver(connection(url), [message])
    return outcome


def probe(url: str, **config: Any) -> list[Step]:
    return list(connector_type.probe(connection(url, **config), timeout=5))


def pushover(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    if head.startswith(b"GET / "):
        return http_answer(200, b"<html>")
    assert head.startswith(b"POST /1/messages.json HTTP/1.1")
    assert b"host: api.pushover.net" in head.lower()
    assert b"content-type: application/x-www-form-urlencoded" in head.lower()
    sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    assert {"token", "user", "message"} <= sent.keys()
    assert len(sent["message"].encode()) <= 1024
    assert len(sent["title"]) <= 250
    assert sent["priority"] in {"-2", "-1", "0", "1", "2"}
    if sent["user"] != USER:
        said = {"user": "invalid", "errors": ["user identifier is invalid"], "status": 0, "request": "5042853c"}
        return http_answer(400, json.dumps(said).encode())
    return http_answer(200, b'{"status":1,"request":"647d2300-702c-4b38-8b2f-d56326ae460b"}')


def test_a_notification_is_what_the_service_takes() -> None:
    with services(answering(pushover)) as server:
        outcome = send(PUSHOVER, title="disk", body="full & <b>more</b>")
        assert outcome.reason is Reason.OK, outcome
        sent = parse_qs(server.requests[1].partition(b"\r\n\r\n")[2].decode())
    assert outcome.detail == "The service took the notification."
    assert (sent["title"], sent["message"]) == (["disk"], ["full & <b>more</b>"])
    assert (sent["user"], sent["token"]) == ([USER], [TOKEN])
    assert outcome.request["url"] == "https://api.pushover.net/1/messages.json"


def test_a_long_text_is_cut_to_what_the_service_takes() -> None:
    with services(answering(pushover)):
        assert send(PUSHOVER, title="t" * 4000, body="b" * 4000).reason is Reason.OK


def test_a_refusal_is_told_with_the_answer_of_the_service() -> None:
    with services(answering(pushover)):
        outcome = send(f"pover://{'x' * 30}@{TOKEN}")
    assert outcome.reason is Reason.PERMANENT_4XX
    assert "user identifier is invalid" in outcome.response["body"]
    assert outcome.detail


def test_past_the_rate_limit_the_notification_waits() -> None:
    with services(answering(http_answer(429, b'{"status":0}', b"retry-after: 60"))):
        outcome = send(PUSHOVER)
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 60.0)


def test_a_refusal_with_status_200_is_none_the_less_one() -> None:
    with services(answering(http_answer(200, b'{"status": "BadRequest", "message": "Title or message invalid"}'))):
        outcome = send(URLS["spush"])
    assert outcome.reason is Reason.PERMANENT_4XX


def test_each_of_several_receivers_gets_a_request_and_a_failure_of_one_counts() -> None:
    def twilio(request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.startswith(f"POST /2010-04-01/Accounts/{SID}/Messages.json".encode())
        assert f"authorization: Basic {b64encode(f'{SID}:{AUTH}'.encode()).decode()}".encode().lower() in head.lower()
        sent = parse_qs(body.decode())
        assert {"From", "To", "Body"} <= sent.keys()
        return http_answer(503 if "5557654321" in sent["To"][0] else 201, b'{"sid": "SM1"}')

    with services(answering(twilio)) as server:
        outcome = send(URLS["twilio"])
        assert len([each for each in server.requests if each.startswith(b"POST")]) == 2
    assert outcome.reason is Reason.RETRY_HTTP_5XX
    assert SID not in repr(outcome)
    assert AUTH not in repr(outcome)


def test_every_service_that_is_allowed_is_tried_here() -> None:
    assert URLS.keys() == SERVICES.keys()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_goes_to_its_own_host_alone(service: str) -> None:
    found = calls(URLS[service])
    assert found
    assert all(call.url.startswith(f"https://{SERVICES[service].host}/") for call in found), found


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_url_says_of_retries_timeouts_and_tls_is_not_taken(service: str) -> None:
    url = URLS[service]
    more = f"{url}{'&' if '?' in url else '?'}retry=5&wait=60&verify=no&rto=600&cto=600&redirect=yes&store=yes"
    assert [call.url for call in calls(more)] == [call.url for call in calls(url)]


def test_text_is_escaped_for_a_service_that_takes_html() -> None:
    (call,) = calls(URLS["sendgrid"], {"title": "t", "body": "<script>1 & 2"})
    assert call.body is not None
    (content,) = json.loads(call.body)["content"]
    assert content["type"] == "text/html"
    assert "<script>" not in content["value"]


@pytest.mark.parametrize(
    "url",
    [
        "mailto://user:password@example.com",
        "json://10.0.0.1/hook",
        "ntfys://internal.example.com/topic",
        "gotify://gotify.internal/token",
        "file:///etc/passwd",
        "syslog://",
        "dbus://",
        "https://example.com/config.yml",
        "no url at all",
    ],
)
def test_what_goes_to_a_host_of_its_own_choice_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="begins with one of") as caught:
        AppriseSecrets.model_validate({"url": url})
    assert url not in str(caught.value)
    with pytest.raises(ValueError, match="Use one of"):
        AppriseConfig.model_validate({"service": url.partition("://")[0][:32]})


def test_a_url_of_another_service_than_the_connectors_is_refused() -> None:
    message = Message(7, "0d9f", AppriseParams(title="t", body="b"))
    (outcome,) = connector_type.deliver(connection(PUSHOVER, service="prowl"), [message])
    assert outcome.reason is Reason.BAD_CONFIG
    assert outcome.detail == "The URL begins with pover://, and the service is prowl."
    assert probe(PUSHOVER, service="prowl")[-1].name == "url"


@pytest.mark.parametrize("url", ["pover://short", "twilio://x:y@z", "pover://"])
def test_a_url_that_apprise_cannot_read_is_told_and_not_shown(url: str) -> None:
    with pytest.raises(BadServiceUrl):
        check_url(url.partition("://")[0], url)
    outcome = send(url)
    assert (outcome.reason, outcome.detail) == (Reason.BAD_CONFIG, "apprise cannot read the URL.")
    last = probe(url)[-1]
    assert (last.name, last.reason) == ("url", Reason.BAD_CONFIG)
    assert SERVICES[url.partition("://")[0]].form in last.advice


@pytest.mark.parametrize(("params", "said"), [({"type": "{{ bad }}"}, "type"), ({"body": " "}, "body")])
def test_what_templates_yield_is_checked_with_the_field_named(params: dict[str, str], said: str) -> None:
    outcome = send(PUSHOVER, **params)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert said in outcome.detail


def test_a_host_that_the_installation_does_not_allow_is_told_when_saved(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_HOSTS = ["*.example.com"]
    (error,) = connector_type.check(AppriseConfig(service="pover"))
    assert error.pointer == "/service"
    assert "api.pushover.net" in error.detail


def test_secrets_do_not_follow_to_another_service() -> None:
    assert connector_type.targets(AppriseConfig(service="pover")) == {"https://api.pushover.net:443"}


class TestProbe:
    """The Test button."""

    def test_it_sends_nothing(self) -> None:
        with services(answering(pushover)) as server:
            steps = probe(PUSHOVER)
            assert not [each for each in server.requests if each.startswith(b"POST")]
        assert all(step.reason.is_ok for step in steps)
        assert steps[0].name == "library"
        assert steps[-1].detail == "HTTP 200: the service answers. The URL is checked with a message."


class TestWithoutTheExtra:
    """Where the library is missing."""

    @pytest.fixture(autouse=True)
    def missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [each for each in sys.modules if each == "apprise" or each.startswith("apprise.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "apprise", None)
        plugins._load.cache_clear()

    def test_a_message_says_how_to_install_it(self) -> None:
        outcome = send(PUSHOVER)
        assert outcome.reason is Reason.BAD_CONFIG
        assert "make apprise" in outcome.detail

    def test_a_test_says_how_to_install_it(self) -> None:
        (step,) = probe(PUSHOVER)
        assert (step.name, step.reason) == ("library", Reason.BAD_CONFIG)
        assert "make apprise" in step.advice


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import os, sys, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; django.setup(); "
        "from connectors.types.registry import all_types; assert 'apprise' in all_types(); "
        "assert 'apprise' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
