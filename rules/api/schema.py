"""Describes ``POST …/events`` in the OpenAPI document: drf-spectacular sees no plain Django view."""

from collections.abc import Mapping
from typing import Any

from rules.sources.registry import all_types as all_source_types
from rules.types.registry import all_types
from spaces.api.schema import KEY_SCHEMA, failure
from spaces.api.typed_schemas import add_model, split_by_type, type_name

PATH = "/api/v1/spaces/{space}/events"

_TEXT = {"type": "string"}
_EVENT_EXAMPLE = {
    "specversion": "1.0",
    "id": "A-1001",
    "source": "/shops/7",
    "type": "order.paid",
    "data": {"total": 129.9, "currency": "EUR"},
}
_PLAIN_EXAMPLE = {"total": 129.9, "currency": "EUR"}

SCHEMAS: dict[str, Any] = {
    "CloudEvent": {
        "type": "object",
        "description": "A CloudEvents 1.0 envelope; further attributes are extensions.",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1, "maxLength": 256},
            "source": {"type": "string", "format": "uri-reference", "minLength": 1, "maxLength": 512},
            "type": {"type": "string", "minLength": 1, "maxLength": 255},
            "subject": {"type": "string", "maxLength": 1024},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string", "maxLength": 255},
            "dataschema": {"type": "string", "format": "uri", "maxLength": 1024},
            "data": {"description": "Any JSON."},
            "data_base64": {"type": "string", "contentEncoding": "base64"},
        },
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
    },
    "AcceptedEvent": {
        "type": "object",
        "required": ["id", "event_id", "source", "status"],
        "properties": {
            "id": {"type": "integer", "description": "Our key of the event."},
            "event_id": {"type": "string", "description": "CloudEvents id."},
            "source": {"type": "string", "description": "CloudEvents source."},
            "status": {"enum": ["accepted", "duplicate"]},
        },
    },
    "AcceptedBatch": {
        "type": "object",
        "required": ["accepted", "duplicates", "refused", "events", "errors"],
        "properties": {
            "accepted": {"type": "integer"},
            "duplicates": {"type": "integer"},
            "refused": {"type": "integer"},
            "events": {"type": "array", "items": {"$ref": "#/components/schemas/AcceptedEvent"}},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["index", "status", "pointer", "detail"],
                    "properties": {
                        "index": {"type": "integer", "description": "Place in the batch, from 0."},
                        "status": {"type": "integer", "description": "What the event would have got alone."},
                        "pointer": _TEXT,
                        "detail": _TEXT,
                    },
                },
            },
        },
    },
}
_ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "1 to 200 visible ASCII characters: what is no CloudEvent gets its id from it, in a batch with its place, so "
        "that the same request again brings the same events. CloudEvents have ids of their own."
    ),
    "schema": _TEXT | KEY_SCHEMA,
}


def _body(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    return {"schema": schema, "examples": {name: {"value": value} for name, value in examples.items()}}


def _answer(description: str, *schemas: str) -> dict[str, Any]:
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    return {"description": description, "content": {"application/json": {"schema": {"oneOf": refs}}}}


_ENVELOPE = {"$ref": "#/components/schemas/CloudEvent"}
OPERATION: dict[str, Any] = {
    "operationId": "events_create",
    "summary": "Send events",
    "description": (
        "Accept events; the answer is sent once they are stored for good. A CloudEvent comes in structured mode, in a "
        "batch, or in binary mode with `ce-` headers. JSON that is no CloudEvent becomes the data of an event whose "
        "attributes the query names, else the space. An array or NDJSON is a batch: each event is accepted or refused "
        "by itself. The same event again is known by source and id, and accepted once."
    ),
    "tags": ["events"],
    "security": [{"apiKey": []}],
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": _body(_ENVELOPE, event=_EVENT_EXAMPLE),
            "application/cloudevents-batch+json": _body({"type": "array", "items": _ENVELOPE}, batch=[_EVENT_EXAMPLE]),
            "application/json": _body({}, event=_EVENT_EXAMPLE, plain=_PLAIN_EXAMPLE, batch=[_PLAIN_EXAMPLE]),
            "application/x-ndjson": _body(_TEXT, lines='{"total": 1.5}\n{"total": 2.5}\n'),
        },
    },
    "responses": {
        "200": _answer("The event was known already.", "AcceptedEvent"),
        "202": _answer("The event, or at least one event of the batch, is stored.", "AcceptedEvent", "AcceptedBatch"),
        **{
            status: failure(status)
            for status in ("400", "401", "403", "404", "409", "413", "415", "429", "503", "default")
        },
    },
}
_QUERY = {
    "type": "CloudEvents type of what is no CloudEvent; else the space's default.",
    "source": "CloudEvents source of what is no CloudEvent; else the space's default.",
    "subject": "CloudEvents subject of what is no CloudEvent.",
    "id": "CloudEvents id of a single event that is no CloudEvent; else a fresh one.",
}


def describe_types(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """A POSTPROCESSING_HOOK of drf-spectacular: give each rule type and source type its own params."""
    components = result["components"]["schemas"]
    params = {
        type_id: add_model(components, f"{type_name(type_id)}RuleParams", declared.params_model)
        for type_id, declared in sorted(all_types().items())
    }
    for name in ("RuleRequest", "Rule"):
        split_by_type(components, name, "rule_type_id", {type_id: {"params": ref} for type_id, ref in params.items()})
    _let_params_be_any(components, "PatchedRuleRequest", params)
    source_params = {
        type_id: add_model(components, f"{type_name(type_id)}SourceParams", declared.params_model)
        for type_id, declared in sorted(all_source_types().items())
    }
    split_by_type(components, "Source", "source_type_id", {t: {"params": ref} for t, ref in source_params.items()})
    for name in ("SourceRequest", "PatchedSourceRequest"):
        _let_params_be_any(components, name, source_params)
    return result


def _let_params_be_any(components: dict[str, Any], name: str, params: Mapping[str, Any]) -> None:
    """Describe the params of a request that does not say its type by those of all types."""
    former = components[name]["properties"]["params"]
    components[name]["properties"]["params"] = {"description": former["description"], "anyOf": list(params.values())}


def describe_ingest(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """A POSTPROCESSING_HOOK of drf-spectacular: add the operation and its schemas."""
    if operations := result["paths"].get(PATH):
        in_path = [parameter for parameter in operations["get"]["parameters"] if parameter["in"] == "path"]
        in_query = [
            {"name": name, "in": "query", "description": description, "schema": _TEXT}
            for name, description in _QUERY.items()
        ]
        operations["post"] = OPERATION | {"parameters": [*in_path, *in_query, _ONCE]}
        result["components"]["schemas"] |= SCHEMAS
    return result
