"""What is refused when an action is saved, each with its place."""

import pytest

from actions.template_grammar import FILTERS, TESTS
from actions.templating import (
    TemplateError,
    compile_params,
)
from spaces.errors import InvalidInput
from tests.actions.templates import refusal, render

# --- What is refused when an action is saved ---


@pytest.mark.parametrize(
    ("template", "place", "words"),
    [
        ('{"type": "{{ event.type }}"}', "Line 1, column 11", "Leave out the quotes around {{ }}"),
        ('{"a": 1,\n "b": "Site {{ event.type }} x"}', "Line 2, column 13", '{{ "Site " ~ event.data.site }}'),
        ('{"a": {{ event.type }},}', "Line 1, column 24", "does not render to JSON: Expecting property name"),
        ('{"a": {{ event.type }}', "Line 1, column 23", "does not render to JSON"),
        ('{"é": {{ event.type }} {{ event.id }}}', "Line 1, column 24", "does not render to JSON"),
        ("Hello", "Line 1, column 1", "does not render to JSON"),
        (
            "{{ evnt.type }}",
            "Line 1, column 4",
            "“evnt” is not known here; there are event, rule, alert, alerts, action, connector, space, failure, date, "
            "console.",
        ),
        ('{"é": {{ event.type ~ items }}}', "Line 1, column 23", "“items” is not known"),
        ("{% if event.a %}{{ x }}{% endif %}", "Line 1, column 20", "“x” is not known"),
        ("{{ loop.index }}", "Line 1, column 4", "“loop” is not known"),
        ("{{ self }}", "Line 1, column 4", "“self” is not available"),
        ("{{ event.type | shout }}", "Line 1, column 17", "no filter “shout”"),
        ("{% if false %}{{ 1 | shout }}{% endif %}", "Line 1, column 22", "no filter “shout”"),
        ("{{ event.type is loud }}", "Line 1, column 18", "no test “loud”"),
        ("{{ event.type is not loud }}", "Line 1, column 22", "no test “loud”"),
        ("{{ now() }}", "Line 1, column 4", "no function “now()”"),
        ("{{ event.type.upper() }}", "Line 1, column 15", "upper() is a method"),
        ("{{ event.type", "Line 1, column 1", "}} is missing"),
        ("{% if event.a", "Line 1, column 1", "%} is missing"),
        ("{# note", "Line 1, column 1", "#} is missing"),
        ("{{ 'a }}", "Line 1, column 4", "needs a quote at its end"),
        ("{{ event.a ? 1 : 2 }}", "Line 1, column 12", "“?” is not expected here"),
        ('{"é":\n {{ 1 + }}}', "Line 2, column 9", "Unexpected end of variable block"),
        ("{% if event.a %}1", "Line 1, column 17", "Unexpected end of input"),
        ("{{ event.a * 2 }}", "Line 1, column 12", "times(1.8)"),
        ("{% raw %}x{% endraw %}", "Line 1, column 4", "{% raw %} is not available"),
        ("{{ '\ud800' }}", "Line 1, column 5", "not allowed"),
        ("{{ event.a }}" + " " * 70_000, "Line 1, column 65537", "at most 65,536 characters"),
    ],
)
def test_a_faulty_template_is_refused_with_its_place(template: str, place: str, words: str) -> None:
    detail = refusal(template)
    assert detail.startswith(f"{place}: ")
    assert words in detail


def test_every_faulty_template_is_named_by_its_pointer() -> None:
    with pytest.raises(InvalidInput) as caught:
        compile_params(
            {
                "body": {"text": "{{ nope }}", "ok": "{{ event }}", "list": ["x", {"a/b~": "{{ 1 | nope }}"}]},
                "to": "{{",
            },
            lambda field: "json" if field == "body" else "text",
            "/params",
        )
    pointers = [error.pointer for error in caught.value.errors]
    assert pointers == ["/params/body/text", "/params/body/list/1/a~1b~0", "/params/to"]


def test_a_filter_that_would_encode_twice_is_refused() -> None:
    assert "encoded here already" in refusal("/{{ event.a | urlencode }}", "url")


def test_an_empty_json_body_is_allowed() -> None:
    assert render("") == ""


def test_params_that_are_too_large_are_refused_when_saved() -> None:
    assert refusal(["x" * 200_000, "y" * 100_000], "text", "") == "Use at most 256 KiB."


def test_every_filter_and_test_that_is_allowed_is_known_to_the_engine() -> None:
    for name in FILTERS:
        with_engine_error(f"{{{{ event.missing | {name} }}}}", "nknown filter")
    for name in TESTS:
        with_engine_error(f"{{{{ 1 is {name} }}}}", "nknown test")


def with_engine_error(template: str, unwanted: str) -> None:
    try:
        outcome = str(render(template))
    except TemplateError as error:
        outcome = error.detail
    assert unwanted not in outcome
