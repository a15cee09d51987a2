"""The ServiceNow connector type: an incident is found again by its correlation id before one is made."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connectors.net.exchange import Request, Response, Result
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.urls import BadUrl, parse_url
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Adopted, Message, TemplateFormat
from connectors.types.conversations import BadMessage
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import ASKING, VETTING, status_step
from connectors.types.oauth2 import Grant
from connectors.types.rendered import check_choice
from connectors.types.servicenow.assertion import sign_assertion
from connectors.types.servicenow.incidents import (
    TABLE,
    Incident,
    ServiceNowSite,
    changed_fields,
    check_sys_id,
    closing_fields,
    correlation_of,
    find_incident,
    new_fields,
    read_incident,
    write_incident,
)
from connectors.types.servicenow.schemas import SUB_ACTIONS, ServiceNowConfig, ServiceNowParams, ServiceNowSecrets
from connectors.types.sites import read_object
from connectors.types.tickets import Unanswered, settle
from spaces.errors import FieldError

_CREATES: Final = frozenset({"pushToService", "createIncident"})
_JOURNALS: Final = frozenset({"work_notes", "comments"})
_NEEDED: Final = {
    "basic": ("username", "password"),
    "oauth2_client": ("client_secret",),
    "oauth2_password": ("client_secret", "username", "password"),
    "oauth2_jwt": ("client_secret", "private_key"),
}
_NO_TABLE_API: Final = (
    "Kibana used its application in ServiceNow; here the Table API is used, for which the user needs the role itil."
)


class ServiceNowConnectorType(HttpApiType[ServiceNowConfig, ServiceNowSecrets, ServiceNowParams]):
    """Makes, updates and closes incidents."""

    id = "servicenow"
    name = "ServiceNow"
    description = "Makes, updates and closes incidents in ServiceNow."
    categories = ("tickets",)
    icon = "confirmation_number"
    kibana_id = ".servicenow"
    checks = {
        **VETTING,
        "token": "The token endpoint gives an access token. For OAuth 2.",
        **ASKING,
        "authenticate": "ServiceNow accepts the credentials.",
        "table": "The user may read the table of incidents.",
        "status": "What the answer says, where none of these steps can.",
    }
    config_model = ServiceNowConfig
    secrets_model = ServiceNowSecrets
    params_model = ServiceNowParams

    def base_url(self, config: ServiceNowConfig, secrets: ServiceNowSecrets) -> str:
        return config.api_url

    def headers(self, config: ServiceNowConfig, secrets: ServiceNowSecrets) -> Mapping[str, str]:
        found = {"accept": "application/json"}
        if config.auth == "basic":
            found["authorization"] = f"Basic {b64encode(_credentials(secrets).encode()).decode()}"
        return found

    def derived_secrets(self, config: ServiceNowConfig, secrets: ServiceNowSecrets) -> list[str]:
        return [_credentials(secrets)] if config.auth == "basic" else []

    def grant(self, config: ServiceNowConfig, secrets: ServiceNowSecrets) -> Grant | None:
        if config.auth == "basic":
            return None
        has_user = config.auth == "oauth2_password"
        return Grant(
            _token_url(config),
            config.client_id,
            secrets.client_secret.get_secret_value() if secrets.client_secret else "",
            client_auth="body",
            username=secrets.username.get_secret_value() if has_user and secrets.username else "",
            password=secrets.password.get_secret_value() if has_user and secrets.password else "",
            assertion=(lambda: sign_assertion(config, secrets)) if config.auth == "oauth2_jwt" else None,
        )

    def missing_secrets(self, config: ServiceNowConfig, secrets: ServiceNowSecrets) -> list[str]:
        return [name for name in _NEEDED[config.auth] if not getattr(secrets, name)]

    def targets(self, config: ServiceNowConfig) -> frozenset[str]:
        if config.auth == "basic":
            return super().targets(config)
        origin, _ = parse_url(_token_url(config))
        return super().targets(config) | {f"{origin.scheme}://{origin.host}:{origin.port}"}

    def check(self, config: ServiceNowConfig) -> list[FieldError]:
        errors = super().check(config)
        if config.auth != "basic" and config.token_url:
            try:
                NetworkPolicy.current().check_url(config.token_url)
            except (BadUrl, BlockedTarget) as error:
                errors.append(FieldError("/token_url", str(error)))
        return errors

    def template_format(self, config: ServiceNowConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        if field in _JOURNALS:
            # Where the template itself begins HTML, a value stands in HTML.
            return "servicenow_html" if "[code]" in str(params.get(field)).lower() else "servicenow"
        return "servicenow" if field == "additional_fields" else "text"

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        adopted: dict[str, Any] = {"api_url": config.get("apiUrl") or ""}
        warnings = () if config.get("usesTableApi", True) else (_NO_TABLE_API,)
        if not config.get("isOAuth"):
            return Adopted(adopted, _NEEDED["basic"], warnings)
        adopted |= {
            "auth": "oauth2_jwt",
            "client_id": config.get("clientId") or "",
            "user_identifier_value": config.get("userIdentifierValue") or "",
            "jwt_key_id": config.get("jwtKeyId") or "",
        }
        return Adopted(adopted, _NEEDED["oauth2_jwt"], warnings)

    def converse(self, site: ServiceNowSite, message: Message[ServiceNowParams]) -> Exchange:
        _check(message.params)
        try:
            return (yield from _converse(site, message))
        except Unanswered as unanswered:
            return _told(site, message, unanswered.request, unanswered.result)

    def probe_request(self, site: ServiceNowSite) -> Request:
        return site.request("GET", TABLE, query={"sysparm_limit": 1, "sysparm_fields": "sys_id"})

    def judge(self, site: ServiceNowSite, request: Request, response: Response) -> Iterator[Step]:
        if response.status == 200 and isinstance(read_object(response).get("result"), list):
            yield Step("authenticate", "ServiceNow takes the credentials.")
            yield Step("table", "The Table API answers for incidents.")
        elif response.status == 401:
            yield Step(
                "authenticate",
                _explain(response) or "HTTP 401: ServiceNow does not know the user or the client.",
                reason=Reason.BAD_CONFIG,
                advice="Check the user name and password, or the client, and that the user is active in the instance.",
            )
        elif response.status in (200, 202, 403, 404):
            yield Step("authenticate", "ServiceNow does not refuse the credentials.")
            yield Step(
                "table",
                _explain(response) or f"HTTP {response.status}: this is no answer of the Table API.",
                reason=Reason.BAD_CONFIG,
                advice="Check the URL, that the instance is awake, and that the user has the role itil.",
            )
        else:
            yield status_step(request.method, response.status)


def _converse(site: ServiceNowSite, message: Message[ServiceNowParams]) -> Exchange:
    params = message.params
    creates = params.sub_action in _CREATES
    correlation_id = correlation_of(params.correlation_id or message.webhook_id)
    # Made before the first request: what is wrong with them shows before anything has changed.
    made = new_fields(message, correlation_id) if creates else {}
    if params.external_id:
        incident: Incident | None = Incident(params.external_id, params.external_id, "", is_active=True)
    else:
        incident = yield from find_incident(site, message, correlation_id, creates=creates)
    if incident is not None:
        return (yield from _change(site, message, incident))
    if creates:
        return (yield from _create(site, message, made))
    detail = f"ServiceNow has no active incident with the correlation ID {correlation_id}"
    if params.sub_action == "closeIncident":
        return Outcome(message.key, Reason.OK, site.masker.mask(f"{detail}: there is nothing to close."))
    return Outcome(message.key, Reason.PERMANENT_4XX, site.masker.mask(f"{detail}."))


def _create(site: ServiceNowSite, message: Message[ServiceNowParams], fields: dict[str, Any]) -> Exchange:
    request = write_incident(site, message, "POST", fields)
    result = yield request
    record = _record(result, 201)
    if record is None:
        return settle(_told(site, message, request, result))
    number = read_incident(record).number or "an incident"
    return site.outcome(message, request, result, detail=f"ServiceNow made {number}.")


def _change(site: ServiceNowSite, message: Message[ServiceNowParams], incident: Incident) -> Exchange:
    params = message.params
    if params.sub_action == "createIncident":
        return Outcome(message.key, Reason.OK, f"{incident.number} is there already.")
    is_closing = params.sub_action == "closeIncident"
    fields = closing_fields(params) if is_closing else changed_fields(params)
    request = write_incident(site, message, "PATCH", fields, incident.sys_id)
    result = yield request
    record = _record(result, 200)
    if record is None:
        return _told(site, message, request, result)
    what = "closed" if is_closing else "updated"
    number = read_incident(record).number or "the incident"
    return site.outcome(message, request, result, detail=f"ServiceNow {what} {number}.")


def _record(result: Result, status: int) -> dict[str, Any] | None:
    """Return the record in an answer that says that it was written."""
    found = read_object(result).get("result") if isinstance(result, Response) and result.status == status else None
    return found if isinstance(found, dict) else None


def _told(site: ServiceNowSite, message: Message[ServiceNowParams], request: Request, result: Result) -> Outcome:
    """Return the outcome of a request that ServiceNow did not do."""
    if not isinstance(result, Response):
        return site.outcome(message, request, result)
    if result.status < 300:
        detail = f"HTTP {result.status}: this is no answer of the Table API. The instance may be asleep."
        return site.outcome(message, request, result, reason=Reason.BAD_CONFIG, detail=detail)
    return site.outcome(message, request, result, detail=_explain(result))


def _explain(response: Response) -> str:
    """Return the status with what ServiceNow says of an error; empty when it says nothing."""
    error = read_object(response).get("error")
    if not isinstance(error, dict):
        return ""
    said = [str(error[name]).strip().removesuffix(".") for name in ("message", "detail") if error.get(name)]
    return f"HTTP {response.status}: {': '.join(said)}." if said else ""


def _check(params: ServiceNowParams) -> None:
    check_choice("sub_action", params.sub_action, SUB_ACTIONS)
    if params.external_id:
        check_sys_id(params.external_id)
        if params.sub_action == "createIncident":
            raise BadMessage("external_id names an incident that is there, and createIncident makes one.")
    elif params.sub_action not in _CREATES and not params.correlation_id:
        raise BadMessage(f"correlation_id and external_id are empty: {params.sub_action} needs one of them.")


def _credentials(secrets: ServiceNowSecrets) -> str:
    return ":".join(each.get_secret_value() if each else "" for each in (secrets.username, secrets.password))


def _token_url(config: ServiceNowConfig) -> str:
    return config.token_url or f"{config.api_url.removesuffix('/')}/oauth_token.do"
