"""Elasticsearch, as the tests know it.

Sources: elastic.co/docs/api/doc/elasticsearch, "Bulk index or delete documents" and "Get cluster info".
"""

import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from connectors.types.index.names import check_index
from tests.vendors import Answer, Call

PASSWORD = "p4ss-of-the-writer"
BASIC = f"Basic {b64encode(f'writer:{PASSWORD}'.encode()).decode()}"
CLUSTER = {
    "name": "node-1",
    "cluster_name": "prod",
    "cluster_uuid": "5QaxoN0pRZuOmWSxstBBwQ",
    "version": {"number": "9.2.0", "build_flavor": "default"},
    "tagline": "You Know, for Search",
}
_Judge = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]


def stored(document_id: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 201, {"result": "created"}


def bulk(judge: _Judge = stored) -> Callable[[Call], Answer]:
    """Return a system whose documents fare as ``judge`` says."""

    def answer(call: Call) -> Answer:
        assert call.method == "POST"
        index = call.path.removesuffix("/_bulk").removeprefix("/")
        assert check_index(index) == index
        assert call.headers["content-type"] == "application/x-ndjson"
        assert call.headers["authorization"] == BASIC
        assert call.query.keys() <= {"filter_path", "pipeline", "refresh"}
        assert call.query.get("refresh", ["true"]) in (["true"], ["false"], ["wait_for"])
        assert call.body.endswith(b"\n"), "the last line ends with a newline"
        lines = [json.loads(line) for line in call.body.splitlines()]
        assert len(lines) % 2 == 0
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            ((op_type, about),) = action.items()
            assert op_type in ("create", "index")
            assert 0 < len(about["_id"].encode()) <= 512
            assert isinstance(document, dict)
            status, rest = judge(about["_id"], document)
            items.append({op_type: {"_index": index, "_id": about["_id"], "status": status, **rest}})
        errors = any(next(iter(item.values()))["status"] >= 300 for item in items)
        return Answer(200, {"errors": errors, "items": items})

    return answer


def elasticsearch(call: Call) -> Answer:
    """Answer as a cluster whose indices are made with their first document."""
    match call.method, call.path:
        case "GET", "/":
            return Answer(200, CLUSTER)
        case "POST", "/_security/user/_has_privileges":
            (asked,) = call.json["index"]
            held = {name: dict.fromkeys(asked["privileges"], True) for name in asked["names"]}
            return Answer(200, {"username": "writer", "has_all_requested": True, "index": held})
        case "HEAD", _:
            return Answer(404)
    return bulk()(call)
