"""No row refers to another space's, whatever code writes it: the database itself refuses."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from actions.models import Action
from connectors.models import Connector
from rules.models import Rule, RuleAction
from spaces import boundaries
from spaces.checks import boundaries_stand
from tests.factories import make_action, make_connector, make_rule, make_space

pytestmark = pytest.mark.django_db


def refused(write: Any) -> bool:
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        return True
    return False


def test_an_action_has_no_connector_of_another_space() -> None:
    action, theirs = make_action(make_connector(make_space())), make_connector(make_space())
    assert refused(lambda: Action.objects.filter(pk=action.pk).update(connector=theirs))
    assert refused(lambda: Action.objects.create(space=action.space, public_id="x", name="x", connector=theirs))
    mine = make_connector(action.space)
    assert not refused(lambda: Action.objects.filter(pk=action.pk).update(connector=mine))


def test_an_action_may_have_a_preconfigured_connector_or_none() -> None:
    action = make_action(make_connector(make_space()))
    shared = Connector.objects.create(space=None, public_id="shared", type="http", name="Shared")
    for connector in (shared, None):
        assert not refused(lambda connector=connector: Action.objects.filter(pk=action.pk).update(connector=connector))


def test_a_rule_triggers_no_action_of_another_space() -> None:
    space, elsewhere = make_space(), make_space()
    rule, theirs = make_rule(space), make_action(make_connector(elsewhere))
    assert refused(lambda: RuleAction.objects.create(rule=rule, action=theirs))
    link = RuleAction.objects.create(rule=rule, action=make_action(make_connector(space)))
    assert refused(lambda: RuleAction.objects.filter(pk=link.pk).update(action=theirs))


@pytest.mark.parametrize("model", [Connector, Action, Rule])
def test_nothing_moves_to_another_space(model: Any) -> None:
    space, elsewhere = make_space(), make_space()
    make_rule(space, actions=[make_action(make_connector(space))])
    row = model.objects.get()
    assert refused(lambda: model.objects.filter(pk=row.pk).update(space=elsewhere))
    assert not refused(row.save)


@pytest.mark.django_db(transaction=True)
def test_they_are_taken_down_for_a_migration_and_put_up_after_it() -> None:
    """SQLite refuses to make a table anew that another table's trigger names."""
    try:
        call_command("migrate", "actions", "0001", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert boundaries.missing("default") == []
    action, theirs = make_action(make_connector(make_space())), make_connector(make_space())
    assert refused(lambda: Action.objects.filter(pk=action.pk).update(connector=theirs))


def test_a_missing_one_is_told_and_a_migration_puts_it_up() -> None:
    boundaries.take_down("default")
    (told,) = boundaries_stand(None, databases=["default"])
    assert (told.id, told.hint) == ("switchyard.boundaries", "Run manage.py migrate.")
    boundaries.put_up("default")
    assert boundaries_stand(None, databases=["default"]) == []
