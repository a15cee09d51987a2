"""What goes into an issue: its fields, its texts in the form of the deployment, and the marks to find it again by.

Sources: developer.atlassian.com, "Jira Cloud platform REST API v3", "Create issue"; "Atlassian Document Format";
"Jira Data Center REST API".
"""

import re
from hashlib import sha256
from typing import Any, Final

from connectors.types.base import Message
from connectors.types.conversations import BadMessage
from connectors.types.jira.schemas import MAX_LABEL, JiraConfig, JiraParams
from connectors.types.rendered import check_length, cut

PROPERTY: Final = "switchyard"  # the key of the property that says which delivery wrote an issue or a comment
_MAX_SUMMARY: Final = 255
_MAX_TEXT: Final = 32_000  # Jira takes 32,767
_LABEL: Final = "switchyard:"
_FITS_A_LABEL: Final = re.compile(r"[A-Za-z0-9._:@/=+-]{1,200}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def label_of(external_id: str) -> str:
    """Return the label of all issues with this external id: readable where it can be, else a hash."""
    if _FITS_A_LABEL.fullmatch(external_id):
        return f"{_LABEL}{external_id}"
    return f"{_LABEL}sha256-{sha256(external_id.encode('utf-8', 'replace')).hexdigest()[:40]}"


def mark_of(message: Message[JiraParams], number: int = 0) -> list[dict[str, Any]]:
    """Return the property that tells a retry what the delivery has done; ``number`` counts its comments."""
    return [{"key": PROPERTY, "value": {"delivery": message.webhook_id, "number": number}}]


def new_fields(config: JiraConfig, params: JiraParams, label: str) -> dict[str, Any]:
    """Return the fields of a new issue; raise BadMessage for what it cannot do without."""
    for field in ("summary", "issue_type"):
        if not getattr(params, field).strip():
            raise BadMessage(f"{field} is empty: Jira makes no issue without.")
    return {
        "project": {"key": config.project_key},
        "issuetype": _named(params.issue_type),
        **changed_fields(config, params),
        "labels": [label, *_labels(params)],
    }


def changed_fields(config: JiraConfig, params: JiraParams) -> dict[str, Any]:
    """Return the fields that params have something for, but for the labels."""
    fields: dict[str, Any] = dict(params.other_fields)
    if summary := " ".join(_printable(params.summary).split()):
        fields["summary"] = cut(summary, _MAX_SUMMARY)
    if params.description.strip():
        fields["description"] = text_in(config, params.description)
    if params.priority:
        fields["priority"] = _named(params.priority)
    if params.parent:
        fields["parent"] = {"key": params.parent}
    return fields


def added_labels(params: JiraParams) -> dict[str, Any]:
    """Return the change of an issue's labels, which leaves those that people gave it."""
    return {"labels": [{"add": label} for label in _labels(params)]} if params.labels else {}


def text_in(config: JiraConfig, text: str) -> Any:
    """Return a text as the deployment takes it: a document, or wiki markup."""
    text = cut(_printable(text), _MAX_TEXT)
    return _document(text) if config.deployment == "cloud" else text


def _document(text: str) -> dict[str, Any]:
    """Return text in the Atlassian Document Format: a paragraph for each block of lines. Nothing in it is markup."""
    blocks = [block.strip("\n") for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n"))]
    return {"type": "doc", "version": 1, "content": [_paragraph(block) for block in blocks if block.strip()]}


def _paragraph(block: str) -> dict[str, Any]:
    content: list[dict[str, str]] = []
    for number, line in enumerate(block.split("\n")):
        if number:
            content.append({"type": "hardBreak"})
        if line:
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}


def _labels(params: JiraParams) -> list[str]:
    labels = [label for label in params.labels if label]
    for label in labels:
        check_length("labels", label, MAX_LABEL)
        if any(map(str.isspace, label)):
            raise BadMessage(f"labels has {label[:60]!r}, and Jira takes none with a space.")
    return labels


def _named(text: str) -> dict[str, str]:
    return {"id": text} if text.isascii() and text.isdigit() else {"name": text}


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("", text)
