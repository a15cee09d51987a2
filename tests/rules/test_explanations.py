"""Why a rule matches an event or not: the parts of its condition, what each comes to, and what the event has there."""

from typing import Any

import pytest

from rules.conditions import bind
from rules.tracing.explain import MAX_PARTS, MAX_VALUE, Clock, Explainer, Part, Verdict, preview, split
from rules.types.base import Watch

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/plant/a",
    "type": "sensor.reading",
    "subject": "plant/a/oven",
    "data": {"temperature": 21.5, "site": "north", "tags": ["a"], "flag": 3, "text": "x" * 500},
}


def explain(condition: str, watch: Watch | None = None, seconds: float = 5.0, **event: Any) -> Verdict:
    return Explainer(watch or Watch(), condition).explain(bind({**EVENT, **event}), Clock(seconds))


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("a", [("", "a")]),
        ("a && b || c", [("", "a"), ("&&", "b"), ("||", "c")]),
        ("a&&b||c", [("", "a"), ("&&", "b"), ("||", "c")]),
        ("(a || b) && c", [("", "(a || b)"), ("&&", "c")]),
        ("((a && b))", [("", "a"), ("&&", "b")]),
        ("(a) && (b)", [("", "(a)"), ("&&", "(b)")]),
        ("!(a && b) && c", [("", "!(a && b)"), ("&&", "c")]),
        ('a == "x && y" && b', [("", 'a == "x && y"'), ("&&", "b")]),
        (
            "a == ')' && b == '''||''' && c == r\"\\\"",
            [("", "a == ')'"), ("&&", "b == '''||'''"), ("&&", 'c == r"\\"')],
        ),
        ("l.exists(x, x > 1 && x < 3) && [a && b] == {'k': c || d}", None),
        ("a ? b && c : d || e", [("", "a ? b && c : d || e")]),
        ("a.?b.orValue(true) && l[?0].hasValue()", [("", "a.?b.orValue(true)"), ("&&", "l[?0].hasValue()")]),
        ("a // b && c\n  &&\n  d", [("", "a"), ("&&", "d")]),
    ],
)
def test_a_condition_is_split_outside_of_brackets_and_texts(
    condition: str, parts: list[tuple[str, str]] | None
) -> None:
    expected = parts or [("", "l.exists(x, x > 1 && x < 3)"), ("&&", "[a && b] == {'k': c || d}")]
    assert list(split(condition)) == expected


@pytest.mark.parametrize(
    ("part", "result", "reason", "values"),
    [
        ("event.data.temperature > 30.0", "false", "", {"event.data.temperature": "21.5"}),
        ("event.data.temperature > 20.0", "true", "", {"event.data.temperature": "21.5"}),
        ("event.data.pressure > 1", "error", "event.data.pressure does not exist.", {"event.data.pressure": None}),
        ("event.data.site.a == 1", "error", "event.data.site has no fields", {"event.data.site.a": None}),
        ('event.data["site"].startsWith("s")', "false", "", {"event.data.site": '"north"'}),
        ("event.data.?pressure.orValue(0) > 1", "false", "", {"event.data.pressure": None}),
        ("has(event.data.pressure)", "false", "", {"event.data.pressure": None}),
        ("event.data.flag", "error", "must be true or false", {"event.data.flag": "3"}),
        ("event.data.tags.exists(t, t == 'b')", "false", "", {"event.data.tags": '["a"]'}),
        ("now < timestamp('2020-01-01T00:00:00Z')", "false", "", {}),
    ],
)
def test_each_part_has_its_own_result_and_the_values_it_was_made_of(
    part: str, result: str, reason: str, values: dict[str, str | None]
) -> None:
    verdict = explain(f'event.type == "sensor.reading" && {part}')
    first, second = verdict.parts
    assert (first.result, second.operator, second.text, second.result) == ("true", "&&", part, result)
    assert reason in second.reason
    assert bool(reason) == bool(second.reason)
    assert {each.path: each.value for each in second.values} == values
    assert verdict.matched is (result == "true")
    assert verdict.failed_at == ("" if verdict.matched else "condition")


@pytest.mark.parametrize(
    ("watch", "condition", "event", "failed_at", "reason"),
    [
        (Watch(("order.*",)), "", {}, "type", "The rule looks at “order.*”; the type is “sensor.reading”."),
        (Watch(), "", {"type": "switchyard.delivery.dead"}, "type", "none of the installation's own"),
        (Watch((), ("/shops/*",)), "", {}, "source", "this is “/plant/a”."),
        (Watch((), (), ("plant/+/fan",)), "", {}, "subject", "this is “plant/a/oven”."),
        (Watch((), (), ("plant/+/fan",)), "", {"subject": ""}, "subject", "the event has none."),
        (Watch(), 'event.data.site in ["s", "w"]', {}, "guard", 'one of “s”, “w”; it is "north".'),
        (Watch(), 'event.data.town == "s"', {}, "guard", "has to be “s”; it does not exist."),
        (Watch(), "event.data.temperature > 30.0", {}, "condition", "The condition is false."),
        (Watch(("sensor.*",), ("/plant/a",), ("plant/#",)), "event.data.temperature > 20.0", {}, "", ""),
        (Watch(("sensor.*",)), "", {}, "", ""),
    ],
)
def test_the_first_thing_that_keeps_a_rule_from_matching_is_named(
    watch: Watch, condition: str, event: dict[str, Any], failed_at: str, reason: str
) -> None:
    verdict = explain(condition, watch, **event)
    assert (verdict.failed_at, verdict.matched) == (failed_at, not failed_at)
    assert reason in verdict.reason


def test_parts_and_values_are_bounded() -> None:
    many = " && ".join(["event.data.text != ''"] * (MAX_PARTS + 5))
    verdict = explain(many)
    assert (len(verdict.parts), verdict.parts_left_out) == (MAX_PARTS, 5)
    (value,) = verdict.parts[0].values
    assert value.value is not None
    assert len(value.value) == MAX_VALUE + 1
    assert preview({"a": ["x" * 10_000] * 100}).endswith("…")
    long = explain("event.data.text == '" + "y" * 3000 + "'").parts[0]
    assert len(long.text) < 600


def test_once_the_time_is_over_no_part_is_evaluated_and_the_whole_still_is() -> None:
    verdict = explain("event.data.flag == 3 && event.data.temperature > 30.0", seconds=-1.0)
    assert [part.result for part in verdict.parts] == ["not_evaluated"] * 2
    assert (verdict.matched, verdict.failed_at) == (False, "condition")
    assert [value.value for part in verdict.parts for value in part.values] == ["3", "21.5"]


@pytest.mark.parametrize(
    ("results", "near"),
    [
        ([("", "true"), ("&&", "false")], 1),
        ([("", "false"), ("&&", "error")], None),
        ([("", "false"), ("||", "false")], 0),
        ([("", "false"), ("&&", "false"), ("||", "true"), ("&&", "error")], 3),
        ([("", "false")], 0),
    ],
)
def test_a_near_miss_is_one_part_away_from_a_match(results: list[Any], near: int | None) -> None:
    parts = [Part(operator, "x", result) for operator, result in results]
    assert Explainer(Watch(), "x").nearly(parts) is (None if near is None else parts[near])
