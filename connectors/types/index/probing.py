"""What a test of an index connector finds out, step by step, without storing a document.

Source: Elasticsearch, "Get cluster info", "Check user privileges" (``_security/user/_has_privileges``) and "Check
indices" (HEAD); OpenSearch answers the first and the last alike.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from connectors.net.exchange import Failure, Request, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.http_probe import status_step
from connectors.types.index.bulk import explain
from connectors.types.index.schemas import IndexConfig, IndexSecrets
from connectors.types.sites import Site, read_object, segment

IndexSite = Site[IndexConfig, IndexSecrets]

_GRANT_WRITE: Final = "Give the user or key the index privilege create_doc, or index to replace documents."


def judge_cluster(site: IndexSite, request: Request, response: Response) -> Iterator[Step]:
    """Yield what the answer to ``GET /`` means, and what of the index can be told."""
    is_opensearch = False
    match response.status:
        case HTTPStatus.OK:
            cluster = read_object(response)
            version = cluster.get("version")
            if not isinstance(version, dict) or "number" not in version:
                yield Step(
                    "cluster",
                    "The answer is not that of Elasticsearch or OpenSearch.",
                    reason=Reason.BAD_CONFIG,
                    advice="Check the URL: it leads to the root of their API, not to Kibana or Dashboards.",
                )
                return
            is_opensearch = version.get("distribution") == "opensearch"
            product = "OpenSearch" if is_opensearch else "Elasticsearch"
            yield Step("cluster", f"{product} {version['number']}, cluster {cluster.get('cluster_name', '?')}.")
        case HTTPStatus.UNAUTHORIZED:
            yield Step(
                "authenticate",
                f"HTTP 401: {explain(read_object(response).get('error')) or 'not authenticated'}.",
                reason=Reason.BAD_CONFIG,
                advice="Check how the connector authenticates, and its secrets.",
            )
            return
        case HTTPStatus.FORBIDDEN:
            # A key that may write documents and nothing else is a good one.
            yield Step("cluster", "HTTP 403: these credentials may not read the name of the cluster.")
        case _:
            yield status_step(request.method, response.status)
            if response.status >= 300:
                return
    if site.config.index:
        yield from _judge_index(site, site.config.index, is_opensearch)


def _judge_index(site: IndexSite, index: str, is_opensearch: bool) -> Iterator[Step]:
    if not is_opensearch and site.config.auth != "none":
        answer = site.ask(
            site.request(
                "POST",
                "_security/user/_has_privileges",
                json={"index": [{"names": [index], "privileges": ["create_doc"]}]},
            )
        )
        if isinstance(answer, Response) and answer.status == HTTPStatus.OK:
            yield _privilege_step(index, read_object(answer))
            if read_object(answer).get("has_all_requested") is False:
                return
    yield _presence_step(index, site.ask(site.request("HEAD", segment(index))))


def _privilege_step(index: str, said: dict[str, Any]) -> Step:
    if said.get("has_all_requested") is False:
        return Step(
            "permissions",
            f"{said.get('username') or 'The user'} may not add documents to {index}.",
            reason=Reason.BAD_CONFIG,
            advice=_GRANT_WRITE,
        )
    return Step("permissions", f"Documents may be added to {index}.")


def _presence_step(index: str, answer: Response | Failure) -> Step:
    if isinstance(answer, Failure):
        return Step("index", answer.detail, answer.duration, answer.reason, "Try again.")
    match answer.status:
        case HTTPStatus.OK:
            return Step("index", f"{index} is there.")
        case HTTPStatus.NOT_FOUND:
            return Step(
                "index",
                f"{index} is not there yet.",
                advice="The first document makes it, where the cluster creates indices by itself.",
            )
        case HTTPStatus.UNAUTHORIZED:
            return Step(
                "index",
                f"HTTP 401 for {index}.",
                reason=Reason.BAD_CONFIG,
                advice="Check how the connector authenticates, and its secrets.",
            )
        case HTTPStatus.FORBIDDEN:
            return Step(
                "index",
                f"HTTP 403: these credentials may not look whether {index} is there. Whether they may write to it "
                "shows with the first document.",
            )
        case _:
            return status_step("HEAD", answer.status)
