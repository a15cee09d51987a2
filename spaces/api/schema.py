"""What the OpenAPI document says beyond what drf-spectacular finds by itself."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction, OpenApiParameter, _SerializerType

from spaces.problems import CONTENT_TYPE

PATH_PARAMETERS = {"space": "ID of the space.", "id": "ID of the object: what people named it, or its integer key."}
VERBS = {"retrieve": "Read", "create": "Create", "update": "Replace", "partial_update": "Change", "destroy": "Delete"}
# Of what a view does beyond these, the title stands in its ``summaries``.
TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "description": "What went wrong, after RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "errors": {
            "description": "Places of the request body, as RFC 6901 JSON pointers.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": TEXT, "detail": TEXT},
            },
        },
        "parameters": {
            "description": "Parameters of the query string.",
            "type": "array",
            "items": {"type": "object", "required": ["name", "detail"], "properties": {"name": TEXT, "detail": TEXT}},
        },
        "report": {"type": "object", "description": "What would have become of each object of an import."},
        "users": {
            "description": "What uses the object that was to be deleted.",
            "type": "array",
            "items": {"type": "object", "required": ["type", "id"], "properties": {"type": TEXT, "id": TEXT}},
        },
    },
}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How an API key is sent."""

    target_class = "spaces.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API key of the space."}


class OperationSchema(AutoSchema):
    """Adds to each operation a title, what its path parameters mean, and how it can fail."""

    def get_summary(self) -> str:
        view: Any = self.view  # a viewset
        if view.queryset is None:
            one = view.basename.replace("-", " ")
            many = f"{one}s"
        else:
            names = view.queryset.model._meta
            one, many = str(names.verbose_name), str(names.verbose_name_plural)
        if summary := getattr(view, "summaries", {}).get(view.action):
            return str(summary)
        if view.action == "list":
            return f"List {many}"
        return f"{VERBS[view.action]} {'an' if one[0] in 'aeiou' else 'a'} {one}"

    def get_override_parameters(self) -> list[OpenApiParameter | _SerializerType]:
        return [
            OpenApiParameter(name, int if f"<int:{name}>" in self.path_regex else str, "path", description=description)
            for name, description in PATH_PARAMETERS.items()
            if f"{{{name}}}" in self.path
        ]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        component = ResolvedComponent("Problem", ResolvedComponent.SCHEMA, schema=PROBLEM, object="Problem")
        self.registry.register_on_missing(component)
        content = {CONTENT_TYPE: {"schema": component.ref}}
        return bodies | {status: {"description": what, "content": content} for status, what in self._failures()}

    def _postprocess_serializer_schema(self, schema: dict[str, Any], serializer: Any, direction: str) -> dict[str, Any]:
        schema = AutoSchema._postprocess_serializer_schema(self, schema, serializer, direction)
        if direction == "response" and "properties" in schema:
            schema["required"] = sorted(schema["properties"])  # an answer always carries all of them
        return schema

    def _failures(self) -> Iterator[tuple[str, str]]:
        writes = self.method in ("POST", "PUT", "PATCH")
        if writes or self._is_list_view():
            yield "400", "What was sent cannot be used; the answer says which part, and why."
        yield "401", "No API key, or none that is live."
        if "{" in self.path:
            yield "404", "There is nothing at this address, or it is not yours to see."
        if self.method == "DELETE":
            yield "409", "Others use it; the answer lists them."
        if writes:
            yield "413", "The request body is too large."
            yield "415", "The request body is not JSON."
        yield "default", "Any other error."
