"""What templates give, what is refused when an action is saved, and that none can do harm."""

import gc
import json
import resource
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.template_grammar import FILTERS, TESTS
from actions.templating import (
    MAX_OUTPUT,
    CompiledParams,
    RenderedTooLarge,
    TemplateError,
    compile_params,
)
from connectors.types.base import TemplateFormat
from spaces.errors import InvalidInput

EVENT: dict[str, Any] = {
    "id": "e-1",
    "type": "sensor.reading",
    "data": {
        "site": 'Berlin "Mitte" <é>\n',
        "temperature": 31.5,
        "count": 7,
        "ok": True,
        "note": None,
        "path": "a/b c&d",
        "tags": ["prod", "eu"],
        "limits": {"high": 30},
        "readings": [{"name": "a", "value": 3}, {"name": "b", "value": 7}],
        "keys": "a field that is named like a method",
    },
}
CONTEXT: dict[str, Any] = {
    "event": EVENT,
    "rule": {"id": "hot", "name": "Too hot"},
    "action": {"id": "tell"},
    "space": {"id": "default"},
}


def compiled(value: Any, form: TemplateFormat = "json") -> CompiledParams:
    return compile_params({"body": value}, lambda _: form)


def render(value: Any, form: TemplateFormat = "json", context: dict[str, Any] | None = None) -> Any:
    return compiled(value, form).render(context or CONTEXT)["body"]


def refusal(value: Any, form: TemplateFormat = "json", pointer: str = "/body") -> str:
    """Return what a person reads when they save this."""
    with pytest.raises(InvalidInput) as caught:
        compiled(value, form)
    assert len(caught.value.errors) == 1
    assert caught.value.errors[0].pointer == pointer
    return caught.value.errors[0].detail


# --- What is rendered ---


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ event }}", EVENT),
        ("{{ event.data.site }}", EVENT["data"]["site"]),
        (
            '{"site": {{ event.data.site }}, "t": {{ event.data.temperature }}}',
            {"site": EVENT["data"]["site"], "t": 31.5},
        ),
        ('{"n": {{ event.data.note }}, "ok": {{ event.data.ok }}}', {"n": None, "ok": True}),
        ('{"a": {{ "Site " ~ event.data.limits.high }}}', {"a": "Site 30"}),
        ("{ {{ event.type }}: {{ event.data.tags }} }", {"sensor.reading": ["prod", "eu"]}),
        (
            '{"rule": {{ rule.name }}, "ids": [{{ action.id }}, {{ space.id }}]}',
            {"rule": "Too hot", "ids": ["tell", "default"]},
        ),
        ('{"a": {# why #} {{ event.data.tags[0] }}}', {"a": "prod"}),
        ("{{ event.data.tags | join(', ') | upper }}", "PROD, EU"),
        ("{{ event.data.temperature | times(2) | round(1) }}", 63.0),
        ("{{ event.data.missing | default('none') }}", "none"),
        ("{{ event.data.missing is defined }}", False),
        ("{{ 'hot' if event.data.temperature > 30 else 'cold' }}", "hot"),
        ("{{ event.type in ['sensor.reading', 'x'] }}", True),
        ("{{ event.data.readings | map(attribute='value') | sum }}", 10),
        ("{{ event.data.limits | tojson }}", {"high": 30}),
        ("{% set t = event.data.temperature - 30 %}{{ t }}", 1.5),
        ("{% if event.data.ok %}[1]{% else %}[2]{% endif %}", [1]),
        (
            "[{% for r in event.data.readings %}{% if not loop.first %},{% endif %}{{ r.name }}{% endfor %}]",
            ["a", "b"],
        ),
        ("{{ '}}' }}", "}}"),
        ("{{- event.type -}}", "sensor.reading"),
    ],
)
def test_a_text_in_a_json_field_is_json(template: str, expected: Any) -> None:
    assert json.loads(render(template)) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ event.data.site }}!", EVENT["data"]["site"] + "!"),
        (
            "{{ event.data.temperature }} {{ event.data.note }} {{ event.data.ok }} {{ event.data.tags }}",
            '31.5 null true ["prod","eu"]',
        ),
        ("{{ event.data.limits }}", '{"high":30}'),
        ("{{ event.type }}\n", "sensor.reading\n"),
        ("{% for tag in event.data.tags %}{{ loop.index }}: {{ tag }}; {% endfor %}", "1: prod; 2: eu; "),
        ("no template } }} %}", "no template } }} %}"),
    ],
)
def test_a_text_field_has_values_as_they_are(template: str, expected: str) -> None:
    assert render(template, "text") == expected


