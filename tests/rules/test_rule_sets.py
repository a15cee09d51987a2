"""A worker's rules follow what is changed, and what did not change is not read again."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from actions.services import update_action
from rules.evaluation.ruleset import RuleSet, RuleSets
from rules.models import Rule
from rules.services import delete_rule, update_rule
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule

pytestmark = pytest.mark.django_db

EVENT = {"type": "order.paid", "source": "/shop", "subject": "shops/7/orders"}


@pytest.fixture
def sets() -> RuleSets:
    return RuleSets()


def triggered(sets: RuleSets, space: Space, **attributes: str) -> dict[str, list[str]]:
    """Return the rules that may match, with the actions that they then trigger."""
    rules = sets.of({space.pk})[space.pk]
    return {
        rule.public_id: [link.target.public_id for link in rule.links] for rule in rules.candidates(EVENT | attributes)
    }


def test_a_changed_rule_is_taken_up_and_a_deleted_one_dropped(space: Space, sets: RuleSets) -> None:
    first, second = (make_rule(space, public_id=each, params={"subjects": ["shops/+/orders"]}) for each in ("a", "b"))
    assert triggered(sets, space) == {"a": [], "b": []}
    assert triggered(sets, space, subject="shops/7/returns") == {}
    update_rule(first, params={"subjects": ["shops/+/returns"]})
    assert triggered(sets, space) == {"b": []}
    assert triggered(sets, space, subject="shops/7/returns") == {"a": []}
    update_rule(second, condition='event.type == "order.late"')
    assert triggered(sets, space) == {}
    assert triggered(sets, space, type="order.late") == {"b": []}
    update_rule(second, condition="", enabled=False)
    assert triggered(sets, space) == {}
    update_rule(second, enabled=True)
    assert triggered(sets, space) == {"b": []}
    delete_rule(second)
    assert triggered(sets, space) == {}


def test_actions_come_in_the_order_of_the_rule_and_disabled_ones_do_not(space: Space, sets: RuleSets) -> None:
    connector = make_connector(space)
    one, two = (make_action(connector, public_id=each) for each in ("one", "two"))
    rule = make_rule(space, public_id="a", actions=[two, one])
    make_rule(space, public_id="b", actions=[one])
    assert triggered(sets, space) == {"a": ["two", "one"], "b": ["one"]}
    update_action(two, enabled=False)
    assert triggered(sets, space) == {"a": ["one"], "b": ["one"]}
    update_action(two, enabled=True)
    update_rule(rule, actions=[one, two])
    assert triggered(sets, space) == {"a": ["one", "two"], "b": ["one"]}


def test_a_change_of_one_rule_reads_no_other(space: Space) -> None:
    rules = [make_rule(space, public_id=f"r{number}", condition="event.data.n > 1") for number in range(5)]
    former = RuleSet(Space.objects.get(pk=space.pk), None)
    update_rule(rules[0], name="Changed")
    with CaptureQueriesContext(
        connection,
    ) as captured:
        present = RuleSet(Space.objects.get(pk=space.pk), former)
    before, after = ({rule.public_id: rule for rule in each.candidates(EVENT)} for each in (former, present))
    assert [each for each in before if before[each].condition is not after[each].condition] == ["r0"]
    assert after["r0"].about["name"] == "Changed"
    (read,) = [each["sql"] for each in captured if '"rules_rule"."condition"' in each["sql"]]
    assert f"IN ({rules[0].pk})" in read


def test_a_rule_that_cannot_run_does_not_stop_the_others(
    space: Space, sets: RuleSets, caplog: pytest.LogCaptureFixture
) -> None:
    make_rule(space, public_id="good")
    broken = make_rule(space, public_id="broken")
    Rule.objects.filter(pk=broken.pk).update(type="horoscope")
    assert triggered(sets, space) == {"good": []}
    assert "Rule broken of space" in caplog.text
