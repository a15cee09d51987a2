"""The apprise connector type: a notification through one of the services whose hosts apprise fixes."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.net.exchange import Failure, Request, Response, Result
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.answers import reason_for
from connectors.types.apprise.plugins import Asked, BadServiceUrl, Call, NotInstalled, check_url, run
from connectors.types.apprise.schemas import TYPES, AppriseConfig, AppriseParams, AppriseSecrets
from connectors.types.apprise.services import SERVICES, service_of
from connectors.types.base import Connection, Message
from connectors.types.conversations import BadMessage
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import ASKING, VETTING
from connectors.types.rendered import check_choice
from connectors.types.sites import Site

_MOST_REQUESTS: Final = 50  # of one message: a URL may name several receivers
_SHORTEST: Final = 6  # characters from which a part of a URL may be a secret

AppriseSite = Site[AppriseConfig, AppriseSecrets]


class AppriseConnectorType(HttpApiType[AppriseConfig, AppriseSecrets, AppriseParams]):
    """Notifies somebody."""

    id = "apprise"
    name = "Apprise"
    description = "Sends a notification through a push, SMS or on-call service that apprise knows."
    categories = ("messaging",)
    icon = "campaign"
    checks = {
        "library": "The extra apprise is installed.",
        "url": "The URL is one of a service that is allowed.",
        **VETTING,
        **ASKING,
        "status": "The service answers. Whether it takes messages shows with the first one.",
    }
    config_model = AppriseConfig
    secrets_model = AppriseSecrets
    params_model = AppriseParams

    @property
    def url_pointer(self) -> str:
        return "/service"

    def base_url(self, config: AppriseConfig, secrets: AppriseSecrets) -> str:
        return f"https://{SERVICES[config.service].host}/"

    def derived_secrets(self, config: AppriseConfig, secrets: AppriseSecrets) -> list[str]:
        return list(_parts(secrets.url.get_secret_value())) if secrets.url else []

    def missing_secrets(self, config: AppriseConfig, secrets: AppriseSecrets) -> list[str]:
        return [] if secrets.url else ["url"]

    def converse(self, site: AppriseSite, message: Message[AppriseParams]) -> Exchange:
        check_choice("type", message.params.type, TYPES)
        if not message.params.body.strip():
            raise BadMessage("body is empty: there is nothing to send.")
        requests: list[Request] = []
        results: list[Result] = []
        url = site.secrets.url.get_secret_value() if site.secrets.url else ""
        while True:
            try:
                _check_service(site, url)
                is_content, said = run(site.config.service, url, message.params, results)
                return _outcome(site, message, requests, results, is_content, said)
            except (NotInstalled, BadServiceUrl) as error:
                return Outcome(message.key, Reason.BAD_CONFIG, str(error) or _UNREADABLE)
            except Asked as asked:
                request = _request(site, message, asked.call)
            requests.append(request)
            results.append((yield request) if len(results) < _MOST_REQUESTS else _TOO_MANY)

    def probe(self, connection: Connection[AppriseConfig, AppriseSecrets], *, timeout: float) -> Iterator[Step]:
        site = self.site(connection)
        try:
            url = site.secrets.url.get_secret_value() if site.secrets.url else ""
            _check_service(site, url)
            check_url(site.config.service, url)
        except NotInstalled as error:
            yield Step("library", "apprise is not installed.", reason=Reason.BAD_CONFIG, advice=str(error))
            return
        except BadServiceUrl as error:
            form = SERVICES[site.config.service].form
            yield Step("url", str(error) or _UNREADABLE, reason=Reason.BAD_CONFIG, advice=f"Write it as {form}.")
            return
        yield Step("library", "apprise is installed, and can read the URL.")
        yield from super().probe(connection, timeout=timeout)

    def judge(self, site: AppriseSite, request: Request, response: Response) -> Iterator[Step]:
        # There is no question that all services answer: what the URL is worth shows with the first message.
        if response.status >= 500:
            yield from super().judge(site, request, response)
        else:
            yield Step("status", f"HTTP {response.status}: the service answers. The URL is checked with a message.")


_UNREADABLE: Final = "apprise cannot read the URL."
_TOO_MANY: Final = Failure(Reason.BAD_CONFIG, f"The URL leads to more than {_MOST_REQUESTS} requests.")


def _check_service(site: AppriseSite, url: str) -> None:
    if service_of(url) != site.config.service:
        raise BadServiceUrl(f"The URL begins with {service_of(url)}://, and the service is {site.config.service}.")


def _request(site: AppriseSite, message: Message[AppriseParams], call: Call) -> Request:
    if not call.url.startswith(site.base):
        raise BadMessage(f"apprise would send to another host than {SERVICES[site.config.service].host}.")
    path = call.url.removeprefix(site.base)
    return site.request(call.method, path, body=call.body, headers=call.headers, message=message)


def _outcome(
    site: AppriseSite,
    message: Message[AppriseParams],
    requests: list[Request],
    results: list[Result],
    is_content: bool,
    said: str,
) -> Outcome:
    if not requests:
        raise BadMessage(f"apprise sends nothing of this. {site.masker.mask(said)}".strip())
    exchanges = list(zip(requests, results, strict=True))
    if is_content:
        return site.outcome(message, *exchanges[-1], Reason.OK, "The service took the notification.")
    request, result = next(
        (each for each in reversed(exchanges) if isinstance(each[1], Failure) or not reason_for(each[1].status).is_ok),
        exchanges[-1],
    )
    if isinstance(result, Failure):
        return site.outcome(message, request, result)
    reason = reason_for(result.status)
    # The service took the request, and says in its answer that it did not take the notification.
    return site.outcome(message, request, result, Reason.PERMANENT_4XX if reason.is_ok else reason, said)


def _parts(url: str) -> Iterator[str]:
    """Yield what of a URL may come back as a text of its own: a key, a token, a password, credentials."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    place = parts.netloc.rpartition("@")
    user, _, password = place[0].partition(":")
    found = [user, password, place[2], *parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
    yield from {each for raw in found for each in (raw, unquote(raw)) if len(each) >= _SHORTEST}
    if user and password:
        yield f"{unquote(user)}:{unquote(password)}"
    if user:
        yield f"{unquote(user)}:"
