"""Conditions hold out: whatever the expression and the event, there is an answer, soon and in bounded memory."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.conditions import MAX_REASON_LENGTH, Condition, ConditionError, Match, bind, compile_condition

EVENT: dict[str, Any] = {
    "id": "e-1",
    "source": "/plant/a",
    "type": "sensor.reading",
    "time": "2026-03-01T12:00:00Z",
    "data": {
        "temperature": 31,
        "humidity": 44.5,
        "site": "Berlin",
        "ok": True,
        "note": None,
        "tags": ["prod", "eu"],
        "weird key": 2,
        "event": "nested",
        "readings": [{"value": 3}, {"value": 7}],
        "limits": {"high": 30.0},
    },
}


def evaluate(text: str, event: dict[str, Any] = EVENT) -> Match:
    return compile_condition(text).evaluate(bind(event))


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("event.x == '\ud800'", 1, 13, "not allowed"),
        ("event.x == '\0'", 1, 13, "not allowed"),
        ("(" * 200 + "true" + ")" * 200, 1, 1, "nested too deeply"),
        ("true || " * 512 + "true", 1, 1, "4,100 characters; at most 4,096"),
    ],
)
def test_what_no_file_holds_is_refused_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert words in caught.value.message
    assert "\n" not in caught.value.message
    assert str(caught.value) == f"Line {line}, column {column}: {caught.value.message}"


def test_what_compiles_no_more_fails_with_its_place() -> None:
    match = Condition("event.x == 1 &&\n  nothing").evaluate(bind(EVENT))
    assert (match.matched, match.is_failure) == (False, True)
    assert match.reason == "Line 2, column 3: “nothing” is not known here; everything starts at “event” or “now”."


def test_now_is_one_time_for_all_conditions_of_an_event() -> None:
    bound = bind(EVENT)
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False):
        assert compile_condition('now == timestamp("2026-03-01T12:00:00Z")').evaluate(bound).matched
    with time_machine.travel("2026-03-01T13:00:00Z", tick=False):
        assert compile_condition('now == timestamp("2026-03-01T12:00:00Z")').evaluate(bound).matched
        assert compile_condition('now == timestamp("2026-03-01T13:00:00Z")').evaluate(bind(EVENT)).matched


def test_each_evaluation_has_its_own_allowance_of_characters() -> None:
    condition = compile_condition('event.text.trim().size() == 1500000 && event.short.trim() == "a"')
    bound = bind({"text": "a" * 1_500_000, "short": " a "})
    assert [condition.evaluate(bound).matched for _ in range(3)] == [True, True, True]
    twice = compile_condition("event.text.trim() == event.text.trim()").evaluate(bound)
    assert twice.reason == "The functions go through more than 2,000,000 characters for this event."
    assert compile_condition('event.short.trim() == "a"').evaluate(bound).matched


def test_functions_of_ours_run_in_several_threads_at_once() -> None:
    condition = compile_condition('event.text.split(",").exists(part, topic_matches("a/+", part))')
    bounds = [bind({"text": ",".join([f"x/{number}"] * 300 + [f"a/{number}" * (number % 2)])}) for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda bound: condition.evaluate(bound).matched, bounds))
    assert found == [number % 2 == 1 for number in range(200)]


def test_a_pattern_in_plain_text_is_no_pattern() -> None:
    assert not evaluate("event.type == 'x.matches(\"(\")'").matched


def test_an_evil_pattern_ends_at_once() -> None:
    condition = compile_condition('event.text.matches("^(a+)+$") || event.text.matches("(x+x+)+y")')
    bound = bind({"text": "a" * 100_000 + "!"})
    started = time.process_time()
    assert not condition.evaluate(bound).matched
    assert time.process_time() - started < 5


def test_loops_stop_at_the_iteration_budget() -> None:
    text = "event.l.all(a, event.l.all(b, event.l.all(c, a - b < 1000 || c > 0)))"
    match = evaluate(text, {"l": list(range(300))})
    assert not match.matched
    assert "iteration budget" in match.reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("event.l.all(x, x in [" + "1, " * 400 + "1])", "at most 1,000 characters"),
        ("+".join(["event.s"] * 18) + ' == "a"', "more than 16"),
    ],
)
def test_what_could_fill_the_memory_is_refused_when_saved(text: str, words: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text)
    assert words in caught.value.message


def _deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        *(10**30, -(10**30), 10**5000, float("nan"), float("inf"), 1e308, "\ud800", {"\ud800": 1}, {1: 2}, (1, 2)),
        *(_deep(64), _deep(300), _deep(100_000), datetime.now(UTC), object(), {1, 2}, b"\xff"),
    ],
    ids=lambda value: str(type(value).__name__),
)
@pytest.mark.parametrize(
    "text",
    [
        *("event.x == 1", "event.x > 5", "event.y == 2", "event == event", "event.x.trim() == event.y"),
        *('cidr("10.0.0.0/8", event.x)', 'topic_matches("#", event.x)', 'event.x.split(event.x) == [""]'),
    ],
)
def test_no_event_makes_a_condition_raise(text: str, value: Any) -> None:
    match = compile_condition(text).evaluate(bind({"x": value, "y": 2}))
    assert isinstance(match.matched, bool)
    assert len(match.reason) <= MAX_REASON_LENGTH


def test_an_integer_beyond_64_bits_is_text_and_spoils_nothing_else() -> None:
    event = {"id": 10**29 + 1, "other": 10**29 + 2, "most": 2**64 - 1, "data": {"ids": [10**30], "n": 3}}
    assert evaluate("event.id != event.other", event).matched
    assert evaluate('event.id == "100000000000000000000000000001"', event).matched
    assert evaluate("event.data.n == 3 && event.most > 9223372036854775807", event).matched
    match = evaluate("event.data.ids[0] > 5", event)
    assert (match.matched, match.reason) == (False, "“>” does not work with (string, int).")


def test_a_long_key_does_not_make_a_long_reason() -> None:
    match = evaluate("event.data[event.key] == 1", {"data": {}, "key": "k" * 100_000})
    assert not match.matched
    assert len(match.reason) == MAX_REASON_LENGTH


def test_a_null_result_leaves_the_interpreter_sound() -> None:
    """cel-expr-python 0.1.3 loses a reference to None each time a null result is read; thousands end the process."""
    condition = compile_condition("event.note")
    before = sys.getrefcount(None)
    for _ in range(2000):
        condition.evaluate(bind({"note": None}))
    assert abs(sys.getrefcount(None) - before) < 500


def test_a_bound_event_serves_many_conditions() -> None:
    bound = bind(EVENT)
    conditions = [compile_condition(f"event.data.temperature > {limit}") for limit in range(25, 35)]
    assert sum(condition.evaluate(bound).matched for condition in conditions) == 6


def test_one_condition_serves_many_threads() -> None:
    conditions = [
        compile_condition(f"event.n % 7 == {rest} && event.data.missing > 1 || event.n == 3") for rest in range(7)
    ]

    def check(start: int) -> int:
        count = 0
        for n in range(start, start + 300):
            bound = bind({"n": n, "data": {"missing": n}})
            matches = [condition.evaluate(bound).matched for condition in conditions]
            assert matches == [n == 3 or (n > 1 and n % 7 == rest) for rest in range(7)]
            count += sum(matches)
        return count

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(check, range(10, 8 * 300 + 10, 300))) == 8 * 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(value=json_values, other=json_values)
def test_any_json_can_be_evaluated(value: Any, other: Any) -> None:
    bound = bind({"a": value, "b": other})
    for text in (
        "event.a == event.b",
        "event.a < event.b",
        "event.a.b.c",
        "event.a[0] in event.b",
        "event.a.all(x, x)",
    ):
        match = compile_condition(text).evaluate(bound)
        assert isinstance(match.matched, bool)
        assert not (match.matched and match.reason)


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="event.dx0 ()[]{}?:!&|=<>+-*/%\"'\\\n,_rb", max_size=40))
def test_any_text_is_a_condition_or_a_plain_refusal(text: str) -> None:
    refusal: ConditionError | None = None
    try:
        evaluate(text)
    except ConditionError as error:
        refusal = error
    assert refusal is None or (refusal.line >= 1 and refusal.column >= 1 and "<input>" not in refusal.message)
