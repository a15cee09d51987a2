"""Nobody does in the console what their role does not allow: every address, with every kind of user.

What is expected comes from the table in spaces.roles, and from what is said here that each address needs.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import Group, User
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import URLPattern, reverse

from actions.models import DeliveryJob
from connectors.models import Connector
from rules.models import Rule
from spaces.admin.refusals import SuperuserAdmin
from spaces.admin.scoping import SpaceScopedAdmin
from spaces.checks import admins_are_scoped, leads_to_space
from spaces.models import AuditEntry, Space
from spaces.roles import ABILITIES, EVERYTHING, MEMBER_ROLES, NOTHING, Ability, Role
from spaces.services import add_member, archive_space, create_api_key
from tests.admin.conftest import (
    make_action,
    make_connector,
    make_delivery,
    make_entry,
    make_event,
    make_member,
)
from tests.admin.test_admin_console import make_everything
from tests.api.client import make_alert
from tests.factories import make_kafka_connector, make_source, make_window

pytestmark = pytest.mark.django_db

READ, OPERATE, EDIT, ADMINISTER = Ability.READ, Ability.OPERATE, Ability.EDIT, Ability.ADMINISTER
OBJECTS = {"view": READ, "add": EDIT, "change": EDIT, "delete": EDIT}
ADMINISTRATION = dict.fromkeys(("view", "add", "change", "delete"), ADMINISTER)
# What each model's pages need; a page that is not here is nobody's.
NEEDED: dict[str, dict[str, Ability]] = {
    "connectors.connector": {
        **OBJECTS,
        **dict.fromkeys(("probe", "reconnect", "execute"), OPERATE),
        **dict.fromkeys(("probe_settings", "probe_settings_of", "duplicate", "import_file"), EDIT),
        "export_space": READ,
    },
    "actions.action": {**OBJECTS, "execute": OPERATE},
    "rules.rule": {**OBJECTS, **dict.fromkeys(("mute", "unmute", "snooze", "unsnooze"), OPERATE)},
    "rules.maintenancewindow": OBJECTS,
    "rules.source": OBJECTS,
    "rules.alert": {"view": READ, **dict.fromkeys(("acknowledge", "unacknowledge", "mute", "unmute"), OPERATE)},
    "rules.event": {"view": READ},
    "actions.delivery": {
        "view": READ,
        **dict.fromkeys(("replay", "edit_message", "cancel", "replay_all", "cancel_all"), OPERATE),
    },
    "actions.deliveryjob": {"view": READ, **dict.fromkeys(("pause", "resume", "cancel"), OPERATE)},
    "actions.eventlogentry": {"view": READ},
    "spaces.auditentry": {"view": ADMINISTER, "export": ADMINISTER},
    "spaces.space": {"view": READ, "change": ADMINISTER},
    "spaces.membership": ADMINISTRATION,
    "spaces.apikey": {"view": ADMINISTER, "add": ADMINISTER, "revoke": ADMINISTER},
}
SUPERUSERS_ONLY = [("spaces.space", "add")]
# Invalid for every page that would send or write something.
BODY = {"event": "{"}


def addresses() -> Iterator[tuple[type[Model], URLPattern]]:
    for model, model_admin in django_admin.site._registry.items():
        yield from ((model, pattern) for pattern in model_admin.urls if pattern.name)


def page_of(model: type[Model], pattern: URLPattern) -> str:
    return str(pattern.name).removeprefix(f"{model._meta.app_label}_{model._meta.model_name}_")


ADDRESSES = [pytest.param(model, pattern, id=str(pattern.name)) for model, pattern in addresses()]
SCOPED_OBJECTS = [
    pytest.param(model, pattern, id=str(pattern.name))
    for model, pattern in addresses()
    if model._meta.label_lower in NEEDED and pattern.pattern.converters
]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def by_group(space: Space) -> User:
    user, group = User.objects.create(username="grouped", is_staff=True), Group.objects.create(name="ops")
    user.groups.add(group)
    add_member(space, group, Role.OPERATOR)
    return user


def not_staff(space: Space) -> User:
    user = User.objects.create(username="nobody")
    add_member(space, user, Role.ADMIN)
    return user


# The client, and what it may do in the space; None: it does not get in.
Visitor = tuple[Client, frozenset[Ability] | None]
VISITORS: dict[str, Callable[[Space], Visitor]] = {
    "superuser": lambda _: (signed_in(User.objects.create_superuser("root")), EVERYTHING),
    **{
        str(role): lambda space, role=role: (signed_in(make_member(space, role)), ABILITIES[role])  # type: ignore[misc]  # mypy cannot see a lambda's default
        for role in MEMBER_ROLES
    },
    "member by group": lambda space: (signed_in(by_group(space)), ABILITIES[Role.OPERATOR]),
    "staff of no space": lambda _: (signed_in(User.objects.create(username="staff", is_staff=True)), NOTHING),
    "not staff": lambda space: (signed_in(not_staff(space)), None),
    "anonymous": lambda _: (Client(), None),
}


def row_of(model: type[Model], space: Space) -> Any:
    """Return the space's row of the model, any row of a model that lives in none."""
    rows = model._default_manager.all()
    if model is Space:
        return space
    if model is User:
        return rows.get(username="somebody")
    return (rows.filter(space=space) if leads_to_space(model) else rows).order_by("pk").first()


