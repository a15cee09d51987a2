"""Deletion of connectors in the console: confirmed by the ID, and never behind the back of what uses them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from actions.models import Delivery
from connectors.models import Connector
from rules.models import Rule
from spaces.models import AuditEntry, Space
from tests.admin.conftest import HOSTILE, make_action, make_connector, make_delivery, make_event, make_member
from tests.admin.samples import LIST, make_preconfigured, make_sample, url

pytestmark = pytest.mark.usefixtures("sample_type")


def delete(console: Client, connector: Connector, **fields: Any) -> Any:
    return console.post(url(connector, "delete"), {"confirm_id": connector.public_id, **fields})


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(details) for name, details in answer.context["form"].errors.items()}


@pytest.mark.parametrize("wrong", ["", "Mine", "mine2", HOSTILE, "a\x00b"])
def test_another_id_deletes_nothing(console: Client, space: Space, wrong: str) -> None:
    connector = make_sample(space)
    answer = delete(console, connector, confirm_id=wrong)
    assert list(errors(answer)) == ["confirm_id"]
    assert "<script>alert" not in answer.content.decode()
    assert Connector.objects.exists()


def test_the_page_of_one_that_nothing_uses_asks_for_the_id_alone(console: Client, space: Space) -> None:
    connector = make_sample(space)
    text = console.get(url(connector, "delete")).content.decode()
    assert 'name="confirm_id"' in text
    assert 'name="replace_with"' not in text
    answer = delete(console, connector)
    assert (answer.status_code, answer["Location"]) == (302, reverse(LIST))
    assert AuditEntry.objects.filter(action="connector.delete", actor="admin", object_id="mine").exists()


def test_what_uses_it_is_listed_with_three_ways_to_go(console: Client, space: Space) -> None:
    connector = make_sample(space)
    rule = Rule.objects.create(space=space, public_id="r", name=f"The rule {HOSTILE}")
    rule.actions.set([make_action(connector, name=f"The user {HOSTILE}")])
    text = console.get(url(connector, "delete")).content.decode()
    for shown in ("The user", "The rule", 'value="refuse"', 'value="force"', 'value="replace"', 'name="replace_with"'):
        assert shown in text
    assert "<script>alert" not in text


@pytest.mark.parametrize("fields", [{}, {"users": "refuse"}])
def test_one_in_use_is_refused_unless_something_else_was_chosen(
    console: Client, space: Space, fields: dict[str, str]
) -> None:
    connector = make_sample(space)
    make_action(connector)
    assert "is in use" in errors(delete(console, connector, **fields))["__all__"][0]
    assert Connector.objects.exists()


def test_by_force_its_users_stay_without_a_connector(console: Client, space: Space) -> None:
    connector = make_sample(space)
    action = make_action(connector)
    delivery = make_delivery(make_event(space), action)
    assert delete(console, connector, users="force").status_code == 302
    action.refresh_from_db()
    delivery.refresh_from_db()
    assert (action.connector, action.lost_connector_id, delivery.state) == (None, "mine", Delivery.State.DEAD)


def test_its_users_move_to_another_connector(console: Client, space: Space) -> None:
    connector, other = make_sample(space), make_sample(space, public_id="other")
    action = make_action(connector)
    assert delete(console, connector, users="replace", replace_with=other.pk).status_code == 302
    action.refresh_from_db()
    assert action.connector == other


def test_only_another_connector_of_its_type_and_space_takes_its_place(
    console: Client, space: Space, other_space: Space
) -> None:
    connector = make_sample(space, name="Itself")
    make_action(connector)
    make_preconfigured()
    elsewhere = make_sample(other_space, name="Elsewhere")
    other_type = make_connector(space, 5, name="Other type")
    text = console.get(url(connector, "delete")).content.decode()
    options = text[text.index('name="replace_with"') :]
    options = options[: options.index("</select>")]
    assert "Shared" in options
    for name in ("Itself", "Elsewhere", "Other type"):
        assert name not in options
    for wrong in (connector.pk, elsewhere.pk, other_type.pk, 999, "x", "", "9" * 40):
        answer = delete(console, connector, users="replace", replace_with=wrong)
        assert list(errors(answer)) == ["replace_with"]
    assert list(errors(delete(console, connector, users="unknown"))) == ["users"]
    assert Connector.objects.filter(pk=connector.pk).exists()


def test_one_that_is_gone_leads_back_to_the_list(console: Client, space: Space) -> None:
    for key in ("999", "x"):
        page = reverse("admin:connectors_connector_delete", args=[key])
        assert console.post(page, {"confirm_id": "mine"})["Location"] == reverse(LIST)


def chosen(*connectors: Connector, **fields: str) -> dict[str, Any]:
    keys = [connector.pk for connector in connectors]
    return {"action": "delete_chosen", "_selected_action": keys, "index": 0, "select_across": "0", **fields}


def test_many_are_deleted_after_a_question_each_with_its_result(console: Client, space: Space) -> None:
    free, used = make_sample(space, public_id="free"), make_sample(space, public_id="used", name=HOSTILE)
    shared, kept = make_preconfigured(), make_sample(space, public_id="kept")
    make_action(used)
    asked = console.post(reverse(LIST), chosen(free, used, shared)).content.decode()
    assert "Delete 3 connectors?" in asked
    assert "used by 1 action" in asked
    assert "<script>alert" not in asked
    assert Connector.objects.count() == 4
    answer = console.post(reverse(LIST), chosen(free, used, shared, confirmed="yes"), follow=True)
    told = {str(message).partition(":")[0]: str(message) for message in answer.context["messages"]}
    assert told["free"] == "free: deleted."
    assert "is in use" in told["used"]
    assert "is preconfigured" in told["shared"]
    assert set(Connector.objects.all()) == {used, shared, kept}


def test_many_are_deleted_by_force(console: Client, space: Space) -> None:
    used = make_sample(space, public_id="used")
    make_action(used)
    console.post(reverse(LIST), chosen(used, confirmed="yes", force="on"))
    assert not Connector.objects.exists()


def test_who_may_not_delete_deletes_nothing(client: Client, admin: User, space: Space) -> None:
    connector = make_sample(space)
    client.force_login(make_member(space, "operator"))
    assert client.get(url(connector, "delete")).status_code == 403
    assert delete(client, connector).status_code == 403
    client.post(reverse(LIST), chosen(connector, confirmed="yes"))
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    assert delete(strict, connector).status_code == 403
    assert strict.post(reverse(LIST), chosen(connector, confirmed="yes")).status_code == 403
    assert Connector.objects.exists()
