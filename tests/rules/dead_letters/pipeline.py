"""Events on their way through the pipeline of this process."""

from typing import Any

from actions.models import Action, Delivery, EventLogEntry
from rules.evaluation.rounds import evaluate_round
from rules.services.accept import accept_events
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule
from tests.receiver import Receiver
from tests.rules.test_pipeline import fall_due, incoming, sweep_and_wake, wait_for_states
from tests.servers import wait_until

State = Delivery.State

__all__ = [
    "State",
    "accept",
    "entries",
    "fall_due",
    "hold",
    "incoming",
    "only",
    "send_now",
    "through",
    "wait_for_states",
]


def through(space: Space, to: Receiver, *, rule: bool = True, **policy: Any) -> Action:
    """Make an action that sends there, with a rule that triggers it for every event unless ``rule`` is false."""
    action = make_action(make_connector(space, url=to.url), **policy)
    if rule:
        make_rule(space, actions=[action])
    return action


def accept(space: Space, count: int = 1, **data: Any) -> None:
    """Accept and evaluate events."""
    accept_events(space.pk, [incoming(**data) for _ in range(count)])
    evaluate_round()


def send_now() -> None:
    """Have a worker take up what is due."""
    sweep_and_wake()


def only(action: Action) -> Delivery:
    """Return the action's one delivery."""
    return Delivery.objects.get(action=action)


def entries(delivery: Delivery) -> list[tuple[str, str, str]]:
    """Return what the event log has of a delivery, in order: what was done, its outcome and reason."""
    found = EventLogEntry.objects.filter(delivery_id=delivery.pk).order_by("id")
    return list(found.values_list("action", "outcome", "reason"))


def hold(space: Space, to: Receiver, count: int = 1, **policy: Any) -> Action:
    """Make deliveries that the receiver does not answer before its release; wait until they are under way."""
    to.hold = True
    action = through(space, to, **policy)
    accept(space, count)
    wait_until(lambda: len(to.requests) == count, "the requests come to the receiver", 15)
    return action