def url_of(model: type[Model], pattern: URLPattern, key: Any) -> str:
    return reverse(f"admin:{pattern.name}", args=[key] if pattern.pattern.converters else [])


def key_in(space: Space, model: type[Model], pattern: URLPattern) -> Any:
    """Return the key that the address takes: the page that sends is the actions', and takes a connector's."""
    return row_of(Connector if "connector_id" in pattern.pattern.converters else model, space).pk


@pytest.fixture
def filled(space: Space) -> Space:
    make_everything(space)
    add_member(space, User.objects.create(username="somebody"), Role.VIEWER)
    return space


def verb_of(page: str, method: str) -> str:
    return "view" if page in ("changelist", "history") or (page, method) == ("change", "get") else page


def is_allowed(model: type[Model], page: str, method: str, abilities: frozenset[Ability], name: str) -> bool:
    needed = NEEDED.get(model._meta.label_lower)
    if needed is None or (model._meta.label_lower, page) in SUPERUSERS_ONLY:
        return name == "superuser"
    verb = verb_of(page, method)
    return verb in needed and needed[verb] in abilities


def count_of(model: type[Model]) -> int:
    rows = model._default_manager.all()
    return (rows.exclude(action="permission.refused") if model is AuditEntry else rows).count()


@pytest.mark.parametrize(("model", "pattern"), ADDRESSES)
def test_users_do_what_the_table_allows_and_nothing_else(
    model: type[Model], pattern: URLPattern, filled: Space
) -> None:
    url = url_of(model, pattern, key_in(filled, model, pattern))
    for name in VISITORS:
        # What the space holds is made once for all of them: that takes longer than their requests.
        with transaction.atomic():
            _visit(name, url, model, pattern, filled)
            transaction.set_rollback(True)


