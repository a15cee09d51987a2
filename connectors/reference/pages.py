"""The pages of the connector reference: one for each type, in Markdown, and one that lists them."""

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.reference.examples import example_of
from connectors.reference.fields import field_lines
from connectors.types.base import AnyConnectorType

ABOUT = "about.md"  # beside the module of a type: what its page says between the example and the tables

_EVERY_SECRET = "Stored encrypted, never shown again."  # noqa: S105 - a sentence
_TEMPLATES = "What an action says. Every text may be a template, as `{{ event.data.site }}`."
_OTHER_REASONS = "[How deliveries go on](../delivery.md) tells when a message is tried again."


def page(declared: AnyConnectorType) -> str:
    """Return the page of one type."""
    example = example_of(declared)
    parts = [
        f"# {declared.name}",
        declared.description,
        _facts(declared),
        "## Example",
        "A connector, as `POST /api/v1/spaces/{space}/connectors` takes it:",
        _json(example.connector),
        "An action that uses it, for `POST /api/v1/spaces/{space}/actions`:",
        _json(example.action),
        *_about(declared),
        "## Settings: `config`",
        _fields(declared, "config_model"),
        *_secrets(declared),
        "## Message: `params`",
        _TEMPLATES,
        _fields(declared, "params_model"),
        *_checks(declared.checks),
        *_results(declared),
    ]
    return "\n\n".join(parts) + "\n"


def index(types: Iterable[AnyConnectorType]) -> str:
    """Return the page that lists the types, by name."""
    rows = [
        (f"[{each.name}]({each.id}.md)", f"`{each.id}`", each.description, ", ".join(each.categories))
        for each in sorted(types, key=lambda each: each.name.lower())
    ]
    parts = [
        "# Connector types",
        "Each page is made from what its type declares: the fields, what a test checks, and what becomes of a message.",
        _table(("type", "id", "what it does", "categories"), rows),
        "[Write a connector type](../write-a-connector-type.md) tells how to add one.",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(declared: AnyConnectorType) -> str:
    facts = [("connector_type_id", f"`{declared.id}`"), ("categories", ", ".join(declared.categories))]
    if declared.kibana_id:
        facts.append(("in Kibana", f"`{declared.kibana_id}`"))
    return _table(("", ""), facts)


def _about(declared: AnyConnectorType) -> list[str]:
    path = Path(inspect.getfile(type(declared))).with_name(ABOUT)
    return [path.read_text().strip()] if path.exists() else []


def _fields(declared: AnyConnectorType, model: str) -> str:
    lines = field_lines(getattr(declared, model))
    if not lines:
        return "None."
    return _table(
        ("field", "name", "type", "default", "bounds", "meaning"),
        [(f"`{each.name}`", each.title, each.kind, each.default, each.bounds, each.description) for each in lines],
    )


def _secrets(declared: AnyConnectorType) -> list[str]:
    lines = [each for each in field_lines(declared.secrets_model) if each.name not in declared.secrets_model.kept]
    if not lines:
        return []
    rows = [(f"`{each.name}`", each.title, each.bounds, each.description) for each in lines]
    return ["## Secrets: `secrets`", _EVERY_SECRET, _table(("field", "name", "bounds", "meaning"), rows)]


def _checks(checks: Mapping[str, str]) -> list[str]:
    if not checks:
        return []
    rows = [(f"`{name}`", what) for name, what in checks.items()]
    said = "Step by step, up to the first that fails. No message is sent."
    return ["## What the Test button checks", said, _table(("step", "what it finds out"), rows)]


def _results(declared: AnyConnectorType) -> list[str]:
    if not declared.results:
        return []
    rows = [
        (what, f"`{reason}`", "delivered" if reason.is_ok else "tried again" if reason.is_retry else "dead letter")
        for what, reason in declared.results.items()
    ]
    return ["## What becomes of a message", _table(("what happens", "reason", "then"), rows), _OTHER_REASONS]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(each) for each in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _json(value: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```"
