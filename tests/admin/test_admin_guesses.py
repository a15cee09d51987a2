"""A key of another space's object finds and does nothing, wherever the console takes one; refusals are recorded."""

import html
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from actions.models import Action
from connectors.models import Connector
from rules.models import Rule
from spaces.models import ApiKey, AuditEntry, Membership, Space
from spaces.services import add_member, create_api_key, remove_member
from tests.admin.conftest import (
    make_action,
    make_connector,
    make_delivery,
    make_entry,
    make_event,
    make_member,
)
from tests.admin.samples import make_preconfigured
from tests.api.client import make_alert
from tests.factories import space_of

pytestmark = pytest.mark.django_db

CONNECTORS = "admin:connectors_connector_changelist"
SUBMITTED = {"_form_submitted": "on"}


@pytest.fixture
def hidden(space: Space) -> Action:
    """An action, with all that hangs on it, in a space that the member does not belong to."""
    Space.objects.filter(pk=space.pk).update(name="Hidden space")
    space.refresh_from_db()
    config = {"url": "https://hidden.example/"}
    connector = make_connector(space, name="Hidden connector", tags=["hidden-tag"], config=config)
    action = make_action(connector, name="Hidden action")
    make_entry(make_delivery(make_event(space, type="hidden.event"), action), message="Hidden failure")
    Rule.objects.create(space=space, public_id="rule-1", name="Hidden rule").actions.set([action])
    make_alert(space, key="Hidden alert")
    create_api_key(space, "Hidden key")
    add_member(space, User.objects.create(username="hidden-user"), "viewer")
    return action


@pytest.fixture
def own(other_space: Space) -> Connector:
    return make_connector(other_space, name="Own connector", config={"url": "https://own.example/"})


@pytest.fixture
def member(other_space: Space, client: Client) -> Client:
    """A browser with the admin of the other space signed in."""
    client.force_login(make_member(other_space, "admin"))
    return client


LISTS = [
    f"{name}_changelist"
    for name in (
        "connectors_connector",
        "actions_action",
        "rules_rule",
        "rules_alert",
        "rules_event",
        "actions_delivery",
        "actions_eventlogentry",
        "spaces_auditentry",
        "spaces_space",
        "spaces_membership",
        "spaces_apikey",
    )
]


@pytest.mark.parametrize("page", LISTS)
def test_no_list_no_filter_and_no_search_shows_anything_of_another_space(
    member: Client, hidden: Action, own: Connector, page: str
) -> None:
    space = hidden.space_id
    queries: list[dict[str, Any]] = [
        {},
        {"q": "hidden"},
        {"q": "1"},
        {"space__id__exact": space},
        {"space": space},
        {"connector__id__exact": hidden.connector_id},
        {"tag": "hidden-tag"},
    ]
    for query in queries:
        text = member.get(reverse(f"admin:{page}"), query, follow=True).content.decode()
        shown = text.replace('value="hidden"', "").replace('value="hidden-tag"', "").replace('type="hidden"', "")
        for word in ("Hidden ", "hidden.event", "hidden-user", ">hidden-tag<", ">Default<"):
            assert word not in shown, query


def test_nothing_is_done_to_chosen_objects_of_another_space(member: Client, hidden: Action, own: Connector) -> None:
    key = ApiKey.objects.get(name="Hidden key")
    for page, action, row in (
        (CONNECTORS, "disable_selected", hidden.connector),
        (CONNECTORS, "delete_chosen", hidden.connector),
        (CONNECTORS, "export_yaml", hidden.connector),
        ("admin:actions_action_changelist", "disable_selected", hidden),
        ("admin:rules_rule_changelist", "disable_selected", Rule.objects.get()),
        ("admin:spaces_apikey_changelist", "revoke_selected", key),
    ):
        assert row is not None
        for across in ("0", "1"):
            sent = {"action": action, "_selected_action": [row.pk], "index": 0, "select_across": across}
            answer = member.post(reverse(page), {**sent, "confirmed": "yes", "force": "on"}, follow=True)
            assert b"Hidden " not in answer.content
        fresh: Any = type(row)._default_manager.get(pk=row.pk)
        assert fresh.revoked_at is None if row is key else fresh.enabled


