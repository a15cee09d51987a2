"""The rules of a space, compiled once per version."""

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from actions.models import Action
from actions.services import complete_params
from actions.services.deliveries import Target, target_of
from actions.services.params import compile_ordering_key
from actions.template_context import COSTLY, Fixed, about_space, fixed_context
from actions.templating import CompiledParams
from connectors.models import Connector
from rules.conditions import Condition, ConditionError
from rules.evaluation.guards import Guards, guards_of
from rules.evaluation.lookup import Lookup
from rules.evaluation.terms import NO_TERMS, Terms, terms_of
from rules.models import Rule, RuleAction
from rules.named_conditions import expand
from rules.services.conditions import named_in
from rules.silences.silence import Audible
from rules.silences.stored import audible, windows_of
from rules.types.base import Gatherer, GatheringRuleType, Watch
from rules.types.registry import UnknownRuleType, get_type
from rules.variables import about_rule
from spaces.errors import InvalidInput
from spaces.models import Space

logger = logging.getLogger(__name__)

_MAX_NAMED: Final = 500  # rules in one query by their keys


@dataclass(frozen=True, slots=True)
class Link:
    """An action of a rule: where to, and the compiled message, or why that does not compile any more."""

    target: Target
    params: CompiledParams | None
    failure: str
    fixed: Fixed  # what templates see that is the same for every event
    costly: frozenset[str] = frozenset()  # what else they name
    ordering_key: CompiledParams | None = None
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """A rule, ready to evaluate. ``condition`` is None when every watched event matches.

    ``has_terms`` says whether any link has terms of its own: where none has, no event pays for the question.
    One with a ``gatherer`` triggers nothing by itself: what it meets is summed up for its runs.
    """

    id: int
    epoch: int
    public_id: str
    about: dict[str, Any]  # `rule` in templates
    watch: Watch
    condition: Condition | None
    guards: Guards
    audible: Audible
    gatherer: Gatherer | None = None
    links: tuple[Link, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)  # the named conditions that stand in its own
    version: int = 0
    has_terms: bool = False

    def is_current(self, named: Mapping[str, str]) -> bool:
        """Whether the named conditions in it are what they were when it was compiled."""
        return all(named.get(name) == text for name, text in self.named.items())


AllRules = dict[tuple[int, int], CompiledRule]  # by rule and version


Templates = tuple[CompiledParams, CompiledParams | None]  # the params and, where it has one, the ordering key
AllTemplates = dict[tuple[int, int, int], Templates | str]  # by action, its version and its connector's


class RuleSet:
    """The enabled rules of one space at one revision of its configuration."""

    def __init__(self, space: Space, former: "RuleSet | None") -> None:
        """Load the rules of ``space``; what ``former`` compiled and has not changed since is taken over."""
        self.revision = space.config_revision
        self._about = about_space(space)
        self._rules: AllRules = {}
        self._templates: AllTemplates = {}
        self._load(space, former)
        self._lookup = Lookup(list(self._rules.values()))
        self.windows = windows_of(space.pk)
        # Whether anything can be silent at all: where nothing can, no event pays for the question.
        self.has_silences = bool(self.windows) or any(rule.audible.has_own for rule in self._rules.values())

    def candidates(self, envelope: dict[str, Any]) -> list[CompiledRule]:
        """Return the rules that may match: they watch its type, source and subject, and their guards let it pass."""
        return self._lookup.candidates(envelope)

    def _load(self, space: Space, former: "RuleSet | None") -> None:
        enabled = RuleAction.objects.filter(rule__space=space, rule__enabled=True, action__enabled=True)
        actions = Action.objects.filter(pk__in=enabled.values("action_id")).select_related("connector")
        by_action = {action.pk: self._link(action, former) for action in actions}
        named = named_in(space.pk)
        links: dict[int, list[Link]] = {}
        # Rows, not instances: most spaces have far fewer actions than links.
        rows = enabled.order_by("id").values_list("rule_id", "action_id", "condition", "time_frame")
        for rule_id, action_id, condition, time_frame in rows:
            if (link := by_action.get(action_id)) is not None:
                if condition or time_frame:
                    link = _with_terms(link, condition, time_frame, named)
                links.setdefault(rule_id, []).append(link)
        for key, rule in _rules(space, former._rules if former is not None else {}, named):
            own = tuple(links.get(key[0], ()))
            has_terms = any(link.terms is not NO_TERMS for link in own)
            self._rules[key] = replace(rule, links=own, has_terms=has_terms)

    def _link(self, action: Action, former: "RuleSet | None") -> Link:
        connector = action.connector
        if connector is None:
            return _lost(action)
        key = (action.pk, action.version, connector.version)
        if former is not None and key in former._templates:
            self._templates[key] = former._templates[key]
        elif key not in self._templates:
            self._templates[key] = _compile(action, connector)
        compiled = self._templates[key]
        failure = compiled if isinstance(compiled, str) else ""
        params, ordering_key = (None, None) if isinstance(compiled, str) else compiled
        return Link(
            target=target_of(action),
            params=params,
            failure=failure,
            fixed=fixed_context({"id": action.public_id, "name": action.name}, connector, self._about),
            costly=_costly(params, ordering_key),
            ordering_key=ordering_key,
        )


