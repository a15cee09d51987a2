"""Tries a rule before it is saved: whether it matches, why not, and what it would send. Nothing is stored or sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from actions.engine.clock import database_time
from actions.engine.rendering import Fault, compiled_params, render
from actions.models import MAX_ORDERING_KEY, Action
from actions.occasions import Occasion
from actions.services.params import compile_ordering_key
from actions.templating import CompiledParams
from connectors.outcomes import Reason
from rules.conditions import bind
from rules.evaluation.envelope import alert_in
from rules.evaluation.terms import Terms, terms_of
from rules.incoming import MAX_HOPS
from rules.models import Rule
from rules.services.conditions import expanded_in
from rules.services.rules import Draft
from rules.silences.silence import OUTSIDE_TIME_FRAME, Observed, Silence, silence_of
from rules.silences.stored import audible, windows_of
from rules.tracing.dry_run import DryRun, dry_run
from rules.tracing.explain import Clock, Explainer, Verdict
from rules.tracing.places import place
from rules.tracing.reading import Sample
from rules.types.registry import get_type

SECONDS: Final = 5.0
LARGEST: Final = 16 * 1024  # bytes of a message as JSON; of a longer one its beginning is shown
BEGINNING: Final = 2000  # characters of that
_NOTHING: Final = Silence("", "")
_OVER: Final = "The time for one try is over: it was not rendered."


@dataclass(frozen=True, slots=True)
class Sending:
    """What an action would send: the rendered params, the beginning of them where they are long, or why nothing.

    ``reason`` and ``detail`` are as a dead delivery would have them. ``held_back_by`` is what else keeps it from being
    sent: a cause of Suppression, or "disabled", "condition", "loop" or "time"; ``note`` says more of it.
    """

    action: str
    connector: str
    message: dict[str, Any] | None = None
    beginning: str = ""
    size: int = 0
    ordering_key: str = ""
    reason: str = ""
    detail: str = ""
    held_back_by: str = ""
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
    """An action of the draft, ready to render, and under which terms it is told."""

    action: Action
    terms: Terms
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
        silent, windows, now = audible(draft.rule), windows_of(draft.rule.space_id), database_time()
        tried: list[Tried] = []
        for sample in samples:
            if clock.is_over:
                break
            bound = bind(sample.envelope)
            verdict = explainer.explain(bound, clock)
            sendings: list[Sending] = []
            if verdict.matched and messages:
                observed = Observed(sample.envelope, bound)
                silence = silence_of(silent, windows, observed, now)
                held = [_held_back(each, sample, observed, silence, now) for each in messages]
                sendings = [_send(draft.rule, *each, sample, clock) for each in zip(messages, held, strict=True)]
            tried.append(Tried(sample, verdict, sendings))
        return Trial(tried, len(samples) - len(tried), run)


def explainer_of(rule: Rule) -> Explainer:
    """Return the rule, ready to explain; its params are such as the type takes."""
    rule_type = get_type(rule.type)
    condition = expanded_in(rule.space_id, rule.condition)
    return Explainer(rule_type.watch(rule_type.params_model.model_validate(rule.params)), condition)


def _messages(draft: Draft) -> Iterator[_Message]:
    keys = [link.action.pk for link in draft.links]
    actions = Action.objects.select_related("connector", "space").in_bulk(keys)
    for link in draft.links:
        if (action := actions.get(link.action.pk)) is not None:
            terms = terms_of(expanded_in(draft.rule.space_id, link.condition), link.time_frame)
            yield _Message(action, terms, compiled_params(action), compile_ordering_key(action.ordering_key))


def _send(rule: Rule, message: _Message, held: Silence, sample: Sample, clock: Clock) -> Sending:
    action = message.action
    connector = action.connector.public_id if action.connector else action.lost_connector_id
    if clock.is_over:
        return Sending(action.public_id, connector, held_back_by="time", note=_OVER)
    occasion = Occasion(sample.envelope, {"id": rule.public_id, "name": rule.name}, alert_in(sample.envelope))
    rendered, fault = render(action, message.params, occasion)
    key = ""
    if fault is None and message.ordering_key is not None:
        ordered, fault = render(action, message.ordering_key, occasion)
        key = ordered.get("ordering_key", "")
        if len(key) > MAX_ORDERING_KEY:
            fault = Reason.TOO_LARGE, f"The ordering key has more than {MAX_ORDERING_KEY} characters."
    sending = Sending(action.public_id, connector, held_back_by=held.cause, note=held.detail)
    if fault is not None:
        return replace(sending, reason=fault[0].value, detail=fault[1])
    text = orjson.dumps(rendered)
    if len(text) > LARGEST:
        return replace(sending, beginning=text.decode()[:BEGINNING], size=len(text), ordering_key=key)
    return replace(sending, message=rendered, size=len(text), ordering_key=key)


def _held_back(
    message: _Message, sample: Sample, observed: Observed, silence: Silence | None, now: datetime
) -> Silence:
    """Return what keeps the message from being sent, however it renders; without a cause where nothing does."""
    action = message.action
    if not action.enabled:
        return Silence("disabled", "The action is disabled: nothing would be made of it.")
    if (refusal := message.terms.refusal(observed)) is not None:
        return Silence("condition", refusal.reason or "The condition of this action is false.")
    if sample.hop > MAX_HOPS:
        detail = f"{MAX_HOPS} deliveries, one after the other, led to the event: it would end dead as a loop."
        return Silence("loop", detail)
    if silence is not None:
        return silence
    if not message.terms.is_open(now):
        return OUTSIDE_TIME_FRAME
    if action.connector is not None and not action.connector.enabled:
        return Silence("disabled", "The connector is disabled: it would wait until that is enabled.")
    return _NOTHING
