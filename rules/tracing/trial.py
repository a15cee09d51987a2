"""Tries a rule before it is saved: whether it matches, why not, and what it would send. Nothing is stored or sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from actions.engine.rendering import Fault, compiled_params, render
from actions.models import MAX_ORDERING_KEY, Action
from actions.occasions import Occasion
from actions.services.params import compile_ordering_key
from actions.templating import CompiledParams
from connectors.outcomes import Reason
from rules.conditions import bind
from rules.evaluation.envelope import alert_in
from rules.incoming import MAX_HOPS
from rules.models import Rule
from rules.services.rules import Draft
from rules.tracing.dry_run import DryRun, dry_run
from rules.tracing.explain import Clock, Explainer, Verdict
from rules.tracing.places import place
from rules.tracing.reading import Sample
from rules.types.registry import get_type

SECONDS: Final = 5.0
LARGEST: Final = 16 * 1024  # bytes of a message as JSON; of a longer one its beginning is shown
BEGINNING: Final = 2000  # characters of that
_OVER: Final = "The time for one try is over: it was not rendered."


@dataclass(frozen=True, slots=True)
class Sending:
    """What an action would send: the rendered params, the beginning of them where they are long, or why nothing.

    ``reason`` and ``detail`` are as a dead delivery would have them, ``note`` says what else keeps it from being sent.
    """

    action: str
    connector: str
    message: dict[str, Any] | None = None
    beginning: str = ""
    size: int = 0
    ordering_key: str = ""
    reason: str = ""
    detail: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What the rule makes of one event."""

    sample: Sample
    verdict: Verdict
    sendings: Sequence[Sending] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """What the rule makes of the events and, where it runs by itself, what one run comes to.

    ``left_out`` is how many events there was no time for.
    """

    events: Sequence[Tried] = ()
    left_out: int = 0
    run: DryRun | None = None


@dataclass(frozen=True, slots=True)
class _Message:
    """An action of the draft, ready to render."""

    action: Action
    params: CompiledParams | Fault
    ordering_key: CompiledParams | None


def try_rule(draft: Draft, samples: Sequence[Sample]) -> Trial:
    """Return what the rule would do with the events, within some seconds; raise TooBusy.

    A rule that runs by itself is also run once, as if it had just been enabled; no event makes it send anything.
    """
    is_scheduled = get_type(draft.rule.type).is_scheduled
    run = dry_run(draft) if is_scheduled else None
    with place():
        clock = Clock(SECONDS)
        explainer = explainer_of(draft.rule)
        messages = [] if is_scheduled else list(_messages(draft))
        tried: list[Tried] = []
        for sample in samples:
            if clock.is_over:
                break
            verdict = explainer.explain(bind(sample.envelope), clock)
            sendings = [_send(draft.rule, each, sample, clock) for each in messages] if verdict.matched else []
            tried.append(Tried(sample, verdict, sendings))
        return Trial(tried, len(samples) - len(tried), run)


def explainer_of(rule: Rule) -> Explainer:
    """Return the rule, ready to explain; its params are such as the type takes."""
    rule_type = get_type(rule.type)
    return Explainer(rule_type.watch(rule_type.params_model.model_validate(rule.params)), rule.condition)


def _messages(draft: Draft) -> Iterator[_Message]:
    keys = [link.action.pk for link in draft.links]
    actions = Action.objects.select_related("connector", "space").in_bulk(keys)
    for key in dict.fromkeys(keys):
        if key in actions:
            action = actions[key]
            yield _Message(action, compiled_params(action), compile_ordering_key(action.ordering_key))


def _send(rule: Rule, message: _Message, sample: Sample, clock: Clock) -> Sending:
    action = message.action
    connector = action.connector.public_id if action.connector else action.lost_connector_id
    if clock.is_over:
        return Sending(action.public_id, connector, note=_OVER)
    occasion = Occasion(sample.envelope, {"id": rule.public_id, "name": rule.name}, alert_in(sample.envelope))
    rendered, fault = render(action, message.params, occasion)
    key = ""
    if fault is None and message.ordering_key is not None:
        ordered, fault = render(action, message.ordering_key, occasion)
        key = ordered.get("ordering_key", "")
        if len(key) > MAX_ORDERING_KEY:
            fault = Reason.TOO_LARGE, f"The ordering key has more than {MAX_ORDERING_KEY} characters."
    if fault is not None:
        return Sending(action.public_id, connector, reason=fault[0].value, detail=fault[1], note=_note(action, sample))
    text = orjson.dumps(rendered)
    is_long = len(text) > LARGEST
    return Sending(
        action.public_id,
        connector,
        message=None if is_long else rendered,
        beginning=text.decode()[:BEGINNING] if is_long else "",
        size=len(text),
        ordering_key=key,
        note=_note(action, sample),
    )


def _note(action: Action, sample: Sample) -> str:
    """Return what else keeps the message from being sent."""
    if not action.enabled:
        return "The action is disabled: nothing would be made of it."
    if sample.hop > MAX_HOPS:
        return f"{MAX_HOPS} deliveries, one after the other, led to the event: it would end dead as a loop."
    if action.connector is not None and not action.connector.enabled:
        return "The connector is disabled: it would wait until that is enabled."
    return ""
