"""Nobody does what their role does not allow: every address and method, with every kind of caller.

What is expected comes from the table in spaces.roles and from what each view says that its actions need.
"""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test import Client
from django.urls import resolve
from drf_spectacular.generators import SchemaGenerator

from spaces.api.scope import SpaceScoped
from spaces.models import ApiKey, AuditEntry, Space
from spaces.roles import ABILITIES, EVERYTHING, MEMBER_ROLES, NOTHING, Ability, Role, render_table
from spaces.services import add_member, archive_space, create_api_key, revoke_api_key
from tests.api.client import Answer, Api
from tests.factories import make_connector, make_space
from tests.servers import ROOT

pytestmark = pytest.mark.django_db

SPACE = "/api/v1/spaces/{space}"


def operations() -> list[tuple[str, str]]:
    document = SchemaGenerator().get_schema(request=None, public=True)
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]


def needed(method: str, path: str) -> Ability:
    """Return what the operation needs, as its view says it."""
    if (method, path) == ("POST", f"{SPACE}/events"):
        return Ability.INGEST
    if path == SPACE:
        return Ability.READ if method == "GET" else Ability.ADMINISTER
    view = resolve(re.sub(r"\{\w+\}", "1", path.replace("{space}", "x"))).func
    if hasattr(view, "__wrapped__"):
        view = view.__wrapped__  # of events, which only GET gets to
    found: Any = view
    scoped: SpaceScoped[Any] = found.cls()
    scoped.action = found.actions[method.lower()]
    return scoped.ability


# A caller: headers or a session, and what they may do.
Caller = tuple[Client, dict[str, str], frozenset[Ability] | None]