def _with_terms(link: Link, condition: str, frame: dict[str, Any] | None, named: Mapping[str, str]) -> Link:
    try:
        return replace(link, terms=terms_of(expand(condition, named).text, frame))
    except ConditionError as error:
        # It was checked when it was saved: only a changed installation can bring this about.
        return replace(link, params=None, failure=f"The condition of the rule's action does not compile: {error}")


def _rules(space: Space, known: AllRules, named: Mapping[str, str]) -> Iterator[tuple[tuple[int, int], CompiledRule]]:
    """Yield the enabled rules of the space without their links; what is known is not read again."""
    enabled = Rule.objects.filter(space=space, enabled=True).order_by("id")
    changed: set[int] = set()
    for key in enabled.values_list("pk", "version"):
        if key in known and known[key].is_current(named):
            yield key, known[key]
        else:
            changed.add(key[0])
    for rule in enabled if len(changed) > _MAX_NAMED else enabled.filter(pk__in=changed):
        if rule.pk not in changed:
            continue
        try:
            yield (rule.pk, rule.version), _compiled(rule, named)
        except (UnknownRuleType, ValueError, ConditionError) as error:
            # It was checked when it was saved: only a changed installation can bring this about.
            logger.error("Rule %s of space %s cannot run: %s", rule.public_id, space.slug, error)


def _compiled(rule: Rule, named: Mapping[str, str]) -> CompiledRule:
    rule_type = get_type(rule.type)
    condition = expand(rule.condition, named)
    params = rule_type.params_model.model_validate(rule.params)
    return CompiledRule(
        id=rule.pk,
        epoch=rule.epoch,
        public_id=rule.public_id,
        about=about_rule(rule),
        watch=rule_type.watch(params),
        version=rule.version,
        audible=audible(rule),
        condition=Condition(condition.text) if condition.text.strip() else None,
        guards=guards_of(condition.text),
        named=condition.used,
        gatherer=rule_type.gatherer(params) if isinstance(rule_type, GatheringRuleType) else None,
    )


def _lost(action: Action) -> Link:
    """Return the link to an action whose connector was deleted: what it is triggered for ends dead."""
    return Link(
        target=target_of(action),
        params=None,
        failure=f'The connector "{action.lost_connector_id}" was deleted. Give the action another one.',
        fixed={},
    )


def _costly(*templates: CompiledParams | None) -> frozenset[str]:
    return COSTLY & {name for each in templates if each is not None for name in each.names}


class RuleSets:
    """The rule sets of this process; each is loaded again when its space's configuration moved."""

    def __init__(self) -> None:
        self._sets: dict[int, RuleSet] = {}
        self._lock = threading.Lock()

    def of(self, space_ids: set[int]) -> dict[int, RuleSet]:
        """Return the present rule set of each space; one query when nothing changed."""
        spaces = list(Space.objects.filter(pk__in=space_ids))
        with self._lock:
            for space in spaces:
                known = self._sets.get(space.pk)
                if known is None or known.revision != space.config_revision:
                    self._sets[space.pk] = RuleSet(space, known)
            return {space.pk: self._sets[space.pk] for space in spaces}


def _compile(action: Action, connector: Connector) -> Templates | str:
    """Return the action's compiled templates, or why they do not compile any more."""
    try:
        return complete_params(connector, action.params)[1], compile_ordering_key(action.ordering_key)
    except InvalidInput as error:
        return f"The action's params no longer fit its connector: {error}"


rule_sets = RuleSets()