def test_a_url_field_has_every_value_encoded() -> None:
    template = "/s/{{ event.data.path }}?q={{ event.data.site }}&t={{ event.data.tags }}&n={{ event.data.count }}"
    site = quote(EVENT["data"]["site"], safe="")
    assert render(template, "url") == f"/s/a%2Fb%20c%26d?q={site}&t=%5B%22prod%22%2C%22eu%22%5D&n=7"
    assert render("{{ event.data.path }}", "url") == "a%2Fb%20c%26d"


def test_a_structure_in_a_json_field_keeps_its_shape_and_the_types_of_values() -> None:
    value = {
        "site": "Site {{ event.data.site }}",
        "t": "{{ event.data.temperature }}",
        "count": "{{ event.data.count | abs }}",
        "limits": ["{{ event.data.limits }}", 5, None, True],
        "{{ key }}": "literal",
        "note": "{{ event.data.note }}",
        "padded": " {{ event.data.count }}",
    }
    assert render(value) == {
        "site": f"Site {EVENT['data']['site']}",
        "t": 31.5,
        "count": 7,
        "limits": [{"high": 30}, 5, None, True],
        "{{ key }}": "literal",
        "note": None,
        "padded": " 7",
    }


def test_a_structure_in_a_text_field_holds_texts() -> None:
    assert render({"x-count": "{{ event.data.count }}"}, "text") == {"x-count": "7"}


def test_each_field_has_its_own_format() -> None:
    formats: dict[str, TemplateFormat] = {"path": "url", "body": "json", "subject": "text"}
    params = compile_params(
        {"path": "/{{ event.data.path }}", "body": "{{ event.data.path }}", "subject": "{{ event.data.path }}", "n": 1},
        lambda field: formats.get(field, "text"),
    )
    assert params.render(CONTEXT) == {"path": "/a%2Fb%20c%26d", "body": '"a/b c&d"', "subject": "a/b c&d", "n": 1}


def test_only_what_json_demands_is_escaped() -> None:
    """No \\u003c for <, >, & and ', which other template engines write for the sake of HTML."""
    context = {"event": {"a": "<b> & 'c' \" \\ \n \u2028 é 😀 \x00"}}
    expected = '"<b> & \'c\' \\" \\\\ \\n \u2028 é 😀 \\u0000"'
    assert render("{{ event.a }}", context=context) == expected
    assert render("{{ event.a }}{# by the engine #}", context=context) == expected


@pytest.mark.parametrize("number", [0, -1, 2**53 + 1, 2**64 - 1, 10**30, 0.1, -0.0, 1e-7, 1e308, 10**38])
def test_numbers_come_through(number: float) -> None:
    for template in ("{{ event.n }}", "{{ event.n }}{# by the engine #}"):
        assert json.loads(render(template, context={"event": {"n": number}})) == number


# --- Event data cannot break out (hostile inputs 15 and 16) ---

BREAKERS = ['","admin":true,"x":"', '"}', "\\", '\\"', "{{ event }}", "{% raw %}", "</script>", "\n", "\x00", "\u2028"]


