"""The bodies of bulk requests, and what their answers mean.

Source: Elasticsearch, "Bulk index or delete documents": lines of JSON, each ended by a newline, two for a document;
the answer has one item for each, in the same order, with a status as HTTP's and, where it failed, an error with
``type``, ``reason`` and ``caused_by``. OpenSearch, "Bulk", is the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from connectors.net.exchange import Response
from connectors.outcomes import Reason
from connectors.types.answers import reason_for
from connectors.types.base import Message
from connectors.types.conversations import BadMessage
from connectors.types.index.schemas import MAX_ID, OP_TYPES, IndexConfig, IndexParams, read_document
from connectors.types.rendered import check_choice
from connectors.types.sites import read_object, write_json

# What is needed of an answer, so that a long one stays short.
FILTER: Final = ",".join(
    [
        "errors",
        *(f"items.*.{name}" for name in ("_index", "_id", "status", "result", "error.type", "error.reason")),
        *(f"items.*.error.{'caused_by.' * depth}{name}" for depth in (1, 2) for name in ("type", "reason")),
    ]
)
MOST_READ: Final = 64 * 1024  # bytes of an answer, and for each document:
MOST_READ_EACH: Final = 8 * 1024
_LONGEST_CAUSE: Final = 3  # errors, one caused by the next


@dataclass(frozen=True, slots=True)
class Document:
    """A document on its way: its two lines and its message."""

    message: Message[IndexParams]
    lines: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one document; ``detail`` is a line for a person."""

    reason: Reason
    detail: str
    shown: dict[str, Any]


def write(config: IndexConfig, message: Message[IndexParams]) -> Document:
    """Return a document as it goes into a request; raise BadMessage."""
    params = message.params
    check_choice("op_type", params.op_type, OP_TYPES)
    document_id = params.id or message.webhook_id
    if len(document_id.encode("utf-8", "replace")) > MAX_ID:
        raise BadMessage(f"id has more than {MAX_ID} bytes, which is the most that an id of a document has.")
    try:
        document = read_document(params.document)
    except ValueError as error:
        raise BadMessage(f"document: {error}") from None
    if config.execution_time_field:
        document[config.execution_time_field] = datetime.now(UTC).isoformat(timespec="milliseconds")
    action = write_json({params.op_type: {"_id": document_id}})
    return Document(message, b"%b\n%b\n" % (action, write_json(document)))


def pack(documents: Sequence[Document], most: int) -> Iterator[list[Document]]:
    """Yield the documents in requests of at most so many bytes; one that is larger goes alone."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        if batch and size + len(document.lines) > most:
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.lines)
    if batch:
        yield batch


def read_items(response: Response, count: int) -> list[Item] | None:
    """Return what became of each document; None when the answer is none to so many."""
    items = read_object(response).get("items")
    if not isinstance(items, list) or len(items) != count:
        return None
    found = [next(iter(item.items()), None) if isinstance(item, dict) else None for item in items]
    if not all(item and isinstance(item[1], dict) and isinstance(item[1].get("status"), int) for item in found):
        return None
    return [_judge(*item) for item in found if item]


def explain(error: Any) -> str:
    """Return what the system says of an error and its causes, on one line; empty when it says nothing."""
    said: list[str] = []
    while isinstance(error, dict) and len(said) < _LONGEST_CAUSE:
        reason, kind = str(error.get("reason") or ""), str(error.get("type") or "")
        said.append(f"{kind}: {reason}" if reason and kind else reason or kind)
        error = error.get("caused_by")
    if isinstance(error, str):
        said.append(error)
    return ", caused by ".join(part.rstrip(".") for part in said if part)


def _judge(op_type: str, item: dict[str, Any]) -> Item:
    status = item["status"]
    shown = {op_type: item}
    where = f"{item.get('_index', 'the index')}/{item.get('_id', '')}"
    if status == HTTPStatus.CONFLICT and op_type == "create":
        # The id is that of the delivery, or one that says which documents are the same.
        return Item(Reason.OK, f"The document {where} was there already.", shown)
    reason = reason_for(status)
    if reason.is_ok:
        return Item(reason, f"The document {where} was {item.get('result', 'stored')}.", shown)
    if reason is Reason.BAD_CONFIG:
        reason = Reason.PERMANENT_4XX
    said = explain(item.get("error"))
    return Item(reason, f"HTTP {status}: {said}." if said else f"HTTP {status} for {where}.", shown)
