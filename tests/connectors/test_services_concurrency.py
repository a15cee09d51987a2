"""Changes at the same moment, from several threads with a database connection each."""

from collections.abc import Callable
from functools import partial
from threading import Barrier, Thread

import pytest
from django.db import connection

from actions.models import Action
from actions.services import create_action, delete_action
from connectors.models import Connector
from connectors.services import delete_connector, update_connector
from rules.models import Rule
from rules.services import create_rule
from spaces.errors import InUse, InvalidInput
from spaces.models import Space
from tests.factories import make_action, make_connector, make_space

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def connector(space: Space) -> Connector:
    return make_connector(space, secrets={"password": "p", "token": "t"})


def at_once(*tasks: Callable[[], object]) -> list[Exception | None]:
    """Run the tasks together; return what each raised."""
    raised: list[Exception | None] = [None] * len(tasks)
    together = Barrier(len(tasks))

    def run(number: int) -> None:
        try:
            together.wait(30)
            tasks[number]()
        except Exception as error:  # noqa: BLE001  the test looks at whatever it is
            raised[number] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=(number,)) for number in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return raised


def test_no_change_is_lost(space: Space, connector: Connector) -> None:
    before = Space.objects.get(pk=space.pk).config_revision
    for number in range(ROUNDS):
        raised = at_once(
            partial(update_connector, connector, name=f"name {number}"),
            partial(update_connector, connector, enabled=bool(number % 2)),
            partial(update_connector, connector, secrets={"password": f"p{number}"}),
            partial(update_connector, connector, secrets={"token": f"t{number}"}),
        )
        assert raised == [None] * 4
        now = Connector.objects.get(pk=connector.pk)
        assert (now.name, now.enabled, now.version) == (f"name {number}", bool(number % 2), 1 + 4 * (number + 1))
        opened = {name: secret.get_secret_value() for name, secret in now.secrets.open().items()}
        assert opened == {"password": f"p{number}", "token": f"t{number}"}
    assert Space.objects.get(pk=space.pk).config_revision == before + 4 * ROUNDS


def test_one_of_many_gets_the_id(space: Space) -> None:
    raised = at_once(*[partial(make_connector, space, public_id="mine")] * 4)
    assert raised.count(None) == 1
    assert [type(error) for error in raised if error] == [InvalidInput] * 3
    assert space.connectors.filter(public_id="mine").count() == 1


def test_a_connector_is_deleted_or_used_never_both(space: Space) -> None:
    for _ in range(ROUNDS):
        connector = make_connector(space)
        created, deleted = at_once(
            partial(create_action, space, connector=connector, name="A", params={}),
            partial(delete_connector, connector),
        )
        assert (type(created), type(deleted)) in {(InvalidInput, type(None)), (type(None), InUse)}
        used = Action.objects.filter(connector_id=connector.pk).exists()
        assert used == Connector.objects.filter(pk=connector.pk).exists()


def test_an_action_is_deleted_or_triggered_never_both(space: Space, connector: Connector) -> None:
    for _ in range(ROUNDS):
        action = make_action(connector)
        created, deleted = at_once(
            partial(create_rule, space, name="R", params={}, actions=[action]),
            partial(delete_action, action),
        )
        assert (type(created), type(deleted)) in {(InvalidInput, type(None)), (type(None), InUse)}
        used = Rule.objects.filter(actions=action.pk).exists()
        assert used == Action.objects.filter(pk=action.pk).exists()
