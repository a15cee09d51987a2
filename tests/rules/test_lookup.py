"""Looking rules up finds exactly those that may match an event, and takes no longer for those that cannot."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.evaluation import lookup
from rules.evaluation.guards import Guards, value_at
from rules.evaluation.lookup import Lookup
from rules.types.base import Watch


@dataclass(frozen=True, eq=False)
class Ruled:
    """What the lookup knows of a rule."""

    watch: Watch
    guards: Guards = field(default_factory=dict)


def may_match(rule: Ruled, envelope: dict[str, Any]) -> bool:
    """The reference: every demand of the rule, asked one by one."""
    watch = rule.watch
    return (
        watch.covers_type(envelope["type"])
        and watch.covers_source(envelope["source"])
        and watch.covers_subject(envelope.get("subject", ""))
        and all(value_at(envelope, path) in list(values) for path, values in rule.guards.items())
    )


_WORDS = st.sampled_from(["a", "b", "a.b", "a.c", "a.b.c", "switchyard.x", ""])
_PATTERNS = st.lists(
    st.sampled_from(["a", "b", "a.b", "a.b.c", "switchyard.x", "*", "a*", "a.*", "a.b*", "switchyard.*"]),
    unique=True,
    max_size=4,
)
_FILTERS = st.lists(
    st.sampled_from(["a", "a/b", "a/+", "+/b", "+", "#", "a/#", "+/+", "/", "$s/#", "$s/b", "a/b/c"]),
    unique=True,
    max_size=4,
)
_SUBJECTS = st.sampled_from(["a", "a/b", "b/b", "a/b/c", "a/", "/", "$s", "$s/b", "b"])
_PATHS = st.sampled_from(
    [("type",), ("data",), ("data", "site"), ("data", "deep", "er"), ("data", "deep"), ("subject",)]
)
_VALUES = st.sampled_from(["a", "b", "c"])
_RULES = st.lists(
    st.builds(
        Ruled,
        st.builds(Watch, _PATTERNS, _PATTERNS, _FILTERS),
        st.dictionaries(_PATHS, st.frozensets(_VALUES, min_size=1), max_size=3),
    ),
    max_size=40,
)
_DATA = st.recursive(
    st.one_of(_VALUES, st.none(), st.integers(0, 3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["site", "deep", "er"]), inner)
    ),
    max_leaves=6,
)
_EVENTS = st.fixed_dictionaries(
    {"type": _WORDS, "source": _WORDS}, optional={"subject": _SUBJECTS, "data": _DATA}
)  # fmt: skip


@pytest.mark.parametrize(("few", "rounds"), [(0, 1000), (2, 1000), (0, 2), (12, 32)])
@given(rules=_RULES, events=st.lists(_EVENTS, min_size=1, max_size=6))
def test_the_lookup_finds_what_asking_every_rule_finds_and_each_once(
    few: int, rounds: int, rules: list[Ruled], events: list[dict[str, Any]]
) -> None:
    with patch.multiple(lookup, _FEW=few, _ROUNDS=rounds):
        found = Lookup(rules)
        for envelope in events:
            wanted = [rule for rule in rules if may_match(rule, envelope)]
            candidates = found.candidates(envelope)
            assert sorted(map(id, candidates)) == sorted(map(id, wanted))


class Nothing(Watch):
    """Covers no event."""

    def covers_type(self, event_type: str) -> bool:
        return False


def test_a_rule_that_watches_nothing_is_never_found() -> None:
    found = Lookup([Ruled(Nothing()), *(Ruled(Nothing((), ("s",))) for _ in range(20))])
    assert found.candidates({"type": "t", "source": "s"}) == []


_KINDS: list[Callable[[int], Ruled]] = [
    lambda kind: Ruled(Watch((f"type{kind}",))),
    lambda kind: Ruled(Watch((f"type{kind}.*", "other"))),
    lambda kind: Ruled(Watch(("a.*",), (f"/source/{kind}",))),
    lambda kind: Ruled(Watch((), (f"/source/{kind}/*",))),
    lambda kind: Ruled(Watch(("a", "b"), (), (f"site/{kind}/+", f"{kind}/#"))),
    lambda kind: Ruled(Watch(), {("data", "site"): frozenset({f"site-{kind}"})}),
    lambda kind: Ruled(Watch(), {("data", f"field-{kind}"): frozenset({"on"})}),
    lambda kind: Ruled(Watch((f"type{kind // 32}",), (), (f"site/{kind % 32}/#",))),
    lambda kind: Ruled(Watch(), {("type",): frozenset({f"t{kind // 32}"}), ("subject",): frozenset({f"s{kind % 32}"})}),
]


@pytest.mark.parametrize("number", range(len(_KINDS)))
def test_ten_thousand_rules_are_no_more_work_than_ten_when_ten_can_match(number: int) -> None:
    kind = _KINDS[number]
    few = Lookup([kind(500) for _ in range(10)])
    many = Lookup([kind(each // 10) for each in range(10_000)])
    for envelope in (_envelope_of(kind(500)), {"type": "new", "source": "new"}):
        assert len(many.candidates(envelope)) == len(few.candidates(envelope))
        assert _calls(many, envelope) <= _calls(few, envelope) + 24


def _envelope_of(rule: Ruled) -> dict[str, Any]:
    """Return an event that the rule may match."""
    watch = rule.watch
    envelope: dict[str, Any] = {
        "type": watch.event_types[0].replace("*", "x") if watch.event_types else "t",
        "source": watch.sources[0].replace("*", "x") if watch.sources else "s",
        "subject": watch.subjects[0].replace("+", "x").replace("#", "x/y") if watch.subjects else "s",
        "data": {},
    }
    for (*above, name), (value, *_) in ((path, list(values)) for path, values in rule.guards.items()):
        (envelope["data"] if above else envelope)[name] = value
    return envelope


def _calls(found: Lookup[Ruled], envelope: dict[str, Any]) -> int:
    """Return how many functions, also of C, are called to look the event up."""
    called: list[str] = []
    sys.setprofile(lambda _, event, __: called.append(event))
    try:
        found.candidates(envelope)
    finally:
        sys.setprofile(None)
    return called.count("call") + called.count("c_call")
