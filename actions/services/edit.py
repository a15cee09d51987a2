"""Send a delivery that has ended again with another message: to the receiver it is another one, with its own id."""

import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction

from actions.engine import log
from actions.engine.clock import database_time
from actions.models import Delivery
from actions.services.params import check_params
from actions.services.replay import read_surroundings, wake_connectors
from actions.templating import most_rendered
from connectors.models import Connector
from connectors.types.base import Params, is_template
from connectors.types.registry import UnknownConnectorType, get_type
from spaces import audit
from spaces.errors import FieldError, InvalidInput, ReadOnly
from spaces.strict_json import storable
from spaces.validation import check_storable, extend, parse_model, reject


def replay_changed(delivery: Delivery, message: dict[str, Any]) -> Delivery:
    """Make a delivery of the same event with this message, and leave the former as it ended; return the new one.

    Fields that it leaves out keep what they were. It is sent as it stands: it holds no templates. Raises InvalidInput
    where the connector's type does not take it or nothing is changed, ReadOnly where the former has not ended, cannot
    be sent, or was changed before.
    """
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        surroundings = read_surroundings([row])
        connector = surroundings.connector_for(row)
        if (refusal := surroundings.refusal(row)) or connector is None:
            raise ReadOnly(f"Delivery {row.pk} {refusal}")
        complete = _complete(connector, message, row.message)
        if complete == _as_it_was(connector, row):
            raise reject("/message", "This is the message as it was. Change it, or send the delivery again unchanged.")
        _refuse_twice(row)
        now, action = database_time(), surroundings.actions[row.action_id]
        made = Delivery.objects.create(
            webhook_id=uuid.uuid4(),
            space_id=row.space_id,
            event_id=row.event_id,
            rule_id=row.rule_id,
            action=action,
            connector=connector,
            message=complete,
            due_at=now,
            expires_at=now + timedelta(seconds=action.expires_after) if action.expires_after else None,
            former_id=row.pk,
            former_attempts=row.attempts,
            fallbacks=row.fallbacks,
        )
        said = f"Sent again with another message: delivery {made.pk}."
        log.append(log.rows_of([row], action="edit", outcome="success", message=lambda _: said))
        audit.record(
            "delivery.edit",
            space=row.space_id,
            object_id=str(row.pk),
            before={"message": row.message, "delivery": row.pk},
            after={"message": complete, "delivery": made.pk},
        )
        wake_connectors([made])
    return made


def _complete(connector: Connector, message: dict[str, Any], former: dict[str, Any]) -> dict[str, Any]:
    """Return the message over the former one, with the type's defaults for what neither says; raise InvalidInput."""
    check_storable(message, "/message")
    try:
        connector_type = get_type(connector.type)
    except UnknownConnectorType as error:
        raise reject("", str(error)) from None
    fields = connector_type.params_model.model_fields
    known = {field.alias or name for name, field in fields.items()}
    # The connector may be of another type than the one that the former was made for.
    said = {name: value for name, value in former.items() if name in known} | message
    parsed: Params = parse_model(connector_type.params_model, said, "/message", is_strict=True)
    complete: dict[str, Any] = parsed.model_dump(mode="json")
    _refuse_templates({name: value for name, value in complete.items() if name not in said})
    _check(connector, complete)
    if len(storable(complete).encode()) > most_rendered():
        raise reject("/message", f"Use at most {most_rendered() // 1024} KiB.")
    return complete


def _refuse_templates(defaults: dict[str, Any]) -> None:
    """Refuse to send templates that nobody wrote: no message was rendered from which the field could be taken."""
    for name, value in defaults.items():
        if is_template(storable(value)):
            raise reject(
                extend("/message", name), "Give it: the former message, which it would be taken from, has none."
            )


def _check(connector: Connector, complete: dict[str, Any]) -> None:
    try:
        check_params(connector, complete)
    except InvalidInput as invalid:
        found = [(error.pointer.removeprefix("/params"), error.detail) for error in invalid.errors]
    else:
        return
    raise InvalidInput(FieldError(f"/message{pointer}", detail) for pointer, detail in found)


def _as_it_was(connector: Connector, row: Delivery) -> dict[str, Any] | None:
    """Return the stored message with the defaults of today; None where the type takes it no longer."""
    try:
        return _complete(connector, {}, row.message)
    except InvalidInput:
        return None


def _refuse_twice(row: Delivery) -> None:
    """Refuse a second change after the same end, which a request sent twice would be."""
    successor = (
        Delivery.objects.filter(event_id=row.event_id, rule_id=row.rule_id, action=row.action_id)
        .filter(former_id=row.pk, former_attempts=row.attempts)
        .first()
    )
    if successor is not None:
        raise ReadOnly(f"Delivery {row.pk} was changed before: it goes on as delivery {successor.pk}. Change that one.")