def key(space: Space, role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {create_api_key(space, 'tests', role=role)[1]}"}


def member(space: Space, role: str) -> Client:
    client = Client()
    user = User.objects.create_user(f"{role}-{User.objects.count()}")
    add_member(space, user, role)
    client.force_login(user)
    return client


def by_group(space: Space, role: str) -> Client:
    client = Client()
    user, group = User.objects.create_user("grouped"), Group.objects.create(name="ops")
    user.groups.add(group)
    add_member(space, group, role)
    client.force_login(user)
    return client


def superuser(space: Space) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def revoked(space: Space) -> dict[str, str]:
    row, token = create_api_key(space, "tests")
    revoke_api_key(row)
    return {"authorization": f"Bearer {token}"}


KEYS: dict[str, Callable[[Space], Caller]] = {
    f"key of {role}": lambda space, role=role: (Client(), key(space, role), ABILITIES[role])  # type: ignore[misc]  # mypy cannot see a lambda's default
    for role in Role
}
MEMBERS: dict[str, Callable[[Space], Caller]] = {
    f"{role}": lambda space, role=role: (member(space, role), {}, ABILITIES[role])  # type: ignore[misc]  # as above
    for role in MEMBER_ROLES
}
CALLERS: dict[str, Callable[[Space], Caller]] = {
    "superuser": lambda space: (superuser(space), {}, EVERYTHING),
    **MEMBERS,
    "member by group": lambda space: (by_group(space, Role.OPERATOR), {}, ABILITIES[Role.OPERATOR]),
    "member of another space": lambda _: (member(make_space(), Role.ADMIN), {}, None),
    **KEYS,
    "key of another space": lambda _: (Client(), key(make_space(), Role.ADMIN), None),
    "revoked key": lambda space: (Client(), revoked(space), NOTHING),
    "anonymous": lambda _: (Client(), {}, NOTHING),
}
IN_SPACE = [(method, path) for method, path in operations() if SPACE in path]


def ask(caller: Caller, method: str, path: str) -> Answer:
    client, headers, _ = caller
    # The field that does not exist lets nothing happen, wherever the caller is allowed.
    body = '{"no_such_field": 1}' if method in ("POST", "PUT", "PATCH") else ""
    return Answer(client.generic(method, path, body, "application/json", headers=headers))


@pytest.mark.parametrize("name", CALLERS)
def test_a_caller_does_what_the_table_allows_and_nothing_else(name: str, space: Space) -> None:
    caller = CALLERS[name](space)
    wrong = [why for method, path in IN_SPACE if (why := _misjudged(name, caller, method, path, space))]
    assert not wrong


def _misjudged(name: str, caller: Caller, method: str, path: str, space: Space) -> str:
    """Return how the answer differs from what the table says; "" where it does not."""
    # The caller is made once for all addresses: that takes longer than a request.
    with transaction.atomic():
        answer = ask(caller, method, path.format(space=space.slug, id="1"))
        transaction.set_rollback(True)
    allowed = caller[2]
    ingest = (method, path) == ("POST", f"{SPACE}/events")
    if name in ("anonymous", "revoked key") or (ingest and not caller[1]):
        right, expected = answer.status == 401, "401"
    elif allowed is None:
        right, expected = answer.status == 404, "404"
    elif needed(method, path) in allowed:
        right, expected = answer.status not in (401, 403), "let in"
    else:
        right, expected = answer.status == 403 and "role" in answer.body["detail"], "403, with the role it takes"
    return "" if right else f"{method} {path}: {answer.status}, not {expected}"


def test_no_address_is_missing_from_the_matrix() -> None:
    assert len(IN_SPACE) * len(CALLERS) >= 795
    assert {method for method, _ in operations()} == {"GET", "POST", "PUT", "PATCH", "DELETE"}


def test_spaces_are_listed_to_those_who_belong_and_made_by_superusers(space: Space) -> None:
    other = make_space()
    for name, make in CALLERS.items():
        caller = make(space)
        answer = ask(caller, "GET", "/api/v1/spaces")
        if name in ("anonymous", "revoked key"):
            assert answer.status == 401
            continue
        expected = {space.slug} if caller[2] is not None else set()
        assert (space.slug in answer.ids) is bool(expected)
        assert (other.slug in answer.ids) is (name == "superuser")
        made = ask(caller, "POST", "/api/v1/spaces").status
        assert made == (400 if name == "superuser" else 403)
        User.objects.all().delete()
        Group.objects.all().delete()


def test_a_refusal_names_the_role_and_is_audited(space: Space) -> None:
    caller = CALLERS["viewer"](space)
    answer = ask(caller, "POST", f"/api/v1/spaces/{space.slug}/connectors")
    assert answer.body["detail"] == 'This needs the role "editor" in the space, or one above it.'
    entry = AuditEntry.objects.get(action="permission.refused")
    assert (entry.space, entry.actor_kind) == (space, "user")
    assert (entry.after or {})["ability"] == "edit"


def test_an_archived_space_can_be_read_and_takes_nothing(space: Space) -> None:
    api = Api(space)
    make_connector(space, public_id="desk")
    archive_space(space)
    assert api.get("connectors/desk").status == 200
    assert api.patch("connectors/desk", {"name": "X"}).status == 409
    assert api.post("connectors/desk/probe", None).status == 409
    refused = api.post("events", {"n": 1})
    assert (refused.status, "archived" in refused.body["detail"]) == (409, True)
    assert api.send("PATCH", f"/api/v1/spaces/{space.slug}", {"archived": False}).body["archived"] is False
    assert api.patch("connectors/desk", {"name": "X"}).status == 200


def test_the_docs_have_the_table_as_it_is() -> None:
    assert render_table() in (ROOT / "docs" / "roles.md").read_text()


def test_keys_are_made_rotated_and_revoked_over_the_api(space: Space) -> None:
    api = Api(space)
    made = api.post("api-keys", {"name": "Robot", "role": "ingest"})
    assert made.status == 201
    assert made.headers["Cache-Control"] == "no-store"
    token = made.body["key"]
    assert token.startswith(made.body["prefix"])
    assert token not in api.get("api-keys").text
    assert token not in api.get(f"api-keys/{made.body['id']}").text
    rotated = api.post(f"api-keys/{made.body['id']}/rotate", {"overlap": 60})
    assert (rotated.status, rotated.body["role"], rotated.body["name"]) == (201, "ingest", "Robot")
    assert rotated.body["key"] != token
    robot = Api(space)
    robot.headers = {"authorization": f"Bearer {token}"}
    assert robot.post("events", {"n": 1}).status == 202
    assert robot.get("connectors").status == 403
    assert api.delete(f"api-keys/{made.body['id']}").status == 204
    assert robot.get("connectors").status == 401
    assert ApiKey.objects.filter(revoked_at__isnull=False).count() == 1
    actions = [entry["action"] for entry in api.get("audit").body["results"]]
    assert {"api_key.create", "api_key.rotate", "api_key.revoke"} <= set(actions)


def test_members_are_added_changed_and_removed_over_the_api(space: Space) -> None:
    api = Api(space)
    ada = User.objects.create_user("ada")
    Group.objects.create(name="ops")
    made = api.post("members", {"user": "ada", "role": "viewer"})
    assert (made.status, made.body["role"]) == (201, "viewer")
    assert api.post("members", {"user": "ada", "role": "admin"}).status == 400
    assert api.post("members", {"group": "ops", "role": "operator"}).status == 201
    for wrong in (
        {"role": "viewer"},
        {"user": "ada", "group": "ops", "role": "viewer"},
        {"user": "nobody", "role": "viewer"},
        {"user": "ada", "role": "ingest"},
        {"user": "ada", "role": "god"},
    ):
        assert api.post("members", wrong).status == 400
    client = Client()
    client.force_login(ada)
    path = f"/api/v1/spaces/{space.slug}/connectors"
    assert client.get(path).status_code == 200
    assert client.post(path, "{}", "application/json").status_code == 403
    assert api.patch(f"members/{made.body['id']}", {"role": "editor"}).body["role"] == "editor"
    assert client.post(path, "{}", "application/json").status_code == 400
    assert api.delete(f"members/{made.body['id']}").status == 204
    assert client.get(path).status_code == 404
