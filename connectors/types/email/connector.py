"""The email connector type: one message to all its recipients, over connections that send many."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from connectors.net.dialling import CannotConnect
from connectors.net.smtp import Accepted, Refused, SmtpSession, Unsupported, plain_credentials
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Adopted, Connection, Message, TemplateFormat, is_template
from connectors.types.conversations import BadMessage
from connectors.types.email.composing import compose, why_refused
from connectors.types.email.kibana import adopt_email
from connectors.types.email.probing import probe_email
from connectors.types.email.replies import explain, reason_for, reason_for_lack
from connectors.types.email.schemas import EmailConfig, EmailParams, EmailSecrets
from connectors.types.email.sessions import EmailRoute, TooLarge, password, send
from connectors.types.mailboxes import CONTROLS, BadAddress, parse_mailbox
from connectors.types.side_by_side import side_by_side
from connectors.types.tcp import RESULTS, TcpType
from connectors.types.tcp_probe import CHECKS, told
from spaces.errors import FieldError

# Servers count connections of one client and refuse more; Kibana's library opens as many.
MAX_CONNECTIONS: Final = 5
_MOST_NAMED: Final = 5  # refused recipients in a line for a person
_LONGEST_DETAIL: Final = 2000  # characters


class EmailConnectorType(TcpType[EmailConfig, EmailSecrets, EmailParams, SmtpSession]):
    """Sends email through a server."""

    id = "email"
    name = "Email"
    description = "Sends email through an SMTP server."
    categories = ("messaging",)
    icon = "mail"
    kibana_id = ".email"
    checks = {
        **CHECKS,
        "greeting": "The server speaks SMTP.",
        "starttls": "The server offers STARTTLS. Where the connector wants it.",
        "authenticate": "The server accepts the user. Where there is one.",
        "sender": "The server takes messages from this sender.",
    }
    results = {
        "the server took the message, for one recipient at least": Reason.OK,
        "a refusal for now (4xx)": Reason.RETRY_HTTP_5XX,
        "a refusal for good (5xx), of the message or of every recipient": Reason.PERMANENT_4XX,
        "a message that is larger than the server or the connector takes": Reason.TOO_LARGE,
        "credentials or a sender that the server refuses": Reason.BAD_CONFIG,
        **RESULTS,
    }
    config_model = EmailConfig
    secrets_model = EmailSecrets
    params_model = EmailParams

    def scheme(self, config: EmailConfig) -> str:
        return {"none": "smtp", "starttls": "smtp+starttls", "tls": "smtps"}[config.security]

    def missing_secrets(self, config: EmailConfig, secrets: EmailSecrets) -> list[str]:
        return ["password"] if config.username and not secrets.password else []

    def derived_secrets(self, config: EmailConfig, secrets: EmailSecrets) -> list[str]:
        return [plain_credentials(config.username, password(secrets))] if secrets.password else []

    def check_params(self, config: EmailConfig, params: EmailParams) -> list[FieldError]:
        if CONTROLS.search(params.subject) and not is_template(params.subject):
            return [FieldError("/subject", "The subject is one line, without control characters.")]
        if not any(entry.strip() for entry in (*params.to, *params.cc, *params.bcc)):
            return [FieldError("/to", "Name at least one recipient, in to, cc or bcc.")]
        return [
            FieldError(f"/{field}/{number}", why)
            for field in ("to", "cc", "bcc")
            for number, entry in enumerate(getattr(params, field))
            if not is_template(entry) and (why := _why_refused(config, entry))
        ]

    def template_format(self, config: EmailConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "commonmark" if field == "message" else "text"

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return adopt_email(config)

    def default_params(self) -> dict[str, Any]:
        return {"to": ["team@example.com"]}

    def deliver(
        self, connection: Connection[EmailConfig, EmailSecrets], messages: Iterable[Message[EmailParams]]
    ) -> Iterator[Outcome]:
        route: EmailRoute = self.route(connection)
        yield from side_by_side(
            messages, lambda message: _deliver(route, message), min(connection.concurrency, MAX_CONNECTIONS)
        )

    def probe(self, connection: Connection[EmailConfig, EmailSecrets], *, timeout: float) -> Iterator[Step]:
        route = self.route(connection)
        return told(probe_email(route, time.monotonic() + timeout), route.masker)


def _deliver(route: EmailRoute, message: Message[EmailParams]) -> Outcome:
    began = time.monotonic()
    try:
        mail = compose(route.config, message)
    except BadMessage as error:
        return Outcome(message.key, Reason.TEMPLATE_ERROR, route.mask(str(error)))
    request = {
        "from": mail.envelope.sender,
        "to": list(mail.envelope.recipients),
        "message_id": mail.message_id,
        "bytes": len(mail.data),
    }
    response: dict[str, Any] = {}
    try:
        accepted = send(route, mail, route.until(message))
        reason, detail = Reason.OK, _tell(accepted, len(mail.envelope.recipients))
        response = {"status": accepted.reply.code, "body": str(accepted.reply)}
        if accepted.refused:
            response["refused"] = {address: str(why) for address, why in accepted.refused.items()}
    except CannotConnect as error:
        reason, detail = error.reason, error.detail
    except Unsupported as error:
        reason, detail = reason_for_lack(error), str(error)
    except Refused as error:
        reason, detail = reason_for(error.command, error.reply), explain(error)
        response = {"status": error.reply.code, "body": str(error.reply)}
    except TooLarge as error:
        reason, detail = Reason.TOO_LARGE, str(error)
    return Outcome(
        message.key,
        reason,
        route.mask(detail)[:_LONGEST_DETAIL],
        duration=time.monotonic() - began,
        request=request,
        response=response,
    )


def _why_refused(config: EmailConfig, entry: str) -> str:
    try:
        return why_refused(config, parse_mailbox(entry))
    except BadAddress:
        return ""


def _tell(accepted: Accepted, recipients: int) -> str:
    took = recipients - len(accepted.refused)
    many = "1 recipient" if recipients == 1 else f"{recipients} recipients"
    if not accepted.refused:
        return f"The server took the message for {many}: {accepted.reply}."
    named = [f"{address} ({why})" for address, why in list(accepted.refused.items())[:_MOST_NAMED]]
    more = "" if len(accepted.refused) <= _MOST_NAMED else f" and {len(accepted.refused) - _MOST_NAMED} more"
    return f"The server took the message for {took} of {many}. It refused {', '.join(named)}{more}."
