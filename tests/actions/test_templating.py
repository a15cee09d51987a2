"""What templates give, how they fail when rendered, and that threads may share them."""

import gc
import json
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from django.conf import settings as installation
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.templating import RenderedTooLarge, TemplateError, compile_params, most_rendered
from connectors.types.base import TemplateFormat
from tests.actions.templates import CONTEXT, EVENT, compiled, peak_memory, refusal, render

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
        ("{{ event.type | times(2) }}", "Line 1, column 17: times needs two numbers."),
        ("{{ event.data.ok | times(2) }}", "Line 1, column 20: times needs two numbers."),
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
    half = "é" * (most_rendered() // 4 - 8)
    assert template.render({"event": {"s": half}}) == {"a": half, "b": half, "c": "constant"}
    with pytest.raises(RenderedTooLarge) as caught:
        template.render({"event": {"s": half + "é" * 16}})
    assert caught.value.pointer == "/b"
    assert "512 KiB" in caught.value.detail


def test_the_largest_event_fits_a_message_as_a_whole() -> None:
    event = {"id": "1", "type": "test.ping", "source": "/tests", "time": "2026-11-30T10:00:00Z", "data": ""}
    event["data"] = "x" * (installation.MAX_EVENT_BYTES - len(orjson.dumps(event)))
    assert len(orjson.dumps(event)) == installation.MAX_EVENT_BYTES
    rendered = compile_params({"body": "{{ event }}"}, lambda _: "json").render({"event": event})
    assert orjson.loads(rendered["body"]) == event


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
