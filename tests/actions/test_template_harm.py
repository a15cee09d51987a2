"""No template can do harm."""

import time
from collections.abc import Iterator
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.templating import (
    TemplateError,
)
from connectors.types.base import TemplateFormat
from spaces.errors import InvalidInput
from tests.actions.templates import CONTEXT, peak_memory, render

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
        "{{ event.s ~ event.s ~ event.s ~ event.s ~ event.s }}",
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
        "{% for i in range(100000) %}{% if event.s | truncate(1) %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{% if event.l | json | truncate(1) %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{% if event.s | html | markdown | slack %}{% endif %}{% endfor %}",
        "{% for i in range(100000) %}{% if range(90000) | url %}{% endif %}{% endfor %}",
        "{{ " + "event.s" + " | markdown" * 30 + " }}",
        "{{ event.n | date('%Y' * 100000) }}",
        "{{ event.n | date('" + "%A" * 10_000 + "') }}",
        "{{ event.n | number(event.l | length | times(1000)) }}",
        "{{ event.s | truncate(10, event.s) }}",
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
@given(template=template_texts, form=st.sampled_from(get_args(TemplateFormat)))
def test_any_text_is_rendered_or_plainly_refused(template: str, form: TemplateFormat) -> None:
    try:
        outcome = render(template, form)
    except InvalidInput as error:
        outcome = error.errors[0].detail
        outcome = outcome if outcome.startswith("Line ") else None
    except TemplateError as error:
        outcome = error.detail
    assert isinstance(outcome, str)
