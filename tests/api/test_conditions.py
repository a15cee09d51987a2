"""Named conditions over the API, and in files."""

import json

import pytest

from rules.models import NamedCondition, Rule
from spaces.models import Space
from tests.api.client import Api
from tests.factories import make_condition, make_rule

pytestmark = pytest.mark.django_db

BODY = {"id": "hours", "name": "Hours", "description": "Of the office", "condition": "now.getHours() < 18"}


def test_a_condition_is_made_read_changed_used_and_deleted(api: Api, space: Space) -> None:
    made = api.post("conditions", BODY)
    assert (made.status, made.headers["Location"]) == (201, f"{api.root}conditions/hours")
    assert api.get("conditions/hours").body.items() >= BODY.items()
    assert api.get("conditions", search="HOUR").ids == ["hours"]
    assert api.patch("conditions/hours", {"id": "other"}).places == ["/id"]
    assert api.patch("conditions/hours", {"condition": "true"}).body["version"] == 2
    assert api.put("conditions/hours", {"name": "Again", "condition": "true"}).body["description"] == ""
    assert api.post("rules", {"id": "r", "name": "R", "condition": "conditions.hours"}).status == 201
    refused = api.delete("conditions/hours")
    assert (refused.status, refused.body["users"]) == (409, [{"type": "rule", "id": "r"}])
    (bulk,) = api.post("conditions/_bulk_delete", {"ids": ["hours"]}).body
    assert not bulk["ok"]
    assert api.delete("rules/r").status == 204
    assert api.delete("conditions/hours").status == 204
    assert api.get("conditions").ids == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"id": "with-hyphen"}, "/id"),
        ({"id": "hours"}, "/id"),
        ({"name": ""}, "/name"),
        ({"condition": ""}, "/condition"),
        ({"condition": None}, "/condition"),
        ({"condition": "conditions.own"}, "/condition"),
        ({"condition": "conditions.new"}, "/condition"),
        ({"condition": "x" * 100_000}, "/condition"),
        ({"condition": "event.x == '\ud800'"}, "/condition"),
        ({"enabled": True}, "/enabled"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_its_place(api: Api, change: dict[str, object], place: str) -> None:
    assert api.post("conditions", BODY).status == 201
    answer = api.post("conditions", {**BODY, "id": "new", **change})
    assert (answer.status, answer.places) == (400, [place])


def test_it_cannot_be_switched_on_or_off(api: Api) -> None:
    assert api.post("conditions/_bulk_disable", {"ids": ["hours"]}).status in (404, 405)


def test_a_file_brings_conditions_before_what_refers_to_them(api: Api, space: Space, other_space: Space) -> None:
    make_condition(space, "zone", condition="event.data.x == 1")
    make_condition(space, "all_of", condition="conditions.zone && true")
    make_rule(space, public_id="r", condition="conditions.all_of && event.data.y == 2")
    wanted = {"objects": [{"type": "rule", "id": "r"}]}
    response = api.fetch("POST", "exports", json.dumps(wanted).encode())
    text = response.content
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["id"] for line in lines if "id" in line] == ["zone", "all_of", "r"]
    there = Api(other_space)
    for conflicts, names in (("refuse", {"zone", "all_of"}), ("new_ids", None), ("overwrite", None)):
        answer = there.send_raw("POST", "imports", text, "application/x-ndjson", {"conflicts": conflicts})
        assert answer.status == 200, answer.text
        if names:
            ids = NamedCondition.objects.filter(space=other_space).values_list("public_id", flat=True)
            assert set(ids) == names
    copies = Rule.objects.filter(space=other_space).exclude(public_id="r")
    (copy,) = copies
    fresh = copy.condition.removeprefix("conditions.").removesuffix(" && event.data.y == 2")
    assert fresh not in ("all_of", "zone")
    assert NamedCondition.objects.get(space=other_space, public_id=fresh).condition.startswith("conditions.condition_")
