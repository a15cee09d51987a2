"""Documents reach Elasticsearch and OpenSearch as their bulk API takes them.

Sources: elastic.co/docs/api/doc/elasticsearch, "Bulk index or delete documents", "Create an index" (names), "Get
cluster info" and "Check user privileges"; docs.opensearch.org, "Bulk" and "Create index". Bodies of errors are as those
pages and elastic.co/docs/troubleshoot/elasticsearch/rejected-requests show them.
"""

import json
from base64 import b64encode
from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Connection, Message
from connectors.types.index import connector_type
from connectors.types.index.schemas import IndexConfig, IndexParams, IndexSecrets
from tests.connectors.types.index.receiver import BASIC, CLUSTER, PASSWORD, bulk, elasticsearch
from tests.vendors import Answer, Call, Vendor, vendor

REJECTED = {
    "type": "es_rejected_execution_exception",
    "reason": "rejected execution of coordinating operation [coordinating_and_primary_bytes=104759862]",
}
BAD_FIELD = {
    "type": "document_parsing_exception",
    "reason": "[1:6] failed to parse field [n] of type [long] in document with id 'msg_1'.",
    "caused_by": {"type": "illegal_argument_exception", "reason": 'For input string: "x"'},
}


def connection(running: Vendor, **config: Any) -> Connection[IndexConfig, IndexSecrets]:
    given = {"auth": "basic", "username": "writer", "index": "tests", **config}
    secrets = IndexSecrets.model_validate({"password": PASSWORD, "api_key": "id-1:key-1", "token": "t0ken"})
    return Connection(1, 1, IndexConfig(url=running.url, **given), secrets)


def send(running: Vendor, *params: dict[str, Any], **config: Any) -> list[Outcome]:
    """Send a message for each of these; return the outcomes in their order."""
    messages = [
        Message(key, f"msg_{key}", IndexParams.model_validate({"document": {"n": key}, **each}))
        for key, each in enumerate(params)
    ]
    return sorted(connector_type.deliver(connection(running, **config), messages), key=lambda outcome: outcome.key)


def documents(call: Call) -> list[dict[str, Any]]:
    return [json.loads(line) for line in call.body.splitlines()[1::2]]


def probe(running: Vendor, **config: Any) -> list[Step]:
    return list(connector_type.probe(connection(running, **config), timeout=5))


def test_what_is_due_at_once_goes_in_one_request_with_an_outcome_each() -> None:
    with vendor(bulk()) as running:
        outcomes = send(running, {}, {}, {})
    (call,) = running.calls
    assert call.path == "/tests/_bulk"
    assert documents(call) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert [outcome.reason for outcome in outcomes] == [Reason.OK] * 3
    assert outcomes[1].detail == "The document tests/msg_1 was created."
    assert json.loads(outcomes[1].response["body"]) == {
        "create": {"_index": "tests", "_id": "msg_1", "status": 201, "result": "created"}
    }


