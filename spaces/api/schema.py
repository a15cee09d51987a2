"""What the OpenAPI document says beyond what drf-spectacular finds by itself."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiParameter, _SerializerType

from spaces.problems import CONTENT_TYPE

PATH_PARAMETERS = {"space": "ID of the space.", "id": "ID of the object: what people named it, or its integer key."}
VERBS = {"retrieve": "Read", "create": "Create", "update": "Replace", "partial_update": "Change", "destroy": "Delete"}
BULK_VERBS = {"bulk_enable": "Enable", "bulk_disable": "Disable", "bulk_delete": "Delete"}
# Of what a view does beyond these, the title stands in its ``summaries``.
TEXT = {"type": "string"}
FAILURES = {
    "400": ("BadRequest", "What was sent cannot be used; the answer says which part, and why."),
    "401": ("Unauthorized", "No API key, or none that is live."),
    "403": ("Forbidden", "The role of the caller does not allow this."),
    "404": ("NotFound", "There is nothing at this address, or it is not yours to see."),
    "406": ("NotAcceptable", "The answer cannot have the type that Accept asks for."),
    "409": ("Conflict", "It is not as it must be for this: others use it, it is read-only, or the space is at rest."),
    "412": ("PreconditionFailed", "It is no longer as If-Match says: somebody changed it meanwhile."),
    "413": ("ContentTooLarge", "The request body is too large."),
    "415": ("UnsupportedMediaType", "The request body is not of a type that is read here."),
    "422": ("UnprocessableContent", "The Idempotency-Key came with another request before."),
    "429": ("TooManyRequests", "Too many requests; Retry-After says how many seconds to wait."),
    "503": ("ServiceUnavailable", "The database does not take events now. Send them again."),
    "default": ("Failure", "Any other error."),
}
KEY_SCHEMA = {"pattern": "^[!-~]{1,200}$", "minLength": 1, "maxLength": 200}
ETAG = "Names this version; `If-Match` with it lets a change through only while it stands."
HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "If-Match": (
        "ETag of the version that the change is based on; any other is refused. Left out: whatever stands.",
        {"pattern": r'^(\*|"[!-~]*")$', "examples": ['"17.3"']},
    ),
    "Idempotency-Key": (
        "1 to 200 visible ASCII characters. The same request with the same key within 24 hours is carried out once, "
        "and answered as the first time.",
        KEY_SCHEMA,
    ),
}
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


def failure(status: str) -> dict[str, str]:
    """Return the reference to how requests fail with this status."""
    return {"$ref": f"#/components/responses/{FAILURES[status][0]}"}


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
        if view.action in BULK_VERBS:
            return f"{BULK_VERBS[view.action]} many {many}"
        return f"{VERBS[view.action]} {'an' if one[0] in 'aeiou' else 'a'} {one}"

    def get_override_parameters(self) -> list[OpenApiParameter | _SerializerType]:
        in_path: list[OpenApiParameter | _SerializerType] = [
            OpenApiParameter(name, int if f"<int:{name}>" in self.path_regex else str, "path", description=description)
            for name, description in PATH_PARAMETERS.items()
            if f"{{{name}}}" in self.path
        ]
        return in_path + [
            OpenApiParameter(name, {"type": "string", **form}, "header", description=description)
            for name, (description, form) in HEADERS.items()
            if self._takes(name)
        ]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        if self._has_version():
            for status in ("200", "201"):
                if status in bodies:
                    bodies[status]["headers"] = {"ETag": {"description": ETAG, "schema": TEXT}}
        return bodies | {status: failure(status) for status in sorted(self._failures())}

    def _postprocess_serializer_schema(self, schema: dict[str, Any], serializer: Any, direction: str) -> dict[str, Any]:
        schema = AutoSchema._postprocess_serializer_schema(self, schema, serializer, direction)
        if direction == "response" and "properties" in schema:
            schema["required"] = sorted(schema["properties"])  # an answer always carries all of them
        return schema

    def _has_version(self) -> bool:
        """Whether the answer shows one object that has an ETag."""
        view: Any = self.view
        return view.has_etag and view.action in ("retrieve", "create", "update", "partial_update", "rotate")

    def _takes(self, header: str) -> bool:
        view: Any = self.view
        if header == "If-Match":
            return view.has_etag and view.action in ("update", "partial_update", "destroy")
        return self.method == "POST" and view.action not in view.repeatable

    def _failures(self) -> Iterator[str]:
        writes = self.method in ("POST", "PUT", "PATCH")
        yield from ("400", "401", "403", "406", "429", "default")
        if "{" in self.path:
            yield "404"
        if self.method != "GET":
            yield "409"
        if self._takes("If-Match"):
            yield "412"
        if writes:
            yield from ("413", "415")
        if self._takes("Idempotency-Key"):
            yield "422"


def describe_failures(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """A POSTPROCESSING_HOOK of drf-spectacular: say once how requests can fail."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    result["components"]["schemas"]["Problem"] = PROBLEM
    result["components"]["responses"] = {
        name: {"description": what, "content": content} for name, what in FAILURES.values()
    }
    return result