def test_of_chosen_objects_those_are_changed_where_the_role_allows_it(
    member: Client, other_space: Space, space: Space, own: Connector
) -> None:
    looked_at = make_connector(space, name="Looked at")
    add_member(space, User.objects.get(username="staff"), "viewer")
    keys = [own.pk, looked_at.pk]
    sent = {"action": "disable_selected", "_selected_action": keys, "index": 0}
    text = member.post(reverse(CONNECTORS), sent, follow=True).content.decode()
    assert "1 connector left alone" in text
    assert list(Connector.objects.filter(enabled=False)) == [own]
    asked = {"action": "delete_chosen", "_selected_action": keys, "index": 0}
    assert "Looked at" not in member.post(reverse(CONNECTORS), asked).content.decode()


@pytest.mark.parametrize("page", ["rules_event", "actions_delivery", "actions_eventlogentry", "spaces_auditentry"])
def test_a_members_list_of_a_hot_table_looks_at_the_newest_rows_only(member: Client, own: Connector, page: str) -> None:
    make_entry(make_delivery(make_event(space_of(own)), make_action(own)))
    with CaptureQueriesContext(connection) as queries:
        assert member.get(reverse(f"admin:{page}_changelist")).status_code == 200
    table = f'FROM "{page}"'
    asked = [query["sql"] for query in queries if table in query["sql"] and "MAX(" not in query["sql"]]
    assert asked
    for query in asked:
        assert f'"{page}"."id" >' in query or '"event_id" IN' in query


def test_a_role_in_one_space_is_of_no_use_in_another(client: Client, space: Space, own: Connector) -> None:
    user = make_member(space_of(own), "admin")
    add_member(space, user, "viewer")
    client.force_login(user)
    connector = make_connector(space, config={"url": "https://x.example/"})
    action = make_action(connector)
    given: dict[str, Any] = {"name": "Mine", "enabled": "on", "max_attempts": "3", "type": "http", "space": space.pk}
    before = counts()
    for page, data in (
        ("connectors_connector_add", {"http_config_url": "https://x.example/", "http_config_method": "POST"}),
        ("actions_action_add", {"connector": connector.pk, "http_params_body": "{}"}),
        ("rules_rule_add", {"type": "event", "actions": [action.pk]}),
        ("spaces_apikey_add", {"role": "admin"}),
    ):
        assert client.post(reverse(f"admin:{page}"), {**given, **data}).status_code == 200
    for shown, refused in (("change", 403), ("delete", 403)):
        for row in (connector, action):
            page = f"admin:{row._meta.app_label}_{row._meta.model_name}_{shown}"
            assert client.post(reverse(page, args=[row.pk]), {"post": "yes"}).status_code == refused
    for page in ("admin:actions_action_execute", "admin:connectors_connector_duplicate"):
        assert client.post(reverse(page, args=[connector.pk]), SUBMITTED).status_code == 403
    assert counts() == before


def autocomplete(client: Client, model: str, field: str, **query: Any) -> tuple[int, list[str]]:
    app, name = model.split(".")
    given = {"app_label": app, "model_name": name, "field_name": field, **query}
    answer = client.get(reverse("admin:autocomplete"), given)
    return answer.status_code, [each["text"] for each in json.loads(answer.content)["results"]] if (
        answer.status_code == 200
    ) else []


def test_an_autocomplete_offers_what_may_be_seen(member: Client, hidden: Action, own: Connector) -> None:
    make_preconfigured(name="Shared", public_id="con-1")  # shadowed in both spaces
    make_preconfigured(name="Shared too", public_id="free")
    mine = make_action(own, name="Own action")
    theirs = hidden.space_id
    assert autocomplete(member, "actions.action", "connector")[1] == ["Own connector", "Shared", "Shared too"]
    usable = autocomplete(member, "actions.action", "connector", space=mine.space_id)
    assert usable[1] == ["Own connector", "Shared too"]
    for query in ({"space": theirs}, {"term": "hidden"}, {"space": theirs, "term": "hidden"}):
        for model, field in (
            ("actions.action", "connector"),
            ("rules.rule", "actions"),
            ("rules.rule", "space"),
            ("actions.delivery", "action"),
        ):
            status, found = autocomplete(member, model, field, **query)
            assert status == 200
            assert [each for each in found if "Hidden" in each or "Shared" in each] == []
    assert autocomplete(member, "rules.rule", "actions")[1] == ["Own action"]
    assert autocomplete(member, "spaces.membership", "user")[0] == 403


