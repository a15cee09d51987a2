"""A text that a type cuts, or replaces by a hash, may be as long as a whole message: its length kills no delivery."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.types.base import AnyConnectorType
from connectors.types.registry import all_types

MESSAGE = 256 * 1024  # characters of a whole message
SHORTENED = re.compile(r"\b(cut|hash)\b", re.IGNORECASE)


def shortened(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the fields whose description says that they are shortened, those of parts too."""
    for part in (schema, *schema.get("$defs", {}).values()):
        for name, field in part.get("properties", {}).items():
            if SHORTENED.search(field.get("description", "")):
                yield name, field.get("items", field)


@pytest.mark.parametrize("connector_type", all_types().values(), ids=lambda found: found.id)
def test_what_is_shortened_is_refused_at_no_length_that_a_message_may_have(connector_type: AnyConnectorType) -> None:
    found = dict(shortened(connector_type.params_model.model_json_schema()))
    assert {name: field["maxLength"] for name, field in found.items() if field["maxLength"] < MESSAGE} == {}


def test_the_fields_that_are_shortened_are_told_by_their_descriptions() -> None:
    found = {
        connector_type.id: {name for name, _ in shortened(connector_type.params_model.model_json_schema())}
        for connector_type in all_types().values()
    }
    assert {"alias", "message", "description", "entity", "source", "user", "note"} <= found["opsgenie"]
    assert "summary" in found["pagerduty"]
    assert "subject" in found["email"]
    assert {"username", "thread_name"} <= found["discord"]
    assert {"external_id", "summary", "comments"} <= found["jira"]
    assert {"correlation_id", "correlation_display", "close_notes"} <= found["servicenow"]
