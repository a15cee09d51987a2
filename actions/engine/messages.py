"""From a leased delivery to the message that its connector type sends."""

from datetime import UTC, datetime

from pydantic import ValidationError

from actions.engine.expiry import expired_detail
from actions.engine.leases import Leased
from connectors.outcomes import Outcome, Reason
from connectors.types.base import AnyConnectorType, AnyMessage, Message
from spaces.validation import first_fault


def message_of(delivery: Leased, connector_type: AnyConnectorType) -> AnyMessage | Outcome:
    """Return the message to send, or the outcome of a delivery that cannot be sent at all."""
    if not delivery.action_id:
        return Outcome(delivery.id, Reason.BAD_CONFIG, "The action was deleted.")
    if delivery.expires_at is not None and delivery.expires_at <= datetime.now(UTC):
        return Outcome(delivery.id, Reason.EXPIRED, expired_detail(delivery.expires_at))
    try:
        params = connector_type.params_model.model_validate(delivery.message)
    except ValidationError as error:
        return Outcome(delivery.id, Reason.TEMPLATE_ERROR, f"The rendered params do not fit: {first_fault(error)}")
    return Message(delivery.id, str(delivery.webhook_id), params, delivery.hop, delivery.policy.timeout)
