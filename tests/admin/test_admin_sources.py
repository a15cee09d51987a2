"""Sources in the console: a connector first, then the params of its type, and how the source is."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from connectors.models import Connector
from rules.models import Source, SourceStatus
from rules.services.source_status import Report, report
from spaces.models import Space
from tests.admin.conftest import HOSTILE
from tests.factories import make_connector, make_kafka_connector, make_source

ADD = "admin:rules_source_add"
LIST = "admin:rules_source_changelist"


@pytest.fixture
def connector(space: Space) -> Connector:
    return make_kafka_connector(space, name=f"Cluster {HOSTILE}", public_id="cluster")


def entered(connector: Connector, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Orders",
        "public_id": "orders",
        "connector": connector.pk,
        "enabled": "on",
        "kafka_params_topics": "orders\r\n^returns-.*\r\n",
        "kafka_params_format": "json",
        "kafka_params_data": "value",
        "kafka_params_offset_reset": "earliest",
        "kafka_params_event_type": "order.{{ message.value.state }}",
        **fields,
    }


def url(source: Source, page: str = "change") -> str:
    return reverse(f"admin:rules_source_{page}", args=[source.pk])


def test_the_connector_is_asked_for_first_and_only_what_can_be_read_is_offered(
    console: Client, space: Space, connector: Connector
) -> None:
    make_connector(space, name="A webhook")
    form = console.get(reverse(ADD), {"space": space.pk}).context["form"]
    assert list(form.fields["connector"].queryset) == [connector]


def test_a_source_is_created_and_changed_through_the_service(console: Client, connector: Connector) -> None:
    assert console.get(reverse(ADD), {"connector": connector.pk}).status_code == 200
    assert console.post(reverse(ADD), entered(connector)).status_code == 302
    source = Source.objects.get(public_id="orders")
    assert source.params["topics"] == ["orders", "^returns-.*"]
    assert (source.type, source.params["offset_reset"], source.params["group_id"]) == ("kafka", "earliest", "")
    changed = entered(connector, name="Other", kafka_params_topics="orders", seen_version=1)
    assert console.post(url(source), changed).status_code == 302
    source.refresh_from_db()
    assert (source.name, source.params["topics"], source.version) == ("Other", ["orders"], 2)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"kafka_params_topics": "fine\nnot fine"}, "kafka_params_topics"),
        ({"kafka_params_event_type": "{{ event.type }}"}, "kafka_params_event_type"),
        ({"name": ""}, "name"),
    ],
)
def test_an_error_stands_on_the_field_it_belongs_to(
    console: Client, connector: Connector, fields: dict[str, str], wrong: str
) -> None:
    answer = console.post(reverse(ADD), entered(connector, **fields))
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [wrong]


def test_the_page_tells_how_the_source_is_and_escapes_it(console: Client, connector: Connector) -> None:
    source = make_source(connector, name=f"Source {HOSTILE}")
    refusal = f"orders-0-7: {HOSTILE}"
    said = Report(SourceStatus.DISCONNECTED, "retry_connect", f"No {HOSTILE}", 1234, 5, 2, 1, refusal)
    report(source.pk, "host:1", said)
    for page in (url(source), reverse(LIST), url(source, "delete")):
        text = console.get(page).content.decode()
        assert HOSTILE not in text
    text = console.get(url(source)).content.decode()
    for shown in ("retry_connect", "1,234 messages", "orders-0-7", "host:1", "Disconnected"):
        assert shown in text


def test_sources_are_switched_and_deleted(console: Client, connector: Connector) -> None:
    source = make_source(connector)
    console.post(reverse(LIST), {"action": "disable_selected", "_selected_action": [source.pk]})
    source.refresh_from_db()
    assert (source.enabled, source.status) == (False, "disabled")
    console.post(url(source, "delete"), {"post": "yes"})
    assert not Source.objects.exists()


def test_a_connector_s_page_names_the_sources_that_read_through_it(console: Client, connector: Connector) -> None:
    source = make_source(connector, name="Reader")
    text = console.get(reverse("admin:connectors_connector_change", args=[connector.pk])).content.decode()
    assert url(source) in text
    refused = console.get(reverse("admin:connectors_connector_delete", args=[connector.pk]))
    assert url(source) in refused.content.decode()
