"""The destinations of the walks: real servers, and receivers that check what comes as the vendors document it."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import redis
import trustme
from confluent_kafka import Message
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests import kafka_broker, mail_server
from tests.connectors.types.apprise.behind import authority_pem, speaking
from tests.contract.scripted import answering
from tests.mosquitto import mosquitto, mosquitto_version
from tests.servers import redis_server, redis_version, wait_until
from tests.services.transcripts.declared import Arrival, Destination
from tests.vendors import Answer, Call, vendor

Place = Callable[[Path], AbstractContextManager[Destination]]

# What says nothing about the message.
_USUAL_HEADERS: Final = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length"}


def receiver(
    answer: Callable[[], Callable[[Call], Answer]],
    config: Mapping[str, Any],
    secrets: Mapping[str, str],
    about: str = "a receiver that checks each request as the vendor documents it",
) -> Place:
    """Return a receiver over HTTP; ``{url}`` in config and secrets is its address."""

    @contextmanager
    def place(_: Path) -> Iterator[Destination]:
        with vendor(answer()) as running:

            def addressed(values: Mapping[str, Any]) -> dict[str, Any]:
                return {
                    name: value.replace("{url}", running.url) if isinstance(value, str) else value
                    for name, value in values.items()
                }

            yield Destination(
                about, addressed(config), addressed(secrets), lambda: [_of_call(call) for call in list(running.calls)]
            )

    return place


def _of_call(call: Call) -> Arrival:
    query = f"?{urlencode(call.query, doseq=True, quote_via=quote)}" if call.query else ""
    return Arrival(f"{call.method} {call.path}{query}", _telling(call.headers), call.body.decode())


def _telling(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _USUAL_HEADERS}


def services_behind_a_proxy(answer: bytes, host: str, url: str) -> Place:
    """Return a service of apprise, which only a proxy reaches: hosts of apprise are fixed."""

    @contextmanager
    def place(_: Path) -> Iterator[Destination]:
        with speaking(answering(answer), [host]) as server:
            yield Destination(
                f"a receiver for {host}, behind a proxy of the installation, over TLS",
                {"service": url.partition(":")[0], "ca": authority_pem()},
                {"url": url},
                lambda: [_of_request(request) for request in list(server.requests) if b"CONNECT" not in request[:7]],
                proxy=server.url,
                hosts=(host,),
            )

    return place


def _of_request(request: bytes) -> Arrival:
    head, _, body = request.decode().partition("\r\n\r\n")
    line, *rest = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
    return Arrival(line.rpartition(" ")[0], _telling(headers), body)


@contextmanager
def kafka(_: Path) -> Iterator[Destination]:
    """Run Kafka with the topic ``ovens``; who writes there signs in over TLS."""
    with kafka_broker.kafka_broker() as broker:
        topic = broker.create_topic("ovens", partitions=1)

        def arrivals() -> list[Arrival]:
            return [_of_record(record) for record in broker.read(topic)]

        yield Destination(
            f"{kafka_broker.KAFKA}, SCRAM-SHA-512 over TLS",
            {
                "bootstrap_servers": broker.sasl_tls,
                "auth": "scram_sha_512",
                "username": kafka_broker.USER,
                "tls": True,
                "ca": broker.ca,
                "probe_topic": topic,
            },
            {"password": kafka_broker.PASSWORD},
            arrivals,
        )


def _of_record(record: Message) -> Arrival:
    place = f"topic {record.topic()}, partition {record.partition()}, offset {record.offset()}"
    headers = {_text(name): _text(value) for name, value in dict(record.headers() or ()).items()}
    return Arrival(f"{place}, key {_text(record.key())}", headers, _text(record.value()))


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


@contextmanager
def mqtt(_: Path) -> Iterator[Destination]:
    """Run mosquitto, with somebody who has subscribed to all; it lets in who has a password."""
    authority, user, password = trustme.CA(), "ovens", "p4ss-of-the-ovens"
    with mosquitto(users={user: password}, certificate=authority.issue_cert("127.0.0.1")) as broker:
        came: list[MQTTMessage] = []
        is_subscribed: list[bool] = []
        client = Client(CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=MQTTProtocolVersion.MQTTv5)
        client.username_pw_set(user, password)
        client.on_message = lambda _, __, message: came.append(message)
        client.on_subscribe = lambda *_: is_subscribed.append(True)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        try:
            wait_until(client.is_connected, "the connection to mosquitto")
            client.subscribe("#", 2)
            wait_until(lambda: is_subscribed, "the subscription to mosquitto")
            yield Destination(
                f"{mosquitto_version()}, by password over TLS, and a subscriber to all topics",
                {
                    "server": f"127.0.0.1:{broker.tls_port}",
                    "tls": True,
                    "ca": authority.cert_pem.bytes().decode(),
                    "username": user,
                },
                {"password": password},
                lambda: [_of_mqtt(message) for message in list(came)],
            )
        finally:
            client.disconnect()
            client.loop_stop()


def _of_mqtt(message: MQTTMessage) -> Arrival:
    properties = message.properties
    headers = dict(getattr(properties, "UserProperty", ()))
    if content_type := getattr(properties, "ContentType", ""):
        headers = {"content-type": content_type, **headers}
    return Arrival(f"topic {message.topic}, QoS {message.qos}", headers, message.payload.decode())


@contextmanager
def redis_stream(_: Path) -> Iterator[Destination]:
    """Run Redis with a password, and read the stream ``ovens``."""
    password = "p4ss-of-the-stream"
    with redis_server() as server:
        version, port = redis_version(server.url), int(server.url.rpartition(":")[2].partition("/")[0])
        client = redis.Redis(port=port, password=password)
        with redis.Redis(port=port) as unknown:
            unknown.config_set("requirepass", password)

        def arrivals() -> list[Arrival]:
            entries = client.xrange("ovens") or ()
            return [_of_entry(_text(entry), fields or {}) for entry, fields in entries]

        with client:
            yield Destination(
                f"{version}, by password", {"host": "127.0.0.1", "port": port}, {"password": password}, arrivals
            )


def _of_entry(entry: str, fields: Mapping[str | bytes, str | bytes]) -> Arrival:
    said = "\n".join(f"{_text(name)}: {_text(value)}" for name, value in fields.items())
    return Arrival(f"stream ovens, entry {entry}", {}, said)


@contextmanager
def mail(_: Path) -> Iterator[Destination]:
    """Run an SMTP server that asks for a sign-in over STARTTLS."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with mail_server.mail_server(starttls=context, asks_for_sign_in=True) as server:
        yield Destination(
            f"{mail_server.VERSION}, a sign-in over STARTTLS",
            {
                "host": "127.0.0.1",
                "port": server.port,
                "security": "starttls",
                "ca": authority.cert_pem.bytes().decode(),
                "username": mail_server.USER,
                "from": "Switchyard <alerts@example.com>",
            },
            {"password": mail_server.PASSWORD},
            lambda: [_of_mail(received) for received in list(server.received)],
        )


def _of_mail(received: mail_server.Received) -> Arrival:
    shown = ("From", "To", "Subject", "Message-ID")
    return Arrival(
        f"MAIL FROM:<{received.sender}> RCPT TO:<{'>, <'.join(received.recipients)}>",
        {name.lower(): str(received.message[name]) for name in shown if received.message[name]},
        "\n".join(f"({kind})\n{received.body(kind).rstrip()}" for kind in ("plain", "html")),
    )


@contextmanager
def server_log(directory: Path) -> Iterator[Destination]:
    """Read what the workers of the installation write into their logs."""

    def arrivals() -> list[Arrival]:
        lines = [line for log in sorted(directory.glob("*-worker.log")) for line in log.read_text().splitlines()]
        return [Arrival("a line", {}, line) for line in lines if "switchyard.server_log" in line]

    yield Destination("the log of the installation's worker", {}, {}, arrivals)
