"""A key opens its own space and nothing else; what is not open looks as if it did not exist."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.generics import ListAPIView
from rest_framework.test import APIRequestFactory, force_authenticate

from actions.models import Action
from connectors.api.serializers import ConnectorSerializer
from connectors.models import Connector
from spaces.api.scope import SpaceScoped
from spaces.models import ApiKey, Space
from spaces.services import create_api_key, revoke_api_key
from tests.api.client import Answer, Api, make_alert, make_delivery, make_event, make_log_entry
from tests.factories import (
    connector_of,
    make_action,
    make_condition,
    make_connector,
    make_kafka_connector,
    make_rule,
    make_source,
    make_window,
)

pytestmark = pytest.mark.django_db

BULK = ("enable", "disable", "delete")
KINDS = ("connectors", "actions", "sources", "rules", "maintenance-windows")
SPACE = "/api/v1/spaces/{space}"


def operations() -> list[tuple[str, str]]:
    """Every (method, path) that the OpenAPI document names."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


IN_SPACE = [pytest.param(method, path, id=f"{method} {path}") for method, path in operations() if SPACE in path]
BODY = {"name": "x", "connector_type_id": "http", "connector": "x", "rule_type_id": "event", "params": {}}


def test_the_operations_are_all_there() -> None:
    assert {path.removeprefix(SPACE) for _, path in operations() if SPACE in path} == {
        "",
        "/api-keys",
        "/api-keys/{id}",
        "/api-keys/{id}/rotate",
        "/audit",
        "/audit/{id}",
        "/audit/_export",
        "/members",
        "/members/{id}",
        "/connectors",
        "/connectors/{id}",
        "/connectors/{id}/duplicate",
        "/connectors/{id}/execute",
        "/connectors/{id}/probe",
        "/connectors/{id}/reconnect",
        "/connectors/{id}/status-history",
        "/connectors/{id}/users",
        *(f"/{kind}/_bulk_{verb}" for kind in KINDS for verb in BULK),
        "/connectors/_probe",
        "/connector-types",
        "/connector-types/{id}",
        "/actions",
        "/actions/{id}",
        "/actions/{id}/duplicate",
        "/deliveries",
        "/deliveries/{id}",
        "/deliveries/{id}/replay",
        "/deliveries/{id}/attempts",
        "/deliveries/{id}/edit-and-replay",
        "/deliveries/{id}/cancel",
        "/deliveries/_bulk_replay",
        "/deliveries/_bulk_cancel",
        *(f"/{jobs}{rest}" for jobs in ("replays", "cancellations") for rest in ("", "/{id}")),
        *(f"/{jobs}/{{id}}/{verb}" for jobs in ("replays", "cancellations") for verb in ("cancel", "pause", "resume")),
        "/exports",
        "/imports",
        "/alerts",
        "/alerts/{id}",
        *(f"/alerts/{{id}}/{verb}" for verb in ("acknowledge", "unacknowledge", "mute", "unmute")),
        "/conditions",
        "/conditions/{id}",
        "/conditions/_bulk_delete",
        "/event-log",
        "/event-log/{id}",
        "/rules",
        "/rules/{id}",
        *(f"/rules/{{id}}/{each}" for each in ("duplicate", "runs", "metrics")),
        *(f"/rules/_bulk_{verb}" for verb in ("mute", "unmute")),
        "/rules/_try",
        "/rules/_backtest",
        "/events/{id}/trace",
        *(f"/rules/{{id}}/{verb}" for verb in ("mute", "unmute", "snooze", "unsnooze")),
        "/maintenance-windows",
        "/maintenance-windows/{id}",
        "/rule-types",
        "/rule-types/{id}",
        "/sources",
        "/sources/{id}",
        "/source-types",
        "/source-types/{id}",
        "/events",
        "/events/{id}",
    }


def answer_to(client: Client, method: str, path: str, **headers: str) -> Answer:
    return Answer(client.generic(method, path, '{"name": "x"}', "application/json", headers=headers))


@pytest.mark.parametrize(("method", "path"), IN_SPACE)
def test_without_a_key_nothing_opens(method: str, path: str, space: Space) -> None:
    answer = answer_to(Client(), method, path.format(space=space.slug, id="1"))
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), IN_SPACE)
def test_another_space_s_key_finds_nothing(method: str, path: str, space: Space, other_space: Space) -> None:
    make_connector(space, public_id="1")
    key = Api(other_space).headers
    hidden = answer_to(Client(), method, path.format(space=space.slug, id="1"), **key)
    unknown = answer_to(Client(), method, path.format(space="there-is-none", id="1"), **key)
    assert hidden.status == unknown.status == 404
    assert hidden.text == unknown.text


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer nonsense", "Bearer \xff", "ApiKey a b", "Basic eDp5"]
)
def test_a_header_that_is_no_key_is_refused(header: str, space: Space) -> None:
    for path in ("/api/v1/spaces", f"/api/v1/spaces/{space.slug}/rules"):
        answer = answer_to(Client(), "GET", path, authorization=header)
        assert answer.status == 401
        assert "WWW-Authenticate" in answer.headers