def test_each_document_fares_by_itself() -> None:
    def judge(document_id: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        fates: dict[str, tuple[int, dict[str, Any]]] = {
            "msg_0": (201, {"result": "created"}),
            "msg_1": (400, {"error": BAD_FIELD}),
            "msg_2": (429, {"error": REJECTED}),
            "msg_3": (503, {"error": {"type": "unavailable_shards_exception", "reason": "primary not active"}}),
            "msg_4": (403, {"error": {"type": "security_exception", "reason": "action is unauthorized"}}),
        }
        return fates[document_id]

    with vendor(bulk(judge)) as running:
        outcomes = send(running, *[{}] * 5)
    assert [outcome.reason for outcome in outcomes] == [
        Reason.OK,
        Reason.PERMANENT_4XX,
        Reason.RETRY_429,
        Reason.RETRY_HTTP_5XX,
        Reason.PERMANENT_4XX,
    ]
    assert outcomes[1].detail == (
        "HTTP 400: document_parsing_exception: [1:6] failed to parse field [n] of type [long] in document with id "
        "'msg_1', caused by illegal_argument_exception: For input string: \"x\"."
    )
    assert outcomes[2].detail.startswith("HTTP 429: es_rejected_execution_exception")


def test_a_retry_makes_no_second_document() -> None:
    standing: set[str] = set()

    def judge(document_id: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if document_id in standing:
            reason = f"[{document_id}]: version conflict, document already exists (current version [1])"
            return 409, {"error": {"type": "version_conflict_engine_exception", "reason": reason}}
        standing.add(document_id)
        return 201, {"result": "created"}

    with vendor(bulk(judge)) as running:
        first = send(running, {})
        again = send(running, {})
    assert standing == {"msg_0"}
    assert [first[0].reason, again[0].reason] == [Reason.OK, Reason.OK]
    assert again[0].detail == "The document tests/msg_0 was there already."


def test_the_action_says_index_operation_id_and_pipeline() -> None:
    with vendor(bulk()) as running:
        params = {"index": "logs-site.a", "op_type": "index", "id": "site/7", "pipeline": "enrich&more"}
        assert send(running, params, refresh="wait_for")[0].reason is Reason.OK
    (call,) = running.calls
    assert call.path == "/logs-site.a/_bulk"
    assert (call.query["pipeline"], call.query["refresh"]) == (["enrich&more"], ["wait_for"])
    assert json.loads(call.body.splitlines()[0]) == {"index": {"_id": "site/7"}}


def test_documents_for_another_index_or_pipeline_go_apart() -> None:
    with vendor(bulk()) as running:
        send(running, {}, {"index": "a"}, {}, {"index": "a"}, {"index": "a", "pipeline": "p"})
    found = sorted((call.path, len(documents(call))) for call in running.calls)
    assert found == [("/a/_bulk", 1), ("/a/_bulk", 2), ("/tests/_bulk", 2)]


def test_a_document_may_be_a_text_with_its_time_added() -> None:
    with vendor(bulk()) as running:
        send(running, {"document": '{"a": [1, 2]}'}, execution_time_field="@timestamp")
    (document,) = documents(running.calls[0])
    assert document.pop("@timestamp").startswith("20")
    assert document == {"a": [1, 2]}


def test_a_request_has_no_more_documents_and_bytes_than_allowed() -> None:
    long = {"document": {"text": "x" * 30_000}}
    with vendor(bulk()) as running:
        assert len(send(running, *[{}] * 5, max_documents=2)) == 5
        assert sorted(len(documents(call)) for call in running.calls) == [1, 2, 2]
        running.calls.clear()
        assert len(send(running, *[long] * 5, max_bytes=64 * 1024)) == 5
        assert sorted(len(documents(call)) for call in running.calls) == [1, 2, 2]
        assert all(len(call.body) <= 64 * 1024 for call in running.calls)


def test_what_is_too_large_for_the_system_goes_in_smaller_requests() -> None:
    def answer(call: Call) -> Answer:
        return bulk()(call) if len(call.body) < 200 else Answer(413)

    with vendor(answer) as running:
        outcomes = send(running, *[{}] * 6, {"document": {"text": "x" * 500}})
    assert [outcome.reason for outcome in outcomes] == [Reason.OK] * 6 + [Reason.TOO_LARGE]
    assert "413" in outcomes[6].detail


def test_one_document_that_spoils_a_request_fails_alone() -> None:
    def answer(call: Call) -> Answer:
        if b"poison" in call.body:
            return Answer(400, {"error": {"type": "parse_exception", "reason": "poison"}, "status": 400})
        return bulk()(call)

    with vendor(answer) as running:
        outcomes = send(running, {}, {"document": {"a": "poison"}}, {})
    assert [outcome.reason for outcome in outcomes] == [Reason.OK, Reason.PERMANENT_4XX, Reason.OK]
    assert outcomes[1].detail == "HTTP 400: parse_exception: poison."


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (
            Answer(401, {"error": {"type": "security_exception", "reason": "missing authentication"}, "status": 401}),
            Reason.PERMANENT_4XX,
            "HTTP 401: security_exception: missing authentication.",
        ),
        (
            Answer(429, {"error": REJECTED, "status": 429}, {"retry-after": "7"}),
            Reason.RETRY_429,
            f"HTTP 429: {REJECTED['type']}: {REJECTED['reason']}.",
        ),
        (
            Answer(503, {"error": {"type": "cluster_block_exception", "reason": "no master"}, "status": 503}),
            Reason.RETRY_HTTP_5XX,
            "HTTP 503: cluster_block_exception: no master.",
        ),
        (Answer(401, b"Unauthorized"), Reason.PERMANENT_4XX, "HTTP 401 Unauthorized"),
        (Answer(200, {"took": 1}), Reason.RETRY_HTTP_5XX, "HTTP 200: the answer is not that of a bulk request."),
        (Answer(200, b"hello"), Reason.RETRY_HTTP_5XX, "HTTP 200: the answer is not that of a bulk request."),
    ],
    ids=["unauthorized", "rejected", "unavailable", "proxy", "no items", "no JSON"],
)
def test_an_answer_to_the_whole_request_is_that_of_each_document(answer: Answer, reason: Reason, detail: str) -> None:
    with vendor(lambda _: answer) as running:
        outcomes = send(running, {}, {})
    assert [(outcome.reason, outcome.detail) for outcome in outcomes] == [(reason, detail)] * 2
    assert outcomes[0].retry_after == (7.0 if reason is Reason.RETRY_429 else None)


def test_a_data_stream_that_takes_no_index_operation_says_so() -> None:
    def judge(document_id: str, document: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reason = "only write ops with an op_type of create are allowed in data streams"
        return 400, {"error": {"type": "illegal_argument_exception", "reason": reason}}

    with vendor(bulk(judge)) as running:
        (outcome,) = send(running, {"index": "logs-app-default", "op_type": "index"})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert "only write ops with an op_type of create" in outcome.detail


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"index": "{%Logs%}"}, "lower case"),
        ({"index": "{% if 1 %}"}, "space"),
        ({"op_type": "{{ delete }}"}, "op_type"),
        ({"id": "x" * 513}, "id has more than 512 bytes"),
        ({"document": "{{ [1] }}"}, "document"),
        ({"document": "{{ event }} and more"}, "document"),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(params: dict[str, Any], said: str) -> None:
    with vendor(bulk()) as running:
        bad, good = send(running, params, {})
    assert (bad.reason, good.reason) == (Reason.TEMPLATE_ERROR, Reason.OK)
    assert said in bad.detail
    assert len(running.calls) == 1