@pytest.mark.parametrize("text", BREAKERS)
def test_event_data_cannot_break_out_of_json(text: str) -> None:
    context = {"event": {"a": text, "l": [text], "o": {text: text}}}
    template = '{"a": {{ event.a }}, "l": {{ event.l }}, "o": {{ event.o }}, "j": {{ "x" ~ event.a }}}'
    assert json.loads(render(template, context=context)) == {
        "a": text,
        "l": [text],
        "o": {text: text},
        "j": f"x{text}",
    }
    assert render({"a": "Say {{ event.a }}"}, context=context) == {"a": f"Say {text}"}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(value=json_values)
def test_any_json_value_is_itself_in_json(value: Any) -> None:
    context = {"event": {"data": value}}
    assert json.loads(render("{{ event.data }}", context=context)) == value
    assert json.loads(render('[{{ event.data }}, "by the engine"]', context=context)) == [value, "by the engine"]
    assert render({"a": "{{ event.data }}"}, context=context) == {"a": value}


@pytest.mark.parametrize(
    "template", ["{{ event.a | safe }}", "{{ event.a | escape }}", "{% autoescape false %}x{% endautoescape %}"]
)
def test_escaping_cannot_be_turned_off(template: str) -> None:
    refusal(template)


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
        ("{{ evnt.type }}", "Line 1, column 4", "“evnt” is not known here; there are event, rule, action, space."),
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


# --- What fails when rendered ---


@pytest.mark.parametrize(
    ("template", "detail"),
    [
        ("{{ event.data.nope }}", "Line 1, column 4: event.data.nope does not exist."),
        ('{"a": {{ event.data.nope }}}', "Line 1, column 10: event.data.nope does not exist."),
        ("[{{ event.nope.deep.down }}]", "Line 1, column 10: event.nope does not exist."),
        ("{% for r in event.data.readings %}{{ r.nope }}{% endfor %}", "Line 1, column 38: r.nope does not exist."),
        ("{{ event.data.tags[9] }}", "Line 1, column 4: event.data.tags[9] does not exist."),
        ("{{ event.data.site.street }}", "Line 1, column 4: event.data.site.street does not exist."),
        ("{% if event.data.nope %}1{% endif %}", "Line 1, column 12: event.data.nope does not exist."),
        ("{{ 1 / 0 }}", "Line 1, column 4: Unable to calculate 1 / 0."),
        ("{{ event.type | times(2) }}", "times needs two numbers."),
        ("{{ event.data.ok | times(2) }}", "times needs two numbers."),
        (
            "{% if event.data.ok %}[1,{% endif %}",
            "The rendered text is not JSON: unexpected end of data: line 1 column 4 (char 3).",
        ),
    ],
)
def test_what_cannot_be_rendered_says_where_and_why(template: str, detail: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render({"a": template} if template == "{{ event.data.nope }}" else template)
    assert caught.value.pointer == ("/body/a" if template == "{{ event.data.nope }}" else "/body")
    assert caught.value.detail == detail
    assert str(caught.value) == f"{caught.value.pointer}: {detail}"


@pytest.mark.parametrize("form", ["json", "text", "url"])
@pytest.mark.parametrize("name", ["nope", "items", "keys", "values", "get", "copy", "update", "count", "index", "sort"])
def test_a_missing_field_is_an_error_whatever_its_name(form: TemplateFormat, name: str) -> None:
    """Also when Python's dict and list have a method of that name."""
    context = {"event": {"o": {}, "l": [], "name": name}}
    for path in (f"event.o.{name}", f"event.l.{name}", f"event.o['{name}']", "event.o[event.name]"):
        with pytest.raises(TemplateError, match="does not exist"):
            render(f"{{{{ {path} }}}}", form, context)
        assert render(f"{{{{ {path} is defined }}}}", form, context) == "false"
        assert render(f"{{{{ {path} | default(5) }}}}", form, context) == "5"


@pytest.mark.parametrize("name", ["items", "keys", "count"])
def test_a_field_may_have_the_name_of_a_method(name: str) -> None:
    context = {"event": {name: [{name: 1}]}}
    assert render(f"{{{{ event.{name} }}}}", context=context) == f'[{{"{name}":1}}]'
    template = f"{{% for x in event.{name} %}}{{{{ x.{name} }}}}{{% endfor %}}"
    assert render(template, context=context) == "1"
    assert render(f"{{{{ event.{name} | map(attribute='{name}') | first }}}}", context=context) == "1"


def test_output_beyond_the_limit_is_too_large() -> None:
    params = {"a": "{{ event.s }}", "b": "{{ event.s }}{# by the engine #}", "c": "constant"}
    template = compile_params(params, lambda _: "text")
    half = "é" * (MAX_OUTPUT // 4 - 8)
    assert template.render({"event": {"s": half}}) == {"a": half, "b": half, "c": "constant"}
    with pytest.raises(RenderedTooLarge) as caught:
        template.render({"event": {"s": half + "é" * 16}})
    assert caught.value.pointer == "/b"
    assert "256 KiB" in caught.value.detail


# --- No template can do harm (hostile input 14) ---


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ event.__class__ }}",
        "{{ event['__class__'] }}",
        "{{ event.data.__init__.__globals__ }}",
        "{{ event.data.tags.__class__ }}",
        "{{ event | attr('__class__') }}",
        "{{ event.data | map('attr', '__class__') }}",
        "{{ event.data.readings | map(attribute='__class__') | first }}",
        "{{ event.delete() }}",
        "{{ event.data.clear() }}",
        "{{ event.data['clear']() }}",
        "{{ (event.data.clear)() }}",
        "{% set f = event.data.clear %}{{ f() }}",
        "{% set range = event.data.clear %}{{ range() }}",
        "{% do event.data.clear() %}",
        "{% call event.data.clear() %}{% endcall %}",
        "{{ clear() }}",
        "{{ event.data | items }}",
        "{{ debug() }}",
        "{{ lipsum() }}",
        "{{ cycler }}",
        "{{ dict(a=1) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as x %}",
        "{% extends 'x' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for x in event.data.readings recursive %}{{ loop(x) }}{% endfor %}",
    ],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_template_reaches_nothing_but_data(template: str, form: TemplateFormat) -> None:
    before = orjson.dumps(CONTEXT)
    with pytest.raises((InvalidInput, TemplateError)):
        render(template, form)
    assert orjson.dumps(CONTEXT) == before


