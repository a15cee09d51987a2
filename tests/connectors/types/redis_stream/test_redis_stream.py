"""Entries reach a real Redis whole and once, many in one go, and what it refuses has its reason.

Source: redis.io, XADD, ACL, "Redis serialization protocol specification".
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from pydantic import ValidationError

from actions.templating import compile_params
from connectors.net.redis import Failed
from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message
from connectors.types.redis_stream import connector_type
from connectors.types.redis_stream.refusals import reason_for
from connectors.types.redis_stream.schemas import RedisStreamConfig, RedisStreamParams, RedisStreamSecrets
from tests.connectors.types.redis_stream.scenarios import read_command, usual_answer
from tests.contract.scripted import Peer, scripted
from tests.servers import RedisServer, free_port, redis_server, wait_until

RedisConnection = Connection[RedisStreamConfig, RedisStreamSecrets]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


@pytest.fixture
def client(server: RedisServer) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(server.url, decode_responses=True) as connected:
        connected.flushall()
        connected.acl_deluser("robot")
        yield connected
        connected.config_set("maxmemory", 0)
        connected.replicaof("NO", "ONE")
    connector_type.forget()


def connect(port: int, password: str = "", **config: Any) -> RedisConnection:
    secrets = {"password": password} if password else {}
    return Connection(
        1,
        1,
        RedisStreamConfig.model_validate({"host": "127.0.0.1", "port": port, **config}),
        RedisStreamSecrets.model_validate(secrets),
    )


def port_of(server: RedisServer) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])


def message(key: int = 7, **params: Any) -> Message[RedisStreamParams]:
    return Message(key, f"msg-{key}", RedisStreamParams.model_validate({"stream": "events", **params}))


def deliver(connection: RedisConnection, **params: Any) -> Outcome:
    given = {"fields": {"a": "1"}, **params}
    (outcome,) = connector_type.deliver(connection, [message(**given)])
    return outcome


def entries(client: "redis.Redis", stream: str) -> list[tuple[str, dict[str, str]]]:
    found: Any = client.xrange(stream)
    return list(found)


def test_an_entry_has_each_field_and_the_id_of_the_message(server: RedisServer, client: "redis.Redis") -> None:
    fields = {"text": "Größe \r\n $3 *1", "number": 1.5, "object": {"a": [1, None]}, "nothing": None, "ok": True}
    outcome = deliver(connect(port_of(server)), fields=fields)
    ((entry_id, found),) = entries(client, "events")
    assert outcome.reason is Reason.OK
    assert outcome.detail == f"Added to events as {entry_id}."
    assert found == {
        "webhook-id": "msg-7",
        "text": "Größe \r\n $3 *1",
        "number": "1.5",
        "object": '{"a":[1,null]}',
        "nothing": "null",
        "ok": "true",
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event": "{{ event }}"}, {"event": '{"data":{"n":7,"who":"a\\"b"},"id":"1"}'}),
        ({"who": "{{ event.data.who }}", "n": "{{ event.data.n }}"}, {"who": 'a"b', "n": "7"}),
        ("{{ event.data }}", {"n": "7", "who": 'a"b'}),
        ('{"who": {{ event.data.who }}}', {"who": 'a"b'}),
    ],
)
def test_fields_come_from_an_object_or_from_a_template_that_yields_one(
    fields: Any, expected: dict[str, str], server: RedisServer, client: "redis.Redis"
) -> None:
    config = RedisStreamConfig(host="h.example")
    whole = RedisStreamParams(fields=fields).model_dump(mode="json")
    compiled = compile_params(whole, lambda field: connector_type.template_format(config, whole, field))
    event = {"id": "1", "data": {"n": 7, "who": 'a"b'}}
    rendered = compiled.render({"event": event, "rule": {}, "action": {}, "space": {}, "failure": None})
    assert deliver(connect(port_of(server)), **rendered).reason is Reason.OK
    ((_, found),) = entries(client, "switchyard:events")
    found.pop("webhook-id")
    if "event" in expected:
        assert found.keys() == {"event"}
    else:
        assert found == expected


def test_many_entries_arrive_in_their_order_each_once_over_one_connection(
    server: RedisServer, client: "redis.Redis"
) -> None:
    before = client.info("stats")["total_connections_received"]
    connection = connect(port_of(server))
    for _ in range(2):
        outcomes = list(connector_type.deliver(connection, [message(key, fields={"n": key}) for key in range(2000)]))
        assert {outcome.reason for outcome in outcomes} == {Reason.OK}
    found = [int(fields["n"]) for _, fields in entries(client, "events")]
    assert found == [*range(2000)] * 2
    assert client.info("stats")["total_connections_received"] == before + 1


def test_a_stream_stays_about_as_long_as_said(server: RedisServer, client: "redis.Redis") -> None:
    messages = [message(key, fields={"n": key}, max_length=100) for key in range(1000)]
    list(connector_type.deliver(connect(port_of(server)), messages))
    assert 100 <= client.xlen("events") <= 300


def test_a_retry_whose_entry_is_there_already_is_a_success(server: RedisServer, client: "redis.Redis") -> None:
    connection = connect(port_of(server))
    for _ in range(2):
        assert deliver(connection, entry_id="1767225600000-0").reason is Reason.OK
    assert client.xlen("events") == 1
    other = next(iter(connector_type.deliver(connection, [message(8, fields={"a": 1}, entry_id="1767225600000-0")])))
    assert other.reason is Reason.PERMANENT_4XX
    assert "equal or smaller" in other.detail


def test_one_entry_that_is_refused_spoils_no_other(server: RedisServer, client: "redis.Redis") -> None:
    client.set("text", "no stream")
    messages = [message(key, stream="text" if key == 3 else "events", fields={"n": key}) for key in range(6)]
    outcomes = {outcome.key: outcome for outcome in connector_type.deliver(connect(port_of(server)), messages)}
    assert outcomes.pop(3).reason is Reason.PERMANENT_4XX
    assert {outcome.reason for outcome in outcomes.values()} == {Reason.OK}
    assert client.xlen("events") == 5


def test_the_database_is_the_one_chosen(server: RedisServer, client: "redis.Redis") -> None:
    assert deliver(connect(port_of(server), database=3)).reason is Reason.OK
    assert client.xlen("events") == 0
    beyond = deliver(connect(port_of(server), database=99))
    assert beyond.reason is Reason.BAD_CONFIG


def test_an_acl_user_adds_what_it_may(server: RedisServer, client: "redis.Redis") -> None:
    client.acl_setuser("robot", enabled=True, passwords=["+päss word"], keys=["mine:*"], commands=["+xadd"])
    connection = connect(port_of(server), "päss word", username="robot")
    assert deliver(connection, stream="mine:a").reason is Reason.OK
    assert deliver(connection, stream="other").reason is Reason.PERMANENT_4XX
    wrong = deliver(connect(port_of(server), "wrong", username="robot"))
    assert (wrong.reason, "WRONGPASS" in wrong.detail) == (Reason.BAD_CONFIG, True)
    last = steps(connect(port_of(server), "wrong", username="robot"))[-1]
    assert (last.name, last.reason, "password" in last.advice) == ("authenticate", Reason.BAD_CONFIG, True)
    client.acl_setuser("robot", enabled=True, commands=["-xadd"])
    assert deliver(connection, stream="mine:a").reason is Reason.BAD_CONFIG


def test_a_server_that_wants_a_password_says_so(client: "redis.Redis", server: RedisServer) -> None:
    client.config_set("requirepass", "sesame")
    try:
        outcome = deliver(connect(port_of(server)))
        assert outcome.reason is Reason.BAD_CONFIG
        assert "NOAUTH" in outcome.detail
        assert steps(connect(port_of(server)))[-1].name == "authenticate"
        assert deliver(connect(port_of(server), "sesame")).reason is Reason.OK
    finally:
        client.config_set("requirepass", "")


def test_a_full_memory_and_a_replica_hold_the_entry(server: RedisServer, client: "redis.Redis") -> None:
    connection = connect(port_of(server))
    client.config_set("maxmemory", 1)
    assert deliver(connection).reason is Reason.RETRY_HTTP_5XX
    client.config_set("maxmemory", 0)
    client.replicaof("127.0.0.1", free_port())
    outcome = deliver(connection)
    assert outcome.reason is Reason.RETRY_HTTP_5XX
    last = steps(connection)[-1]
    assert (last.name, last.reason) == ("role", Reason.RETRY_HTTP_5XX)
    client.replicaof("NO", "ONE")
    assert deliver(connection).reason is Reason.OK


def test_a_restart_is_seen_and_gone_round() -> None:
    with redis_server() as server:
        connection = connect(port_of(server))
        assert deliver(connection).reason is Reason.OK
        server.stop()
        assert deliver(connection).reason is Reason.RETRY_CONNECT
        server.start()
        assert deliver(connection).reason is Reason.OK
    connector_type.forget()


def test_entries_go_over_tls_to_the_server_that_is_meant(tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client_leaf = authority.issue_cert("client@example.test")
    port = free_port()
    options = f"--port 0 --tls-port {port} --bind 127.0.0.1 --tls-cert-file {tmp_path}/cert.pem"
    options += f" --tls-key-file {tmp_path}/key.pem --tls-ca-cert-file {tmp_path}/ca.pem --dir {tmp_path}"
    ca = authority.cert_pem.bytes().decode()
    secrets = RedisStreamSecrets.model_validate({"client_key": client_leaf.private_key_pem.bytes().decode()})
    config = {
        "host": "127.0.0.1",
        "port": port,
        "tls": True,
        "ca": ca,
        "client_cert": client_leaf.cert_chain_pems[0].bytes().decode(),
    }
    connection: RedisConnection = Connection(1, 1, RedisStreamConfig.model_validate(config), secrets)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["redis-server", *options.split(), "--save", ""], stdout=log, stderr=log)
    try:
        wait_until(lambda: deliver(connection).reason is Reason.OK, "Redis over TLS takes no entry")
        assert [step.name for step in steps(connection)] == ["policy", "connect", "tls", "authenticate", "role"]
        # The server wants a certificate, and says so after the handshake (TLS 1.3).
        # By then the entry is on its way, and which of the two is seen first is chance.
        assert deliver(connect(port, tls=True, ca=ca)).reason in (Reason.RETRY_TLS, Reason.RETRY_CONNECT)
        assert deliver(connect(port, tls=True)).reason is Reason.RETRY_TLS
        assert deliver(connect(port)).reason in (Reason.RETRY_CONNECT, Reason.RETRY_TIMEOUT)
    finally:
        process.terminate()
        process.wait()
        connector_type.forget()


def test_a_probe_adds_nothing(server: RedisServer, client: "redis.Redis") -> None:
    found = steps(connect(port_of(server), database=2))
    assert [step.name for step in found] == ["policy", "connect", "authenticate", "database", "role"]
    assert all(step.reason.is_ok for step in found)
    assert client.info("keyspace") == {}


def test_entries_whose_reply_came_are_done_when_the_connection_ends_in_mid_batch() -> None:
    def script(peer: Peer) -> None:
        for _ in range(3):
            peer.send(usual_answer(read_command(peer)))

    with scripted(script) as server:
        messages = [message(key, fields={"n": key}) for key in range(5)]
        outcomes = list(connector_type.deliver(connect(server.port), messages))
    assert [outcome.reason for outcome in outcomes] == [Reason.OK] * 3 + [Reason.RETRY_CONNECT] * 2
    connector_type.forget()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("LOADING Redis is loading the dataset in memory", Reason.RETRY_HTTP_5XX),
        ("READONLY You can't write against a read only replica.", Reason.RETRY_HTTP_5XX),
        ("OOM command not allowed when used memory > 'maxmemory'.", Reason.RETRY_HTTP_5XX),
        ("MISCONF Redis is configured to save RDB snapshots", Reason.RETRY_HTTP_5XX),
        ("ERR max number of clients reached", Reason.RETRY_CONNECT),
        ("NOAUTH Authentication required.", Reason.BAD_CONFIG),
        ("NOPERM User robot has no permissions to run the 'xadd' command", Reason.BAD_CONFIG),
        ("NOPERM No permissions to access a key", Reason.PERMANENT_4XX),
        ("MOVED 3999 127.0.0.1:6381", Reason.BAD_CONFIG),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Reason.PERMANENT_4XX),
        ("ERR The ID specified in XADD must be greater than 0-0", Reason.PERMANENT_4XX),
    ],
)
def test_each_refusal_has_its_reason(said: str, expected: Reason) -> None:
    code, _, detail = said.partition(" ")
    assert reason_for(Failed(code, detail)) is expected


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"stream": " "}, "stream"),
        ({"entry_id": "now"}, "entry_id"),
        ({"fields": "no JSON"}, "fields"),
        ({"fields": "[1]"}, "fields"),
        ({"fields": "{}"}, "fields"),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(params: dict[str, Any], field: str) -> None:
    yielded = RedisStreamParams().model_copy(update=params)
    (outcome,) = connector_type.deliver(connect(1), [Message(7, "id", yielded)])
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail.startswith(field)


@pytest.mark.parametrize(
    "params", [{"fields": {}}, {"fields": [1]}, {"entry_id": "now"}, {"max_length": 0}, {"stream": ""}, {"x": 1}]
)
def test_what_cannot_be_added_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RedisStreamParams.model_validate(params)


def steps(connection: RedisConnection) -> list[Any]:
    return list(connector_type.probe(connection, timeout=10))
