"""Renders the message of an action for an event that is stored, apart from the evaluation of rules."""

from typing import Any

from actions.models import Action, Delivery
from actions.occasions import Key, Occasion
from actions.services.params import complete_params
from actions.templating import CompiledParams, RenderedTooLarge, TemplateError
from connectors.outcomes import Reason
from spaces.errors import InvalidInput

Fault = tuple[Reason, str]


def compiled_params(action: Action) -> CompiledParams | Fault:
    """Return the action's message, ready to render, or why it is not."""
    if action.connector is None:
        lost = f'The connector "{action.lost_connector_id}" was deleted. Give the action another one.'
        return Reason.BAD_CONFIG, lost
    try:
        return complete_params(action.connector, action.params)[1]
    except InvalidInput as error:
        return Reason.BAD_CONFIG, f"The action's params no longer fit its connector: {error}"


def render(
    action: Action, params: CompiledParams | Fault, occasion: Occasion, failed: dict[str, Any] | None = None
) -> tuple[dict[str, Any], Fault | None]:
    """Return the rendered message, or an empty one and why there is none; ``failed`` is what failure_of returned."""
    if isinstance(params, tuple):
        return {}, params
    context = {
        "event": occasion.event,
        "rule": occasion.rule,
        "action": {"id": action.public_id, "name": action.name},
        "space": {"id": action.space.slug, "name": action.space.name},
        "failure": failed,
        "alert": occasion.alert,
        "alerts": occasion.alerts,
    }
    try:
        return params.render(context), None
    except RenderedTooLarge as error:
        return {}, (Reason.TOO_LARGE, str(error))
    except TemplateError as error:
        return {}, (Reason.TEMPLATE_ERROR, str(error))


def key_of(row: Delivery) -> Key:
    """Return by what the delivery's occasion is known."""
    return Key(row.space_id, row.event_id, row.rule_id)


def failure_of(dead: Delivery) -> dict[str, Any]:
    """Return ``failure`` as the templates of a fallback see it. Its action and connector have been read with it."""
    connector = dead.connector.public_id if dead.connector is not None else dead.action.lost_connector_id
    return failure(dead.pk, dead.last_reason, dead.last_detail, dead.action.public_id, connector)


def failure(delivery_id: int, reason: str, detail: str, action_id: str, connector_id: str) -> dict[str, Any]:
    """Return ``failure`` as templates see it; the ids of action and connector are public ones."""
    return {
        "delivery_id": delivery_id,
        "reason": str(reason),
        "detail": detail,
        "action": action_id,
        "connector": connector_id,
    }