HUGE: dict[str, Any] = {
    "event": {
        "s": "a b" * 40_000,
        "l": list(range(40_000)),
        "o": {f"k{n}": n for n in range(15_000)},
        "n": 5,
    }
}


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(300) %}" * 3 + "x" + "{% endfor %}" * 3,
        "{{ range(100000000) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '%.1000000000f' | format(1.5) }}",
        "{{ 'a' * 1000000000 }}",
        "{{ [1] * 100000000 }}",
        "{{ event.l * 100000 }}",
        "{{ 'a' | center(50000000) }}",
        "{{ 'a' | indent(1000000000) }}",
        "{{ event.l | tojson(indent=100000) }}",
        "{{ event.l | map('tojson', 100000) | list }}",
        "{{ event.s | replace('a', event.s) }}",
        "{{ event.s | replace('', event.s) }}",
        "{{ event.l | join(event.s) }}",
        "{{ event.s ~ event.s ~ event.s }}",
        "{{ 9 ** 100000000 }}",
        "{% set a = 'aaaaaaaa' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
        "{% set a = event.l %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
        "{% set a = event.l %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
        "{% set a = event.l %}" + "{% set a = (a, a) %}" * 60 + "{{ a }}",
        "{% set a = event.l %}" + "{% set a = a, a %}" * 60 + "{{ a }}",
        "{% set a = event.l %}" + "{% set a = a | zip(a) | list %}" * 60 + "{{ a }}",
        "{% set a %}{{ event.s }}{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60 + "{{ a }}",
        "{% set n = namespace(a=event.l) %}{% for i in range(60) %}{% set n.a = [n.a, n.a] %}{% endfor %}{{ n.a }}",
        "{% for a in event.l, 1 %}{% for b in a + a, 1 %}{{ b }}{% endfor %}{% endfor %}",
        "{{ " + " + ".join(["event.l"] * 300) + " }}",
        "{{ {event.o: 1} }}",
        "{% for i in range(100000) %}{% if event.o | first %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{% for k in event.o %}{% break %}{% endfor %}{% endfor %}",
        "{% for i in range(100000) %}{% if event.l == event.l %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{% if event.s | upper == 'A' %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{% if event.l | sort | unique | list %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{{ event }}{% endfor %}",
        "{% for i in range(100000) %}{{ event.s }}{% endfor %}",
        "{% if 1 %}" * 5000 + "{% endif %}" * 5000,
        "{% if 1 %}" + "{% elif 1 %}" * 5000 + "{% endif %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ " + "not " * 10_000 + "1 }}",
        "{{ " + "-" * 10_000 + "1 }}",
        "{{ 1" + " if 1 else 1" * 4000 + " }}",
        "{{ event" + ".a" * 20_000 + " }}",
        "{{ 1" + " | abs" * 10_000 + " }}",
        "{{ [" + "[" * 10_000 + "]" * 10_000 + "] }}",
    ],
    ids=lambda template: template[:60],
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_template_takes_much_time_or_memory(template: str, form: TemplateFormat) -> None:
    started, memory = time.process_time(), peak_memory()
    with pytest.raises((InvalidInput, TemplateError)):
        render(template, form, HUGE)
    assert time.process_time() - started < 5
    assert peak_memory() - memory < 200_000