def test_a_message_without_any_index_is_refused() -> None:
    with vendor(bulk()) as running:
        (outcome,) = send(running, {}, index="")
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert "index is empty" in outcome.detail


@pytest.mark.parametrize(
    ("field", "value"),
    [("index", "Logs"), ("index", "_{{ event.type }}"), ("op_type", "delete"), ("document", "[]"), ("document", "{")],
)
def test_what_can_be_seen_when_saved_is_refused_then(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=field):
        IndexParams.model_validate({field: value})


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ("none", None),
        ("basic", BASIC),
        ("api_key", f"ApiKey {b64encode(b'id-1:key-1').decode()}"),
        ("bearer", "Bearer t0ken"),
    ],
)
def test_each_way_to_authenticate_sends_its_header(auth: str, sent: str | None) -> None:
    with vendor(lambda _: Answer(200, {"items": []})) as running:
        send(running, {}, auth=auth, username="writer")
    assert running.calls[0].headers.get("authorization") == sent


@pytest.mark.parametrize(("auth", "missing"), [("basic", "password"), ("api_key", "api_key"), ("bearer", "token")])
def test_the_secret_that_is_missing_is_named(auth: Any, missing: str) -> None:
    config = IndexConfig(url="https://es.example.com:9200", auth=auth, username="u")
    assert connector_type.missing_secrets(config, IndexSecrets()) == [missing]


class TestProbe:
    """The Test button."""

    def test_it_tells_the_cluster_the_permission_and_the_index(self) -> None:
        with vendor(elasticsearch) as running:
            steps = probe(running)
        assert [step.detail for step in steps[-3:]] == [
            "Elasticsearch 9.2.0, cluster prod.",
            "Documents may be added to tests.",
            "tests is not there yet.",
        ]
        assert all(step.reason.is_ok for step in steps)
        (asked,) = [call.json for call in running.calls if call.path.endswith("_has_privileges")]
        assert asked == {"index": [{"names": ["tests"], "privileges": ["create_doc"]}]}

    def test_a_missing_privilege_is_named(self) -> None:
        def answer(call: Call) -> Answer:
            said = {"username": "writer", "has_all_requested": False, "index": {"tests": {"create_doc": False}}}
            return Answer(200, CLUSTER if call.method == "GET" else said)

        with vendor(answer) as running:
            last = probe(running)[-1]
        assert (last.name, last.reason) == ("permissions", Reason.BAD_CONFIG)
        assert last.detail == "writer may not add documents to tests."
        assert "create_doc" in last.advice

    def test_opensearch_is_known_by_its_distribution(self) -> None:
        cluster = {**CLUSTER, "version": {"distribution": "opensearch", "number": "3.3.0"}}

        def answer(call: Call) -> Answer:
            assert call.method in ("GET", "HEAD")
            return Answer(200, cluster if call.method == "GET" else b"")

        with vendor(answer) as running:
            steps = probe(running)
        assert [step.detail for step in steps[-2:]] == ["OpenSearch 3.3.0, cluster prod.", "tests is there."]

    def test_a_key_that_may_only_write_passes(self) -> None:
        with vendor(lambda _: Answer(403, {"error": {"type": "security_exception"}, "status": 403})) as running:
            assert all(step.reason.is_ok for step in probe(running))

    @pytest.mark.parametrize(
        ("answer", "step", "said"),
        [
            (Answer(401, {"error": {"reason": "unable to authenticate user [writer]"}}), "authenticate", "unable to"),
            (Answer(200, b"<html>Kibana</html>"), "cluster", "not that of Elasticsearch"),
            (Answer(200, {"version": "9"}), "cluster", "not that of Elasticsearch"),
            (Answer(502, b""), "status", "502"),
        ],
    )
    def test_what_is_wrong_is_told_with_advice(self, answer: Answer, step: str, said: str) -> None:
        with vendor(lambda _: answer) as running:
            last = probe(running)[-1]
        assert last.name == step
        assert said in last.detail
        assert last.advice
        assert not last.reason.is_ok


class TestKibana:
    """Kibana's ``.index``."""

    def test_a_connector_of_kibana_waits_for_its_address(self) -> None:
        adopted = connector_type.adopt({"index": "alerts", "refresh": True, "executionTimeField": "@timestamp"})
        assert not adopted.usable
        assert "address" in adopted.warnings[0]
        config = IndexConfig.model_validate(adopted.config)
        assert (config.index, config.refresh, config.execution_time_field) == ("alerts", "true", "@timestamp")
        assert connector_type.check(config) == []

    def test_what_kibana_leaves_empty_is_as_usual_here(self) -> None:
        adopted = connector_type.adopt({"index": "alerts", "refresh": False, "executionTimeField": None})
        assert IndexConfig.model_validate(adopted.config).refresh == "false"
