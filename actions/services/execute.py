"""Send one real message through a connector now, apart from rules and deliveries."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction
from pydantic import ValidationError

from actions.engine import log
from actions.engine.rendering import failure
from actions.services.params import complete_params
from actions.template_context import COSTLY, about_space, context_of, fixed_context
from actions.templating import RenderedTooLarge, TemplateError
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from connectors.services import CannotOpen, open_connection
from connectors.services.circuits import observe
from connectors.types.base import Message
from connectors.types.faults import FAULT, NO_FAULT, tell_fault
from connectors.types.registry import get_type
from spaces import audit
from spaces.models import Space
from spaces.validation import check_storable, first_fault, reject

_ALERT: Final = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "key": "test",
    "group": "test",
    "former_group": None,
    "state": "active",
    "since": "2026-01-01T00:00:00Z",
    "duration": 60,
    "value": 1,
    "summary": "A test: there is no alert.",
    "flapping": False,
    "change": "opened",
    "number": 1,
    "url": "",
}
_KEY: Final = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """What was sent, under which ``webhook-id``, and what came of it."""

    webhook_id: str
    message: Mapping[str, Any]
    outcome: Outcome


def execute(
    space: Space, connector: Connector, params: dict[str, Any], event: Mapping[str, Any] | None = None
) -> Execution:
    """Send one message and return its outcome; raise InvalidInput for params or an event that it cannot take.

    The params are templates as in an action. ``event`` fills them; without one, an event of type ``switchyard.test``.
    The attempt stands in the event log and in the audit log. A disabled connector sends nothing.
    """
    if not connector.enabled:
        raise reject("", f'The connector "{connector.public_id}" is disabled. Enable it first.')
    check_storable(dict(event or {}), "/event")
    _, compiled = complete_params(connector, params)
    webhook_id = str(uuid.uuid4())
    message: dict[str, Any] = {}
    try:
        message = compiled.render(_context(space, connector, event))
        outcome = _send(connector, webhook_id, message)
    except RenderedTooLarge as error:
        outcome = Outcome(_KEY, Reason.TOO_LARGE, str(error))
    except TemplateError as error:
        outcome = Outcome(_KEY, Reason.TEMPLATE_ERROR, str(error))
    _record(space, connector, outcome)
    observe(connector.pk, outcome.reason, outcome.detail)
    return Execution(webhook_id, message, outcome)


def _send(connector: Connector, webhook_id: str, rendered: dict[str, Any]) -> Outcome:
    connector_type = get_type(connector.type)
    try:
        opened = open_connection(connector)
        params = connector_type.params_model.model_validate(rendered)
    except CannotOpen as error:
        return Outcome(_KEY, error.reason, error.detail)
    except ValidationError as error:
        return Outcome(_KEY, Reason.TEMPLATE_ERROR, f"The rendered params do not fit: {first_fault(error)}")
    try:
        (outcome,) = connector_type.deliver(opened, [Message(_KEY, webhook_id, params)])
    except NO_FAULT:
        raise
    except Exception as error:  # noqa: BLE001  a package's code may raise anything
        return Outcome(_KEY, FAULT, tell_fault(connector.type, error))
    return outcome


def _context(space: Space, connector: Connector, event: Mapping[str, Any] | None) -> dict[str, Any]:
    given = dict(event or {})
    envelope = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": space.event_source,
        "type": "switchyard.test",
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {"message": "A test, sent by a person."},
        **given,
    }
    return context_of(
        fixed_context({"id": "test", "name": "Test"}, connector, about_space(space)),
        envelope,
        {"id": "test", "name": "Test", "type": "event", "tags": [], "url": ""},
        _ALERT,
        None,
        failure(1, Reason.RETRY_TIMEOUT, "A test: nothing has failed.", "test", "test"),
        COSTLY,
    )


def _record(space: Space, connector: Connector, outcome: Outcome) -> None:
    with transaction.atomic():
        log.append(
            [
                log.row(
                    space_id=space.pk,
                    action="execute",
                    outcome="success" if outcome.reason.is_ok else "failure",
                    reason=outcome.reason,
                    duration=outcome.duration,
                    message=outcome.detail,
                    connector_id=connector.public_id,
                    attempt=1,
                    request=outcome.request,
                    response=outcome.response,
                )
            ]
        )
        audit.record(
            "connector.execute",
            space=space,
            object_id=connector.public_id,
            object_name=connector.name,
            after={"reason": outcome.reason.value},
        )
