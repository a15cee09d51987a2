"""The index connector type: documents, many in one request, through the bulk API of Elasticsearch and OpenSearch."""

from base64 import b64encode
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import orjson

from connectors.net.exchange import Request, Response, Result
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS
from connectors.types.base import Adopted, Message, TemplateFormat
from connectors.types.conversations import BadMessage, Conversation
from connectors.types.gathering import Batch
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import ASKING, VETTING
from connectors.types.index.bulk import (
    FILTER,
    MOST_READ,
    MOST_READ_EACH,
    Document,
    Item,
    explain,
    pack,
    read_items,
    write,
)
from connectors.types.index.kibana import UNKNOWN_URL, adopt_index
from connectors.types.index.names import check_index
from connectors.types.index.probing import judge_cluster
from connectors.types.index.schemas import IndexConfig, IndexParams, IndexSecrets
from connectors.types.sites import Site, read_object, segment
from spaces.errors import FieldError

_NDJSON: Final = {"content-type": "application/x-ndjson"}
# Where one document may be to blame for the whole request: then each is sent by itself.
_BLAMES_ONE: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})

IndexSite = Site[IndexConfig, IndexSecrets]


class IndexConnectorType(HttpApiType[IndexConfig, IndexSecrets, IndexParams]):
    """Stores documents."""

    id = "index"
    name = "Elasticsearch / OpenSearch"
    description = "Stores documents in an index or data stream of Elasticsearch or OpenSearch."
    categories = ("data",)
    icon = "database"
    kibana_id = ".index"
    checks = {
        **VETTING,
        **ASKING,
        "authenticate": "The cluster accepts the credentials.",
        "cluster": "It is Elasticsearch or OpenSearch; its version and name.",
        "permissions": "The user may write to the index. For Elasticsearch.",
        "index": "The index is there, or is created with the first document.",
        "status": "What the answer says, where none of these steps can.",
    }
    results = {
        **RESULTS,
        "a document that is there already, under its own id": Reason.OK,
        "a document that the cluster has no room for": Reason.RETRY_429,
        "a document that does not fit the mapping": Reason.PERMANENT_4XX,
        "a document that is larger than a request may be": Reason.TOO_LARGE,
    }
    config_model = IndexConfig
    secrets_model = IndexSecrets
    params_model = IndexParams

    def base_url(self, config: IndexConfig, secrets: IndexSecrets) -> str:
        return config.url

    def headers(self, config: IndexConfig, secrets: IndexSecrets) -> Mapping[str, str]:
        authorization = _authorization(config, secrets)
        return {"authorization": authorization} if authorization else {}

    def derived_secrets(self, config: IndexConfig, secrets: IndexSecrets) -> list[str]:
        return [_credentials(config, secrets)] if config.auth == "basic" else []

    def check(self, config: IndexConfig) -> list[FieldError]:
        return [] if config.url == UNKNOWN_URL else super().check(config)

    def missing_secrets(self, config: IndexConfig, secrets: IndexSecrets) -> list[str]:
        needed = {"basic": "password", "api_key": "api_key", "bearer": "token"}.get(config.auth)
        return [needed] if needed and not getattr(secrets, needed) else []

    def template_format(self, config: IndexConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "json" if field == "document" else "text"

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return adopt_index(config)

    def batch_size(self, config: IndexConfig) -> int:
        return config.max_documents

    def batch_key(self, message: Message[IndexParams]) -> Hashable:
        return message.params.index, message.params.pipeline

    def converse(self, site: IndexSite, message: Message[IndexParams]) -> Exchange:
        (outcome,) = yield from self.converse_together(site, [message])
        return outcome

    def converse_together(self, site: IndexSite, messages: Batch[IndexParams]) -> Conversation:
        outcomes: list[Outcome] = []
        documents = []
        for message in messages:
            try:
                _index(site, message)
                documents.append(write(site.config, message))
            except BadMessage as error:
                outcomes.append(Outcome(message.key, Reason.TEMPLATE_ERROR, str(error)))
        for batch in pack(documents, site.config.max_bytes):
            outcomes += yield from _send(site, batch)
        return outcomes

    def judge(self, site: IndexSite, request: Request, response: Response) -> Iterator[Step]:
        return judge_cluster(site, request, response)


def _send(site: IndexSite, documents: list[Document]) -> Conversation:
    request = _request(site, documents)
    result = yield request
    if isinstance(result, Response) and len(documents) > 1:
        if result.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            half = len(documents) // 2
            return [*(yield from _send(site, documents[:half])), *(yield from _send(site, documents[half:]))]
        if result.status in _BLAMES_ONE:
            outcomes: list[Outcome] = []
            for document in documents:
                outcomes += yield from _send(site, [document])
            return outcomes
    items = read_items(result, len(documents)) if isinstance(result, Response) and result.status == 200 else None
    if items is None:
        return [_whole(site, document, request, result) for document in documents]
    return [_single(site, document, request, result, item) for document, item in zip(documents, items, strict=True)]


def _request(site: IndexSite, documents: list[Document]) -> Request:
    first = documents[0].message
    query = {"filter_path": FILTER}
    if first.params.pipeline:
        query["pipeline"] = first.params.pipeline
    if site.config.refresh != "false":
        query["refresh"] = site.config.refresh
    return site.request(
        "POST",
        f"{segment(_index(site, first))}/_bulk",
        query=query,
        body=b"".join(document.lines for document in documents),
        headers=_NDJSON,
        message=first,
        max_body=MOST_READ + MOST_READ_EACH * len(documents),
    )


def _index(site: IndexSite, message: Message[IndexParams]) -> str:
    name = message.params.index or site.config.index
    if not name:
        raise BadMessage("index is empty, and the connector names none.")
    try:
        return check_index(name)
    except ValueError as error:
        raise BadMessage(f"index is {name[:300]!r}. {error}") from None


def _whole(site: IndexSite, document: Document, request: Request, result: Result) -> Outcome:
    """Return the outcome of a document where the answer is about the whole request."""
    if not isinstance(result, Response):
        return site.outcome(document.message, request, result)
    if result.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        detail = f"HTTP 413: the system does not take a request of {len(request.body or b'')} bytes."
        return site.outcome(document.message, request, result, Reason.TOO_LARGE, detail)
    if 200 <= result.status < 300:
        detail = f"HTTP {result.status}: the answer is not that of a bulk request."
        return site.outcome(document.message, request, result, Reason.RETRY_HTTP_5XX, detail)
    said = explain(read_object(result).get("error"))
    return site.outcome(document.message, request, result, detail=f"HTTP {result.status}: {said}." if said else "")


def _single(site: IndexSite, document: Document, request: Request, result: Result, item: Item) -> Outcome:
    """Return the outcome of a document with its own part of the request and the answer."""
    assert isinstance(result, Response)
    own = replace(result, body=orjson.dumps(item.shown))
    outcome = site.outcome(document.message, request, own, item.reason, item.detail)
    return replace(outcome, request={**outcome.request, "bytes": len(document.lines)})


def _authorization(config: IndexConfig, secrets: IndexSecrets) -> str:
    if config.auth == "basic":
        return f"Basic {b64encode(_credentials(config, secrets).encode()).decode()}"
    if config.auth == "api_key" and secrets.api_key:
        key = secrets.api_key.get_secret_value()
        return f"ApiKey {b64encode(key.encode()).decode() if ':' in key else key}"
    if config.auth == "bearer" and secrets.token:
        return f"Bearer {secrets.token.get_secret_value()}"
    return ""


def _credentials(config: IndexConfig, secrets: IndexSecrets) -> str:
    return f"{config.username}:{secrets.password.get_secret_value() if secrets.password else ''}"
