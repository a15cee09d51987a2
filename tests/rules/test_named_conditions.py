"""Named conditions: what a reference means, what is refused and where, and that a change reaches every rule."""

from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from rules.conditions import ConditionError, bind
from rules.evaluation.guards import guards_of
from rules.evaluation.ruleset import RuleSets
from rules.models import NamedCondition, Rule
from rules.named_conditions import MAX_DEPTH, compile_named, expand, names_in, renamed
from rules.services import (
    create_condition,
    create_rule,
    delete_condition,
    delete_rule,
    update_condition,
    update_rule,
)
from spaces.errors import InUse, InvalidInput
from spaces.models import AuditEntry, Space
from tests.factories import make_rule, make_space

NAMED = {
    "berlin": 'event.data.site == "berlin" // in the office',
    "large": "event.data.total > 100.0",
    "both": "conditions.berlin\n  && conditions.large",
    "either": "conditions.berlin || conditions.large",
    "lost": "conditions.nowhere",
    "one": "conditions.two",
    "two": "conditions.three && conditions.one",
    "three": "true",
    "adding": "event.a" + " + event.a" * 10 + ' == ""',
    "long": "event.x == 1" + " || event.x == 1" * 150,
    "loop": "event.data.items.exists(i, i.price > 1)",
    **{f"d{depth}": f"conditions.d{depth + 1}" for depth in range(MAX_DEPTH)},
    f"d{MAX_DEPTH}": "true",
}
EVENT: dict[str, Any] = {"data": {"site": "berlin", "total": 150, "conditions": {"berlin": 1}}}


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("conditions.berlin", True),
        ("conditions.berlin && event.data.total > 200", False),
        ("!conditions.berlin", False),
        ("conditions.both", True),
        ("conditions.either && event.data.total < 10", False),
        ("event.data.total < 10 || conditions . large", True),
        ("event.data.conditions.berlin == 1", True),
        ("event.data.?conditions.berlin.orValue(0) == 1", True),
        ('"conditions.nowhere" != "" // conditions.nowhere', True),
        ("true ? conditions.large : conditions.berlin", True),
        ("conditions.d1", True),
        ("event.data.site == 'berlin'", True),
    ],
)
def test_a_reference_means_the_condition_as_a_whole(text: str, matched: bool) -> None:
    assert compile_named(text, NAMED).evaluate(bind(EVENT)).matched is matched


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("true &&\n  conditions.nope", (2, 3), "There is no condition “nope”; there are adding, berlin, both, d0, d1"),
        ("true && conditions.lost", (1, 9), "In conditions.lost: There is no condition “nowhere”"),
        ("conditions.one", (1, 1), "conditions.one leads back to itself: one → two → one."),
        ("conditions.d0", (1, 1), f"at most {MAX_DEPTH} deep: d0 → d1 → d2"),
        ("conditions.berlin >", (1, 20), "ends too early"),
        ("conditions.berlin &&\n event.data.x = 1", (2, 15), "Write “==”"),
        ("conditions.both && evnt.x", (1, 20), "“evnt” is not known here"),
        ("conditions.berlin + 1 == 2", (1, 19), "“+” does not work with (bool, int)"),
        ("conditions.adding && conditions.adding", (1, 22), "In conditions.adding, line 1, column 69: There are more"),
        ("conditions.adding && conditions.loop", (1, 1), "In conditions.adding, line 1, column 9: “+” cannot be used"),
        ("true && conditions.long && conditions.long", (1, 28), "more than the 4,096 characters allowed"),
        ("event.conditions > 1 && conditions", (1, 25), "“conditions” is not known here"),
        ("conditions.berlin.size() == 1", (1, 1), ""),
    ],
)
def test_what_is_wrong_has_its_place_in_the_text_and_the_name_it_is_in(
    text: str, place: tuple[int, int], words: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_named(text, NAMED)
    assert words in caught.value.message
    if words:
        assert (caught.value.line, caught.value.column) == place


def test_doubling_conditions_stay_small() -> None:
    doubling = {f"c{n}": f"conditions.c{n + 1} && conditions.c{n + 1}" for n in range(4)}
    with pytest.raises(ConditionError, match="more than the 4,096"):
        expand("conditions.c0 && conditions.c0", doubling | {"c4": "event.x == 1 && " * 20 + "true"})


def test_guards_hold_through_a_reference() -> None:
    assert guards_of(expand('conditions.both && event.type == "a"', NAMED).text) == {
        ("data", "site"): {"berlin"},
        ("type",): {"a"},
    }
    assert guards_of(expand("conditions.either", NAMED).text) == {}


def test_references_are_found_and_renamed() -> None:
    text = 'conditions.a && event.conditions.a == "conditions.a" && conditions.b'
    assert names_in(text) == ["a", "b"]
    assert renamed(text, {"a": "x"}) == 'conditions.x && event.conditions.a == "conditions.a" && conditions.b'


# --- In a space


def make(space: Space, name: str, condition: str) -> NamedCondition:
    return create_condition(space, public_id=name, name=name.title(), condition=condition)


def pointers(invalid: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return [error.pointer for error in invalid.value.errors]


pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"public_id": "Not-An-Id"}, "/id"),
        ({"public_id": "with-hyphen"}, "/id"),
        ({"public_id": "1st"}, "/id"),
        ({"name": " "}, "/name"),
        ({"condition": " "}, "/condition"),
        ({"condition": "event.x >"}, "/condition"),
        ({"condition": "event.x + 1"}, "/condition"),
        ({"condition": "conditions.own"}, "/condition"),
        ({"condition": "conditions.unknown"}, "/condition"),
        ({"description": "x" * 2001}, "/description"),
        ({"description": "\0"}, "/description"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(space: Space, fields: dict[str, str], pointer: str) -> None:
    given: dict[str, Any] = {"public_id": "own", "name": "Own", "condition": "true", **fields}
    with pytest.raises(InvalidInput) as caught:
        create_condition(space, **given)
    assert pointers(caught) == [pointer]
    assert not NamedCondition.objects.exists()


def test_an_id_is_made_up_that_can_be_referred_to(space: Space) -> None:
    row = create_condition(space, name="Mine", condition="true")
    make_rule(space, condition=f"conditions.{row.public_id}")


def test_a_rule_knows_the_conditions_of_its_own_space_alone(space: Space) -> None:
    make(make_space(), "hours", "true")
    with pytest.raises(InvalidInput) as caught:
        make_rule(space, condition="event.x == 1 &&\n conditions.hours")
    assert caught.value.errors[0].pointer == "/condition"
    assert "line 2, column 2: There is no condition “hours”; this space has none." in caught.value.errors[0].detail


def candidates(sets: RuleSets, space: Space, **data: Any) -> dict[str, bool]:
    """Return the rules that may match an event with this data, and whether they do."""
    event = {"type": "a", "source": "/s", "data": data}
    found = sets.of({space.pk})[space.pk].candidates(event)
    return {rule.public_id: rule.condition is None or rule.condition.evaluate(bind(event)).matched for rule in found}


def test_a_change_reaches_the_rules_that_use_it_and_their_versions_stay(space: Space) -> None:
    site = make(space, "site", 'event.data.site == "a"')
    make(space, "nested", "conditions.site && event.data.n > 1")
    direct = make_rule(space, public_id="direct", condition="conditions.site")
    make_rule(space, public_id="nested", condition="conditions.nested")
    plain = make_rule(space, public_id="plain", condition='event.data.site == "a"')
    sets = RuleSets()
    assert candidates(sets, space, site="a", n=2) == {"direct": True, "nested": True, "plain": True}
    assert candidates(sets, space, site="b", n=2) == {}
    former = {rule.public_id: rule for rule in sets.of({space.pk})[space.pk]._rules.values()}
    update_condition(site, condition='event.data.site == "b"')
    assert candidates(sets, space, site="a", n=2) == {"plain": True}
    assert candidates(sets, space, site="b", n=2) == {"direct": True, "nested": True}
    assert Rule.objects.get(pk=direct.pk).version == 1
    assert sets.of({space.pk})[space.pk]._rules[plain.pk, 1].condition is former["plain"].condition


def test_a_change_that_would_break_a_rule_is_refused_and_says_which(space: Space) -> None:
    site = make(space, "site", "true")
    nested = make(space, "nested", "conditions.site")
    make_rule(space, public_id="adds", condition="event.a" + " + event.a" * 10 + ' == "" && conditions.nested')
    with pytest.raises(InvalidInput) as caught:
        update_condition(site, condition="event.a" + " + event.a" * 10 + ' == ""')
    (error,) = caught.value.errors
    assert error.pointer == "/condition"
    assert 'The rule "adds" would not compile any more.' in error.detail
    with pytest.raises(InvalidInput, match="leads back to itself: site → nested → site"):
        update_condition(site, condition="conditions.nested")
    assert NamedCondition.objects.get(pk=site.pk).condition == "true"
    update_condition(nested, name="Renamed", condition="false")


def test_one_that_is_used_cannot_be_deleted(space: Space) -> None:
    site = make(space, "site", "true")
    nested = make(space, "nested", "conditions.site")
    rule = make_rule(space, public_id="direct", condition="conditions.site")
    make_rule(space, public_id="mentions", condition='event.x == "conditions.site"')
    with pytest.raises(InUse) as caught:
        delete_condition(site)
    assert list(caught.value.users) == [("rule", "direct"), ("condition", "nested")]
    assert 'the rule "direct", the condition "nested"' in str(caught.value)
    delete_rule(rule)
    delete_condition(nested)
    delete_condition(site)
    assert not NamedCondition.objects.exists()


def test_changes_stand_in_the_audit_log_and_move_the_revision(space: Space) -> None:
    row = make(space, "site", "true")
    update_condition(row, condition="false", description="Why")
    delete_condition(row)
    entries = AuditEntry.objects.filter(space=space, object_id="site").order_by("pk")
    assert [entry.action for entry in entries] == ["condition.create", "condition.update", "condition.delete"]
    assert entries[1].before == {"description": "", "condition": "true"}
    assert entries[1].after == {"description": "Why", "condition": "false"}
    assert Space.objects.get(pk=space.pk).config_revision == 3


def test_a_rule_may_take_its_reference_out_and_put_it_in(space: Space) -> None:
    make(space, "site", "true")
    rule = create_rule(space, name="R", params={}, condition="conditions.site")
    update_rule(rule, condition="true")
    update_rule(rule, condition="conditions.site && true")
    with pytest.raises(InvalidInput):
        update_rule(rule, condition="conditions.other")


@pytest.mark.django_db(transaction=True)
def test_a_condition_that_a_rule_is_just_being_given_cannot_go(space: Space) -> None:
    site, refusals = make(space, "site", "true"), list[InUse]()

    def delete() -> None:
        try:
            delete_condition(site)
        except InUse as refusal:
            refusals.append(refusal)
        finally:
            connection.close()

    deleting = Thread(target=delete)
    with transaction.atomic():
        make_rule(space, public_id="r", condition="conditions.site")
        deleting.start()
        deleting.join(0.3)
    deleting.join(20)
    assert [list(each.users) for each in refusals] == [[("rule", "r")]]
