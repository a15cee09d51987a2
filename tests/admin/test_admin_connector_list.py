"""The list of connectors: what it tells of each, what it can be narrowed to, and what it costs."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connectors.models import Connector, Status
from connectors.services import duplicate_connector
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_connector
from tests.admin.samples import LIST, make_preconfigured, make_sample, url

pytestmark = pytest.mark.usefixtures("sample_type")


def listed(console: Client, **query: Any) -> list[str]:
    answer = console.get(reverse(LIST), query)
    assert answer.status_code == 200
    return [row.public_id for row in answer.context["cl"].result_list]


def test_a_row_tells_how_the_connector_is(console: Client, space: Space) -> None:
    connector = make_sample(space, tags=["blue", "green"])
    make_action(connector)
    checked = timezone.now().replace(year=2025, month=3, day=4)
    Connector.objects.update(
        status=Status.DISCONNECTED, status_reason="retry_dns", status_detail="No such name.", health_checked_at=checked
    )
    text = console.get(reverse(LIST)).content.decode()
    for shown in ("My system", "mine", "Default", "Sample system", "Disconnected", "retry_dns", "No such name."):
        assert shown in text
    assert '<a href="?tag=blue" class="sy-tag">blue</a>' in text
    assert "2025-03-04" in text or "March 4, 2025" in text
    assert re.search(rf'connector__id__exact={connector.pk}" class="text-link">1</a>', text)


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_label(console: Client, space: Space, status: Status) -> None:
    make_connector(space, status=status)
    assert str(status.label) in console.get(reverse(LIST)).content.decode()


def test_a_missing_secret_is_a_link_to_its_field(console: Client, space: Space) -> None:
    copy = duplicate_connector(make_sample(space, secrets={"password": "x"}))
    fix = f"{url(copy)}#id_sample_secret_password"
    assert f'href="{fix}" class="text-link">Fix</a>' in console.get(reverse(LIST)).content.decode()
    assert 'id="id_sample_secret_password"' in console.get(url(copy)).content.decode()


def test_a_preconfigured_connector_stands_in_all_spaces(console: Client, space: Space) -> None:
    make_preconfigured()
    text = console.get(reverse(LIST)).content.decode()
    assert "All spaces" in text
    assert "preconfigured" in text


def test_the_list_is_narrowed(console: Client, space: Space, other_space: Space) -> None:
    make_sample(space, public_id="a", tags=["x"])
    make_sample(space, public_id="b", tags=["xy"], enabled=False)
    make_connector(other_space, 3, status=Status.DEGRADED, is_missing_secrets=True)
    make_connector(other_space, 4, type="gone")
    make_preconfigured()
    make_preconfigured(public_id="a")
    shadowed = Connector.objects.get(space=None, public_id="a")
    assert sorted(listed(console, space=space.pk)) == ["a", "b", "shared"]
    assert sorted(listed(console, space=other_space.pk)) == ["a", "con-3", "con-4", "shared"]
    assert shadowed.pk not in Connector.objects.usable_in(space).values_list("pk", flat=True)
    assert sorted(listed(console, space="preconfigured")) == ["a", "shared"]
    assert listed(console, type="gone") == ["con-4"]
    assert listed(console, tag="x") == ["a"]
    assert listed(console, status__exact="degraded") == ["con-3"]
    assert listed(console, enabled__exact="0") == ["b"]
    assert listed(console, is_missing_secrets__exact="1") == ["con-3"]
    assert listed(console, q="con-3") == ["con-3"]
    assert listed(console, tag="x", _facets="True") == ["a"]


@pytest.mark.parametrize("name", ["space", "type", "tag"])
@pytest.mark.parametrize("value", ["unknown", "-1", "9" * 40, "'\"<", "²"])
def test_a_choice_that_is_none_finds_nothing(console: Client, space: Space, name: str, value: str) -> None:
    make_sample(space)
    assert listed(console, **{name: value}) == []


def test_the_types_to_choose_from_are_counted(console: Client, space: Space) -> None:
    make_sample(space, public_id="a")
    make_sample(space, public_id="b")
    make_connector(space, type="gone")
    text = console.get(reverse(LIST)).content.decode()
    assert "Sample system (2)" in text
    assert "gone (1)" in text
    assert "HTTP (0)" in text
    assert "By missing secrets" in " ".join(text.split())


def test_the_number_of_queries_of_the_list_does_not_grow(console: Client, space: Space) -> None:
    def fill(number: int) -> None:
        owner = Space.objects.create(slug=f"s{number}", name=f"S{number}")
        make_action(make_connector(owner, number, tags=[f"t{number}"], is_missing_secrets=True), number)
        make_preconfigured(public_id=f"p{number}")

    fill(1)
    with CaptureQueriesContext(connection) as few:
        console.get(reverse(LIST))
    for number in range(2, 15):
        fill(number)
    with CaptureQueriesContext(connection) as many:
        console.get(reverse(LIST))
    assert len(many) == len(few)


def test_tags_and_details_stay_text(console: Client, space: Space) -> None:
    make_connector(space, tags=[HOSTILE], name=HOSTILE, status_reason=HOSTILE[:20], status_detail=HOSTILE)
    text = console.get(reverse(LIST)).content.decode()
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text


@pytest.mark.parametrize(
    "question",
    [
        {"config__url__startswith": "https://h"},
        {"secrets__isnull": "0"},
        {"secrets_set_at__token__isnull": "0"},
        {"space__api_keys__digest__startswith": "a"},
        {"actions__name": "x"},
        {"status_detail__contains": "x"},
    ],
)
def test_the_query_string_gives_away_nothing_that_the_list_does_not_show(
    console: Client, question: dict[str, str]
) -> None:
    assert console.get(reverse("admin:connectors_connector_changelist"), question).status_code == 400