def test_both_schemes_are_taken(space: Space) -> None:
    _, token = create_api_key(space, "tests")
    for scheme in ("Bearer", "bearer", "ApiKey"):
        assert answer_to(Client(), "GET", "/api/v1/spaces", authorization=f"{scheme} {token}").status == 200


def test_a_revoked_or_expired_key_is_refused(space: Space) -> None:
    revoked, token = create_api_key(space, "tests")
    revoke_api_key(revoked)
    ended, expired = create_api_key(space, "tests")
    ApiKey.objects.filter(pk=ended.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    for each in (token, expired):
        path = f"/api/v1/spaces/{space.slug}/rules"
        assert answer_to(Client(), "GET", path, authorization=f"Bearer {each}").status == 401


def test_a_key_sees_its_own_space_only(api: Api, space: Space, other_space: Space) -> None:
    assert api.get("/api/v1/spaces").ids == [space.slug]
    assert api.get(f"/api/v1/spaces/{space.slug}").body["name"] == space.name
    assert api.get(f"/api/v1/spaces/{other_space.slug}").status == 404


def signed_in(csrf: bool = False, **flags: bool) -> Client:
    client = Client(enforce_csrf_checks=csrf)
    client.force_login(User.objects.create_user("anna", None, None, **flags))
    return client


def test_a_superuser_s_session_sees_every_space(space: Space, other_space: Space) -> None:
    client = signed_in(is_staff=True, is_superuser=True)
    assert {space.slug, other_space.slug} <= set(answer_to(client, "GET", "/api/v1/spaces").ids)
    for each in (space, other_space):
        assert answer_to(client, "GET", f"/api/v1/spaces/{each.slug}/rules").status == 200
    assert answer_to(client, "GET", "/api/v1/spaces/there-is-none/rules").status == 404


@pytest.mark.parametrize("flags", [{}, {"is_staff": True}])
def test_any_other_session_sees_none(flags: dict[str, bool], space: Space) -> None:
    client = signed_in(**flags)
    assert answer_to(client, "GET", "/api/v1/spaces").ids == []
    assert answer_to(client, "GET", f"/api/v1/spaces/{space.slug}").status == 404
    assert answer_to(client, "GET", f"/api/v1/spaces/{space.slug}/rules").status == 404


def test_a_session_writes_with_its_csrf_token_only(space: Space) -> None:
    client = signed_in(csrf=True, is_staff=True, is_superuser=True)
    answer = answer_to(client, "POST", f"/api/v1/spaces/{space.slug}/connectors")
    assert answer.status == 403
    assert "CSRF" in answer.body["detail"]


@pytest.fixture
def foreign(other_space: Space) -> dict[str, Any]:
    """One of everything, in another space; the public ids are unlike any of the own space."""
    connector = make_connector(other_space, public_id="foreign")
    action = make_action(connector, public_id="foreign")
    rule = make_rule(other_space, public_id="foreign", actions=[action])
    make_source(make_kafka_connector(other_space, public_id="foreign-kafka"), public_id="foreign")
    make_window(other_space, public_id="foreign", name="foreign")
    make_condition(other_space, public_id="foreign")
    event = make_event(other_space, event_id="foreign", source="foreign", type="foreign")
    delivery = make_delivery(action, event_id=event.pk, rule_id=rule.public_id)
    names = {"rule_id": "foreign", "action_id": "foreign", "connector_id": "foreign"}
    entry = make_log_entry(other_space, event_id=event.pk, delivery_id=delivery.pk, **names)
    return {
        "alerts": make_alert(other_space).pk,
        "connectors": "foreign",
        "actions": "foreign",
        "rules": "foreign",
        "sources": "foreign",
        "maintenance-windows": "foreign",
        "conditions": "foreign",
        "events": event.pk,
        "deliveries": delivery.pk,
        "event-log": entry.pk,
    }


def test_another_space_s_objects_are_not_at_any_address(api: Api, other_space: Space, foreign: dict[str, Any]) -> None:
    for kind, key in foreign.items():
        assert Api(other_space).get(f"{kind}/{key}").status == 200
        assert api.get(f"{kind}/{key}").status == 404
        assert api.get(kind).ids == []
        if isinstance(key, str):
            assert {api.send(method, f"{kind}/{key}", BODY).status for method in ("PUT", "PATCH", "DELETE")} == {404}
    assert Connector.objects.filter(public_id="foreign").exists()


@pytest.mark.parametrize(
    ("kind", "name", "of"),
    [
        ("actions", "connector", "connectors"),
        ("rules", "action", "actions"),
        ("deliveries", "rule", "rules"),
        ("deliveries", "action", "actions"),
        ("deliveries", "connector", "connectors"),
        ("deliveries", "event", "events"),
        ("event-log", "rule_id", "rules"),
        ("event-log", "action_id", "actions"),
        ("event-log", "connector_id", "connectors"),
        ("event-log", "delivery", "deliveries"),
        ("event-log", "event", "events"),
    ],
)
def test_a_filter_by_another_space_s_object_finds_nothing(
    api: Api, other_space: Space, foreign: dict[str, Any], kind: str, name: str, of: str
) -> None:
    assert len(Api(other_space).get(kind, **{name: foreign[of]}).ids) == 1
    assert api.get(kind, **{name: foreign[of]}).ids == []


def test_a_body_cannot_refer_to_another_space_s_object(api: Api, space: Space, foreign: dict[str, Any]) -> None:
    own = make_action(make_connector(space, public_id="own"), public_id="own")
    rule = make_rule(space, public_id="own", actions=[own])
    for id_ in ("foreign", "there-is-none"):
        moved = api.patch("actions/own", {"connector": id_})
        linked = api.patch("rules/own", {"actions": ["own", id_]})
        assert (moved.status, moved.places) == (400, ["/connector"])
        assert (linked.status, linked.places) == (400, ["/actions/1"])
        assert moved.body["errors"][0]["detail"] == linked.body["errors"][0]["detail"]
        assert moved.body["errors"][0]["detail"] == f'There is no "{id_}" in this space.'
    own.refresh_from_db()
    assert connector_of(own).public_id == "own"
    assert rule.actions.count() == 1


def test_another_space_s_objects_are_out_of_reach_of_many_at_once_searches_and_imports(
    api: Api, other_space: Space, foreign: dict[str, Any]
) -> None:
    for kind in KINDS:
        assert api.get(kind, search="foreign").ids == []
        for verb in BULK:
            (hidden, unknown) = api.post(f"{kind}/_bulk_{verb}", {"ids": ["foreign", "there-is-none"]}).body
            assert (hidden["ok"], hidden["detail"]) == (False, unknown["detail"])
    (hidden, unknown) = api.post("deliveries/_bulk_replay", {"ids": [foreign["deliveries"], 2**40]}).body
    assert (hidden["ok"], hidden["detail"]) == (False, unknown["detail"])
    chosen = [{"type": "connector", "id": name} for name in ("foreign", "there-is-none")]
    answers = [api.post("exports", {"objects": [each]}) for each in chosen]
    assert {answer.status for answer in answers} == {400}
    assert answers[0].text.replace("foreign", "there-is-none") == answers[1].text
    # A file from there that refers to what it leaves out finds nothing of it here.
    lines = Api(other_space).fetch(
        "POST", "exports", b'{"objects": [{"type": "action", "id": "foreign"}], "include_references": false}'
    )
    imported = api.send_raw("POST", "imports", lines.content, "application/x-ndjson")
    assert (imported.status, "foreign" in imported.text) == (400, True)
    assert Connector.objects.filter(public_id="foreign", enabled=True).count() == 1
    assert not Action.objects.filter(space__slug=api.root.split("/")[4]).exists()


def views_in_a_space() -> Iterator[type[Any]]:
    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[type[Any]]:
        for pattern in patterns:
            address = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, address)
            elif "<slug:space>/" in address and hasattr(pattern.callback, "cls"):
                yield pattern.callback.cls

    return walk(get_resolver().url_patterns, "")


def test_every_view_in_a_space_is_scoped() -> None:
    views = list(views_in_a_space())
    assert len(views) > 10
    for view in views:
        assert issubclass(view, SpaceScoped)
        assert view.get_queryset is SpaceScoped.get_queryset


def test_a_view_that_forgets_its_space_does_not_answer(space: Space) -> None:
    class Forgetful(ListAPIView[Connector]):
        queryset = Connector.objects.all()
        serializer_class = ConnectorSerializer

    request = APIRequestFactory().get("/")
    force_authenticate(request, User.objects.create_superuser("root"))
    with pytest.raises(ImproperlyConfigured, match="Forgetful must be SpaceScoped"):
        Forgetful.as_view()(request, space=space.slug)
