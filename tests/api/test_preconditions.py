"""ETag and If-Match: nobody undoes unseen what somebody else did meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from connectors.services import delete_connector
from spaces.models import Space
from tests.api.client import Answer, Api
from tests.factories import make_action, make_condition, make_connector, make_kafka_connector, make_rule, make_source

pytestmark = pytest.mark.django_db


def send(api: Api, method: str, path: str, body: Any, etag: str) -> Answer:
    return api.send_with({"if-match": etag}, method, path, body)


@pytest.fixture
def objects(space: Space) -> dict[str, str]:
    """Return the address of one object of each kind that has an ETag, by kind."""
    connector = make_connector(space, public_id="desk")
    action = make_action(connector, public_id="tell")
    make_rule(space, public_id="large", actions=[action])
    make_source(make_kafka_connector(space), public_id="orders")
    make_condition(space, "hours")
    names = {"connector": "desk", "action": "tell", "source": "orders", "rule": "large", "condition": "hours"}
    return {kind: f"{kind}s/{name}" for kind, name in names.items()}


@pytest.mark.parametrize("kind", ["connector", "action", "source", "rule", "condition"])
def test_a_change_with_the_etag_that_stands_is_made_and_gives_the_next(
    api: Api, objects: dict[str, str], kind: str
) -> None:
    read = api.get(objects[kind])
    changed = send(api, "PATCH", objects[kind], {"name": "First"}, read.headers["ETag"])
    assert (changed.status, changed.body["name"]) == (200, "First")
    assert changed.headers["ETag"] != read.headers["ETag"]
    assert api.get(objects[kind]).headers["ETag"] == changed.headers["ETag"]


@pytest.mark.parametrize("kind", ["connector", "action", "source", "rule", "condition"])
@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_change_with_a_stale_etag_is_refused_and_changes_nothing(
    api: Api, objects: dict[str, str], kind: str, method: str
) -> None:
    stale = api.get(objects[kind]).headers["ETag"]
    api.patch(objects[kind], {"name": "Somebody else's"})
    standing = api.get(objects[kind]).body
    refused = send(api, method, objects[kind], {"name": "Mine"}, stale)
    assert (refused.status, "Read it again" in refused.body["detail"]) == (412, True)
    assert api.get(objects[kind]).body == standing


@pytest.mark.parametrize("header", ["", "nonsense", 'W/"1.1"', '"', '"1.1', "1.1", '"\xff"'])
def test_a_header_that_names_no_version_lets_nothing_through(api: Api, objects: dict[str, str], header: str) -> None:
    assert send(api, "PATCH", objects["rule"], {"name": "Mine"}, header).status == 412


def test_any_of_several_etags_will_do_and_a_star_stands_for_all(api: Api, objects: dict[str, str]) -> None:
    tag = api.get(objects["rule"]).headers["ETag"]
    assert send(api, "PATCH", objects["rule"], {"name": "A"}, f'"0.0", {tag}').status == 200
    assert send(api, "PATCH", objects["rule"], {"name": "B"}, "*").status == 200


def test_an_object_made_anew_under_the_same_id_has_another_etag(api: Api, space: Space) -> None:
    former = make_connector(space, public_id="desk")
    tag = api.get("connectors/desk").headers["ETag"]
    delete_connector(former)
    make_connector(space, public_id="desk")
    assert send(api, "DELETE", "connectors/desk", None, tag).status == 412


def test_members_and_spaces_have_etags_too(api: Api, space: Space) -> None:
    User.objects.create_user("ada")
    member = api.post("members", {"user": "ada", "role": "viewer"})
    path = f"members/{member.body['id']}"
    assert api.get(path).headers["ETag"] == member.headers["ETag"]
    api.patch(path, {"role": "editor"})
    assert send(api, "PATCH", path, {"role": "admin"}, member.headers["ETag"]).status == 412
    assert send(api, "DELETE", path, None, member.headers["ETag"]).status == 412
    root = api.root.rstrip("/")
    tag = api.get(root).headers["ETag"]
    api.patch(root, {"name": "Other"})
    assert send(api, "PATCH", root, {"name": "Mine"}, tag).status == 412
    make_connector(space)  # what lives in the space is no change of the space
    assert send(api, "PATCH", root, {"name": "Mine"}, api.get(root).headers["ETag"]).status == 200


@pytest.mark.django_db(transaction=True)
def test_of_eight_changes_at_once_to_one_version_one_is_made(api: Api, objects: dict[str, str]) -> None:
    tag = api.get(objects["rule"]).headers["ETag"]

    def change(number: int) -> int:
        try:
            return send(api, "PATCH", objects["rule"], {"name": f"Mine {number}"}, tag).status
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(change, range(8))) == [200, *[412] * 7]