def test_the_search_finds_what_may_be_seen_and_forgets_it_with_the_role(
    member: Client, hidden: Action, own: Connector, other_space: Space
) -> None:
    for extended in ({}, {"extended": "1"}):
        text = member.get(reverse("admin:search"), {"s": "hidden", **extended}).content.decode()
        assert "Hidden" not in text
    found = {"s": "own conn", "extended": "1"}
    assert "Own connector" in member.get(reverse("admin:search"), found).content.decode()
    remove_member(Membership.objects.get(space=other_space))
    assert "Own connector" not in member.get(reverse("admin:search"), found).content.decode()


def counts() -> list[int]:
    return [model.objects.count() for model in (Connector, Action, Rule, ApiKey, Membership)]


def test_no_form_offers_or_takes_another_space_or_its_objects(member: Client, hidden: Action, own: Connector) -> None:
    theirs, mine = hidden.space_id, own.space_id
    mine_action = make_action(own, name="Own action")
    for page in ("connectors_connector_export_space", "connectors_connector_import_file"):
        for answer in (member.get(reverse(f"admin:{page}")), member.post(reverse(f"admin:{page}"), {"space": theirs})):
            assert b"Hidden" not in answer.content
            assert "Content-Disposition" not in answer
    connector = {"name": "Mine", "type": "http", "enabled": "on", "http_config_url": "https://x.example/"}
    connector |= {"http_config_method": "POST"}
    action: dict[str, Any] = {"name": "Mine", "enabled": "on", "max_attempts": "3", "http_params_body": "{}"}
    rule: dict[str, Any] = {"name": "Mine", "type": "event", "enabled": "on"}
    key: dict[str, Any] = {"name": "Mine", "role": "admin"}
    # What each page refuses, and the same with what is one's own, which it takes.
    cases: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
        ("connectors_connector", [{**connector, "space": theirs}], {**connector, "space": mine}),
        (
            "actions_action",
            [{**action, "connector": hidden.connector_id, "space": space} for space in ("", theirs, mine)],
            {**action, "connector": own.pk},
        ),
        (
            "rules_rule",
            [{**rule, "space": theirs}, {**rule, "space": mine, "actions": [hidden.pk]}],
            {**rule, "space": mine, "actions": [mine_action.pk]},
        ),
        ("spaces_apikey", [{**key, "space": theirs}], {**key, "space": mine}),
        ("spaces_membership", [{"space": theirs, "user": "hidden-user", "role": "admin"}], {}),
    ]
    for page, refused, taken in cases:
        add = reverse(f"admin:{page}_add")
        for data in refused:
            before = counts()
            shown = member.get(add, data)
            # What another space's connector is of, its type, would show in the fields.
            assert page != "actions_action" or b"id_http_params_body" not in shown.content
            for answer in (shown, member.post(add, data)):
                assert answer.status_code == 200, page
                assert b"Hidden " not in answer.content, page
            assert counts() == before, page
        if taken:
            assert member.post(add, taken).status_code == 302, page
            assert sum(counts()) == sum(before) + 1, page


def test_a_connector_of_another_space_is_no_replacement(member: Client, hidden: Action, own: Connector) -> None:
    make_action(own)
    page = reverse("admin:connectors_connector_delete", args=[own.pk])
    assert b"Hidden" not in member.get(page).content
    member.post(page, {"users": "replace", "replace_with": hidden.connector_id, "confirm_id": own.public_id})
    assert Connector.objects.filter(pk=own.pk).exists()


def test_a_preconfigured_connector_shows_every_member_its_own_users_and_is_read_only(
    member: Client, hidden: Action, own: Connector, other_space: Space
) -> None:
    shared = make_preconfigured()
    Connector.objects.filter(pk=shared.pk).update(type="http", config={"url": "https://shared.example/"})
    for space, name in ((hidden.space, "Hidden user"), (other_space, "Own user")):
        Action.objects.create(space=space, connector=shared, name=name, public_id=name.replace(" ", "-").lower())
    page = reverse("admin:connectors_connector_change", args=[shared.pk])
    text = member.get(page).content.decode()
    assert "Own user" in text
    assert "Hidden" not in text
    assert f"connector__id__exact={shared.pk}" not in text
    listed = html.unescape(member.get(reverse(CONNECTORS), {"space": "preconfigured"}).content.decode())
    assert f'?connector__id__exact={shared.pk}" class="text-link">1<' in listed
    assert member.post(page, {"name": "Mine"}).status_code == 403
    sends = reverse("admin:actions_action_execute", args=[shared.pk])
    for answer in (member.get(sends), member.post(sends, {"space": hidden.space_id, "params_body": "{}"})):
        assert b"params_body" in answer.content
        assert answer.context["form"].fields["space"].queryset.get() == other_space
    assert "space" in answer.context["form"].errors


