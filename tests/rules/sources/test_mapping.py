"""What becomes of messages: each format, the templates, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.incoming import IncomingEvent
from rules.sources.base import Message
from rules.sources.kafka.source import KafkaParams
from rules.sources.mapping import Mapper
from rules.sources.mqtt.source import MqttParams
from spaces.errors import InvalidInput
from spaces.strict_json import TooLarge


def mapper(**params: Any) -> Mapper:
    return Mapper(
        KafkaParams(topics=["t"], **params),
        usual_type="kafka.record",
        source={"id": "src", "name": "S"},
        connector={"id": "con", "name": "C"},
    )


def message(body: bytes | None, **parts: Any) -> Message:
    about = {"topic": "t", "key": "k", "headers": {"h": "1"}}
    return Message(**{"about": about, "place": "t-0-1", "source": "kafka://con/t", "id": "t-0-1", **parts}, body=body)


def read(body: bytes | None, parts: dict[str, Any] | None = None, **params: Any) -> IncomingEvent:
    return mapper(**params).read(message(body, **(parts or {})))


def test_the_defaults_are_the_message_s_own() -> None:
    event = read(b' {"b": 1, "a": [1.5e19]} ')
    assert (event.type, event.source, event.event_id, event.subject) == ("kafka.record", "kafka://con/t", "t-0-1", "")
    assert json.loads(event.data or "") == {"b": 1, "a": [1.5e19]}


def test_no_body_is_no_data() -> None:
    event = read(None)
    assert (event.data, event.datacontenttype) == (None, "")


@pytest.mark.parametrize(
    ("body", "params", "detail"),
    [
        (b"{", {}, "not JSON"),
        (b"", {}, "not JSON"),
        (b'{"a": 1, "a": 2}', {}, "twice"),
        (b"\xff", {"format": "text"}, "not UTF-8"),
        (b"a\x00", {"format": "text"}, "0000"),
        (b"{}", {"event_type": "{{ message.value.kind }}"}, "does not exist"),
        (b"{}", {"event_type": "switchyard.delivery.dead"}, "for events of the installation itself"),
        (b"{}", {"event_id": "{{ message.topic }}" + "x" * 300}, "at most 256 bytes"),
        (b"{}", {"format": "cloudevents"}, "specversion"),
        (b"[1]", {"format": "cloudevents"}, "JSON object"),
    ],
)
def test_what_is_no_event_is_refused_with_the_reason(body: bytes, params: dict[str, Any], detail: str) -> None:
    with pytest.raises(InvalidInput, match=detail):
        read(body, **params)


@pytest.mark.parametrize("form", ["json", "text", "base64", "cloudevents"])
def test_what_could_not_be_read_as_a_message_is_no_event(form: str) -> None:
    with pytest.raises(InvalidInput, match="no message of MQTT"):
        read(None, {"fault": "This is no message of MQTT."}, format=form)


def test_a_message_that_is_too_large_is_refused_as_that(settings: Any) -> None:
    settings.MAX_EVENT_BYTES = 100
    for form in ("json", "text", "base64", "cloudevents"):
        with pytest.raises(TooLarge):
            read(b'"' + b"x" * 100 + b'"', format=form)


def test_a_message_that_comes_again_has_the_same_digest_whatever_the_mapping() -> None:
    first = read(b"{}", {"fingerprint": b"1"})
    assert read(b"{}", {"fingerprint": b"1"}, event_subject="x").digest == first.digest
    assert read(b"{}", {"fingerprint": b"2"}).digest != first.digest


def test_an_id_of_the_sender_s_is_told_by_the_content_alone() -> None:
    params = {"event_id": "{{ message.key }}"}
    first = read(b"{}", {"fingerprint": b"1"}, **params)
    assert read(b"{}", {"fingerprint": b"2"}, **params).digest == first.digest
    assert read(b"[]", {"fingerprint": b"1"}, **params).digest != first.digest


def test_a_delivery_that_comes_back_counts_its_hop() -> None:
    event = read(b"{}", {"hop": "3", "webhook_id": "0e4cd8b5-7d0a-4a57-8a1b-1f2c3d4e5f60"})
    assert event.origin is not None
    assert (event.origin.hop, event.origin.cause) == (3, "deliveries/0e4cd8b5-7d0a-4a57-8a1b-1f2c3d4e5f60")
    with pytest.raises(InvalidInput):
        read(b"{}", {"hop": "many"})


@given(st.binary(max_size=60), st.sampled_from(["json", "text", "base64", "cloudevents"]), st.booleans())
def test_any_bytes_are_an_event_or_refused(body: bytes, form: str, whole: bool) -> None:
    try:
        event = read(body, format=form, data="message" if whole else "value")
    except InvalidInput:
        return
    assert event.data is None or json.loads(event.data) is not NotImplemented


@pytest.mark.parametrize("topic", ["site/+/temperature", "#", "+", "a/#", "$share/group/a/+", "/", "a//b", "a b"])
def test_topic_filters_of_the_standard_are_taken(topic: str) -> None:
    assert MqttParams(topics=[topic]).topics == [topic]


@pytest.mark.parametrize("topic", ["", "a#", "#/a", "a/b+", "$share/group", "$share//a", "$share/g+/a", "a\0"])
def test_what_is_no_topic_filter_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="topics"):
        MqttParams(topics=[topic])


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        (KafkaParams(topics=["a"], group_id="one\ntwo"), "/params/group_id"),
        (MqttParams(topics=["a"], client_id="one\x1btwo"), "/params/client_id"),
    ],
)
def test_control_characters_in_names_are_refused_when_saved_and_still_read(
    params: KafkaParams | MqttParams, pointer: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        params.check("/params")
    assert [error.pointer for error in refused.value.errors] == [pointer]