def _visit(name: str, url: str, model: type[Model], pattern: URLPattern, space: Space) -> None:
    client, abilities = VISITORS[name](space)
    page = page_of(model, pattern)
    for method in ("get", "post"):
        before = count_of(model)
        answer: Any = getattr(client, method)(url, BODY if method == "post" else {})
        about = (name, method, answer.status_code)
        if abilities is None:
            assert answer.status_code == 302, about
            assert answer["Location"].startswith(reverse("admin:login")), about
        elif method == "get" and page.startswith("probe_settings"):
            assert answer.status_code == 405, about
        elif is_allowed(model, page, method, abilities, name):
            leads_away = method == "post" or pattern.name == "connectors_connector_execute"
            assert answer.status_code in ((200, 302) if leads_away else (200,)), about
            continue
        else:
            # The history asks whether there is such an object before it asks for permission.
            hidden = page == "history" or (page == "probe_settings_of" and not abilities)
            assert answer.status_code in ((302, 404) if hidden else (403,)), about
        assert count_of(model) == before, about


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ADMIN])
@pytest.mark.parametrize(("model", "pattern"), SCOPED_OBJECTS)
def test_an_object_of_another_space_is_one_that_does_not_exist(
    model: type[Model], pattern: URLPattern, role: str, filled: Space, other_space: Space
) -> None:
    client = signed_in(make_member(other_space, role))
    Space.objects.filter(pk=filled.pk).update(name="Hidden name")
    for data in (BODY, {**BODY, "_form_submitted": "on", "confirm_id": "con-1", "post": "yes"}):
        for method in ("get", "post"):
            answers: list[Any] = []
            for key in (key_in(filled, model, pattern), 987654321):
                before = count_of(model)
                answer: Any = getattr(client, method)(url_of(model, pattern, key), data if method == "post" else {})
                assert count_of(model) == before
                answers.append((answer.status_code, answer.get("Location"), answer.get("HX-Redirect")))
                text = answer.content.decode()
                assert not any(word in text for word in ("Hidden name", "con-1", "act-1", "rule-1", "Connector 1"))
            assert answers[0] == answers[1], method


@pytest.mark.parametrize("name", ["superuser", "admin"])
@pytest.mark.parametrize(("model", "pattern"), SCOPED_OBJECTS)
def test_an_archived_space_is_read_and_administered_only(
    model: type[Model], pattern: URLPattern, name: str, filled: Space, other_space: Space
) -> None:
    make_everything_else(other_space)
    archive_space(other_space)
    client, _ = VISITORS[name](other_space)
    key, page = key_in(other_space, model, pattern), page_of(model, pattern)
    for method in ("get", "post"):
        verb = verb_of(page, method)
        answer: Any = getattr(client, method)(url_of(model, pattern, key), BODY if method == "post" else {})
        if NEEDED[model._meta.label_lower].get(verb) in (READ, ADMINISTER):
            assert answer.status_code in (200, 302), method
        else:
            assert answer.status_code in (403, 405), method


def make_everything_else(space: Space) -> None:
    """Make what a space holds, for a second space."""
    action = make_action(make_connector(space))
    make_entry(make_delivery(make_event(space), action))
    Rule.objects.create(space=space, public_id="rule-1", name="Rule").actions.set([action])
    make_alert(space)
    DeliveryJob.objects.create(space=space, kind="replay", rate=1, total=1, last=1, created_by="root")
    make_source(make_kafka_connector(space))
    make_window(space)
    create_api_key(space, "Key")
    add_member(space, User.objects.create(username="somebody else"), Role.VIEWER)


def test_the_console_offers_no_other_page() -> None:
    """Whoever adds a page says here who may open it."""
    assert {model._meta.label_lower for model in django_admin.site._registry if leads_to_space(model)} == set(NEEDED)
    standard = {"changelist", "add", "history", "delete", "change"}
    for model, pattern in addresses():
        page = page_of(model, pattern)
        if model._meta.label_lower in NEEDED and page not in standard:
            assert page in NEEDED[model._meta.label_lower]
    assert len(ADDRESSES) * len(VISITORS) >= 800


def test_an_admin_that_is_not_scoped_is_an_error_of_the_system_check() -> None:
    assert admins_are_scoped(None) == []
    scoped = django_admin.site._registry[Connector]
    for base in (SuperuserAdmin, SpaceScopedAdmin):  # the second says nothing of abilities
        django_admin.site._registry[Connector] = type("HastyAdmin", (base,), {})(Connector, django_admin.site)
        try:
            assert [error.id for error in admins_are_scoped(None)] == ["switchyard.unscoped_admin"]
        finally:
            django_admin.site._registry[Connector] = scoped


def test_an_admin_that_does_not_say_what_a_permission_needs_shows_nothing(rf: RequestFactory, admin: User) -> None:
    hasty = type("HastyAdmin", (SpaceScopedAdmin,), {})(Connector, django_admin.site)
    request = rf.get("/")
    request.user = admin
    for ask in (hasty.get_queryset, hasty.has_view_permission, hasty.has_add_permission):
        with pytest.raises(ImproperlyConfigured):
            ask(request)