def peak_memory() -> int:
    """KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_failure_of_the_engine_is_the_templates_error() -> None:
    class Broken(dict[str, Any]):
        def __iter__(self) -> Iterator[str]:
            raise RuntimeError

    with pytest.raises(TemplateError, match="engine failed"):
        render("{{ event.l | unique | list }}", "text", {"event": {"l": [Broken(a=1), Broken(a=2)]}})


template_texts = st.lists(
    st.sampled_from(
        ["{{", "}}", "{%", "%}", "{#", "#}", "event", ".data", ".tags", "x", " ", "if ", "for ", "in ", "endfor"]
    )
    | st.sampled_from(
        ["endif", "set ", "=", "|", "upper", "join", "(", ")", "[", "]", "'a'", '"', "1", ",", "-", "+", "*", "\n"]
    ),
    max_size=25,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(template=template_texts, form=st.sampled_from(["json", "text", "url"]))
def test_any_text_is_rendered_or_plainly_refused(template: str, form: TemplateFormat) -> None:
    try:
        outcome = render(template, form)
    except InvalidInput as error:
        outcome = error.errors[0].detail
        outcome = outcome if outcome.startswith("Line ") else None
    except TemplateError as error:
        outcome = error.detail
    assert isinstance(outcome, str)


# --- Threads and memory ---


@pytest.mark.parametrize("form", ["json", "text"])
def test_many_threads_render_the_same_params(form: TemplateFormat) -> None:
    params = compiled("[{% for n in event.l %}{{ n }},{% endfor %} {{ event.id }}]", form)

    def check(start: int) -> None:
        for number in range(start, start + 200):
            context = {"event": {"id": number, "l": [number, number]}}
            assert params.render(context)["body"] == f"[{number},{number}, {number}]"
            if number % 50 == 0:
                compiled("{{ event.id }} {{ event.l }}", "text").render(context)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check, range(0, 1600, 200)))


def test_params_that_are_dropped_are_freed() -> None:
    params = compiled('{"a": {{ event.id }}}')
    params.render(CONTEXT)
    dropped = weakref.ref(params)
    del params
    gc.collect()
    assert dropped() is None


def test_compiling_thousands_of_versions_leaks_nothing() -> None:
    def compile_many() -> None:
        for number in range(1500):
            compiled(f'{{"a": {{{{ event.id }}}}, "text": "{"x" * 2000}{number}"}}').render(CONTEXT)

    compile_many()
    before = peak_memory()
    compile_many()
    compile_many()
    assert peak_memory() - before < 20_000