def test_who_administers_a_space_writes_the_name_of_a_new_member(member: Client, other_space: Space) -> None:
    ada = User.objects.create(username="ada")
    page = reverse("admin:spaces_membership_add")
    assert ">ada<" not in member.get(page).content.decode()
    given = {"space": other_space.pk, "role": "viewer"}
    assert "There is no user of this name." in member.post(page, {**given, "user": "nobody"}).content.decode()
    assert member.post(page, {**given, "user": "ada"}).status_code == 302
    assert Membership.objects.filter(user=ada, space=other_space, role="viewer").exists()


def refusals() -> list[tuple[str, str, str]]:
    entries = AuditEntry.objects.filter(action="permission.refused").order_by("pk")
    return [(entry.actor, entry.object_id, (entry.after or {}).get("ability", "")) for entry in entries]


def test_a_refused_change_stands_in_the_audit_log_of_its_space(client: Client, space: Space, own: Connector) -> None:
    user = make_member(space, "viewer")
    client.force_login(user)
    connector = make_connector(space)
    change = reverse("admin:connectors_connector_change", args=[connector.pk])
    for answer in (
        client.post(change, {"name": "Mine"}),
        client.post(reverse("admin:connectors_connector_probe", args=[connector.pk]), SUBMITTED),
        client.post(reverse("admin:actions_action_execute", args=[connector.pk])),
        client.post(reverse("admin:connectors_connector_probe_settings_of", args=[connector.pk])),
        client.post(reverse("admin:rules_rule_add"), {"space": space.pk}),
    ):
        assert answer.status_code == 403
    of_space = [("staff", "default", ability) for ability in ("edit", "operate", "operate", "edit", "edit")]
    assert refusals() == of_space
    assert AuditEntry.objects.filter(action="permission.refused", space=space).count() == len(of_space)
    entry = AuditEntry.objects.filter(action="permission.refused").order_by("pk")[0]
    assert entry.after == {"ability": "edit", "method": "POST", "path": change}
    assert client.post(reverse("admin:auth_user_add")).status_code == 403
    assert refusals()[len(of_space) :] == [("staff", "", "")]


def test_what_is_only_looked_at_and_who_is_not_signed_in_is_not_recorded(client: Client, space: Space) -> None:
    add = reverse("admin:connectors_connector_add")
    client.post(add)
    client.force_login(make_member(space, "viewer"))
    assert client.get(add).status_code == 403
    assert refusals() == []


def test_a_viewer_sees_what_rules_and_actions_say(client: Client, space: Space) -> None:
    action = make_action(make_connector(space), params={"body": "Seen body"})
    rule = Rule.objects.create(
        space=space,
        public_id="rule-1",
        name="Rule",
        type="event",
        condition="event.data.amount > 7",
        tags=["seen-tag"],
        params={"types": ["seen.type"]},
    )
    rule.actions.set([action])
    client.force_login(make_member(space, "viewer"))
    text = client.get(reverse("admin:actions_action_change", args=[action.pk])).content.decode()
    assert "Seen body" in text
    assert 'name="name"' not in text
    text = html.unescape(client.get(reverse("admin:rules_rule_change", args=[rule.pk])).content.decode())
    for word in ("event.data.amount > 7", "seen-tag", "seen.type", "Action 1"):
        assert word in text
    assert 'name="condition"' not in text


def test_the_audit_log_is_filtered_by_what_was_done_in_ones_own_spaces(member: Client, hidden: Action) -> None:
    text = member.get(reverse("admin:spaces_auditentry_changelist")).content.decode()
    done = set(AuditEntry.objects.filter(space=hidden.space).values_list("action", flat=True))
    assert '<option value="member.create"' in text
    for action in done - {"member.create"}:
        assert f'value="{action}"' not in text
    assert len(done) > 1


def test_only_who_administers_is_led_to_the_audit_log(client: Client, space: Space) -> None:
    page = reverse("admin:connectors_connector_change", args=[make_connector(space).pk])
    for role, is_led in (("editor", False), ("admin", True)):
        client.force_login(make_member(space, role, name=role))
        text = client.get(page).content.decode()
        assert (reverse("admin:spaces_auditentry_changelist") in text) is is_led
