"""Guards spare evaluations and never change a result."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.conditions import bind, compile_condition
from rules.evaluation.guards import guards_of, value_at


@pytest.mark.parametrize(
    ("condition", "guards"),
    [
        ("", {}),
        ('event.type == "a"', {("type",): {"a"}}),
        ("'a' == event.type", {("type",): {"a"}}),
        ('event.type == "a" && event.data.t > 3.0', {("type",): {"a"}}),
        ('event.data.site in ["a", "b"] && event.type == "c"', {("data", "site"): {"a", "b"}, ("type",): {"c"}}),
        ('event.type == "a" // && event.id == "b"\n', {("type",): {"a"}}),
        ('event.type == "a" || event.type == "b"', {}),
        ('event.type == "a" ? true : false', {}),
        ('(event.type == "a")', {("type",): {"a"}}),
        (
            '(event.type == "a" && (event.id == "b")) && event.x == "c"',
            {("type",): {"a"}, ("id",): {"b"}, ("x",): {"c"}},
        ),
        ('(event.type == "a" || event.id == "b") && event.x == "c"', {("x",): {"c"}}),
        ('(event.type == "a") == (event.id == "b")', {}),
        ('(event.type) == "a"', {}),
        ('!(event.type == "a") && event.id == "x"', {("id",): {"x"}}),
        ('event.type != "a"', {}),
        ('event.type == "a" + "b"', {}),
        ('event.data["x"] == "a"', {}),
        ('event.data.?x == optional.of("a")', {}),
        (r'event.type == "\x41"', {}),
        ('event.type == r"a"', {}),
        ('event.type in ["a", event.id]', {}),
        ('event.type in ["a", "b"][0]', {}),
        ('event.type == "a" == true', {}),
        ('event.a == "&&" && event.b == "||"', {("a",): {"&&"}, ("b",): {"||"}}),
        ('event.data.exists(x, x == "a") && event.type == "t"', {("type",): {"t"}}),
    ],
)
def test_guards_are_read_from_the_top_level_conjunction(
    condition: str, guards: dict[tuple[str, ...], set[str]]
) -> None:
    assert guards_of(condition) == guards


_TEXTS = st.sampled_from(["a", "b", "&&", "x y"])
_PATHS = st.sampled_from(["event.type", "event.data.site", "event.data.deep.er", "event.data"])
_PARTS = st.one_of(
    st.builds('{} == "{}"'.format, _PATHS, _TEXTS),
    st.builds('"{1}" == {0}'.format, _PATHS, _TEXTS),
    st.builds('{} in ["{}", "{}"]'.format, _PATHS, _TEXTS, _TEXTS),
    st.builds('{} != "{}"'.format, _PATHS, _TEXTS),
    st.sampled_from(["true", "false", "event.data.n > 3", "has(event.data.site)", '(event.type == "a" || true)']),
)
_CONDITIONS = st.lists(st.tuples(_PARTS, st.sampled_from([" && ", " || ", "&&"])), min_size=1, max_size=4).map(
    lambda parts: "".join(part + joint for part, joint in parts[:-1]) + parts[-1][0]
)
_VALUES = st.one_of(_TEXTS, st.none(), st.integers(0, 9), st.booleans(), st.lists(_TEXTS, max_size=2))
_EVENTS = st.fixed_dictionaries(
    {"type": _TEXTS},
    optional={
        "data": st.one_of(
            _VALUES,
            st.dictionaries(
                st.sampled_from(["site", "n", "deep"]), st.one_of(_VALUES, st.fixed_dictionaries({"er": _VALUES}))
            ),
        )
    },
)


@given(condition=_CONDITIONS, event=_EVENTS)
def test_an_event_that_the_guards_stop_would_not_have_matched(condition: str, event: dict[str, Any]) -> None:
    stopped = any(value_at(event, path) not in list(values) for path, values in guards_of(condition).items())
    if stopped:
        assert not compile_condition(condition).evaluate(bind(event)).matched
