"""Templates: the strings of an action's params, compiled once and rendered for each event.

The language is MiniJinja (https://docs.rs/minijinja), cut down by actions.template_grammar. A value is written by the
format of its field:

- ``json``: a string is a JSON text: each value comes as JSON, a string with its quotes, and only ``"``, ``\\`` and
  control characters are escaped, as RFC 8259 says (``<``, ``>``, ``&`` stay). The whole must be JSON. In an object or a
  list, each string within is plain text for the connector to serialise, and one that is a single ``{{ … }}`` keeps
  the value's own type.
- ``text``: strings as they are, other values as JSON.
- ``url``: the same, percent-encoded with nothing left safe.
- the formats of actions.escaping: the same, with what the target would read as markup escaped.

Nothing but JSON data comes in, a missing field is an error, and work and output are bounded. Integers beyond 128 bits
are rounded.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final

import minijinja
import orjson
from django.conf import settings

from actions import template_filters
from actions.template_data import Meter, guarded
from actions.template_filters import FilterError, filters_of, json_text
from actions.template_grammar import (
    FUNCTIONS,
    Fault,
    NotJson,
    Tag,
    check_json,
    check_tags,
    find_name,
    is_expression,
    needs_guard,
    plain_path,
    read_tags,
)
from actions.template_paths import READERS, MissingField, Rewritten, rewrite
from actions.template_writing import WRITERS, write_path
from connectors.types.base import TemplateFormat
from spaces.errors import FieldError, InvalidInput
from spaces.validation import extend

VARIABLES: Final = {
    "event": "The event as CloudEvents has it; what the sender said is event.data.",
    "rule": "The rule that matched: id, name, type, tags, url.",
    "alert": "The alert, where the event is a change of one (key, group, state, since, value, ...); else null.",
    "alerts": "The new, ongoing, recovered and all alerts, where the event is a summary of them; else null.",
    "action": "The action that is taken: id, name.",
    "connector": "The connector that it is sent through: id, name, type.",
    "space": "The space of them all: id, name.",
    "failure": "Why another action's delivery died, where this action is its fallback; else null.",
    "date": "When the message is rendered, as 2026-03-01T12:30:00.123456Z.",
    "console": "Addresses of the console: url, its own, and event_url, the event's.",
}
MAX_PARAMS: Final = 256 * 1024  # bytes of what an action says itself
# Some 0.1 s at most; a list of 128,000 numbers, the longest in an event of 256 KiB, costs 190,000 to write.
_FUEL: Final = 250_000
_MAX_DETAIL: Final = 300
_TOO_MUCH_WORK: Final = "This does too much work; shorten the loops or the output."


class TemplateError(Exception):
    """Params cannot be rendered for this event. ``pointer`` is the JSON pointer of the template."""

    def __init__(self, pointer: str, detail: str) -> None:
        self.pointer = pointer
        self.detail = detail
        super().__init__(f"{pointer}: {detail}")


class RenderedTooLarge(TemplateError):
    """The rendered params pass the bytes of ``most_rendered``."""


def most_rendered() -> int:
    """Return the most bytes that rendered params may have: what an action says itself and one event as a whole."""
    return MAX_PARAMS + settings.MAX_EVENT_BYTES


# Gives the format of a member of an object, from its field, the object and the member's name; None: as around it.
NestedFormat = Callable[[str, Mapping[str, Any], str], TemplateFormat | None]


def _as_around(field: str, holder: Mapping[str, Any], key: str) -> None:
    return None


class CompiledParams:
    """Params, ready to render. Made by compile_params.

    Threads may render at the same time: an environment renders one template at a time and is never changed.
    """

    def __init__(self, fields: dict[str, Any], size: int, names: frozenset[str]) -> None:
        self._fields = fields
        self._size = size
        self.names: Final = names  # the variables that stand in the templates

    def render(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the params with every template rendered; raise TemplateError or RenderedTooLarge.

        ``context`` gives JSON data for each of the variables that are named; it is not changed. What holds no template
        is shared between renderings: do not change it.
        """
        rendering = _Rendering(context, most_rendered() - self._size)
        return {name: rendering.fill(value) for name, value in self._fields.items()}


def compile_params(
    params: dict[str, Any],
    format_of: Callable[[str], TemplateFormat],
    pointer: str = "",
    nested_format: NestedFormat = _as_around,
    variables: Collection[str] = VARIABLES,
    instead_of_json: Callable[[str], str] = lambda _: "",
) -> CompiledParams:
    """Compile every string among the values, at any depth; keys are literal.

    ``format_of`` gives the format of a top-level field, ``nested_format`` that of a member of an object within;
    ``variables`` are the names that the context will have; ``instead_of_json`` says of a top-level field what to do
    where it is to be no JSON. Raises InvalidInput with an error for each bad template; its pointer starts with
    ``pointer``.
    """
    compiler = _Compiler(variables)
    fields = {
        name: compiler.compile_field(
            value, format_of(name), extend(pointer, name), partial(nested_format, name), instead_of_json(name)
        )
        for name, value in params.items()
    }
    if compiler.errors:
        raise InvalidInput(compiler.errors)
    if compiler.size > MAX_PARAMS:
        raise InvalidInput([FieldError(pointer, f"Use at most {MAX_PARAMS // 1024} KiB.")])
    return CompiledParams(fields, compiler.size, frozenset(compiler.names))


class _Template:
    """One string that is a template."""

    __slots__ = ("finish", "is_guarded", "pointer", "render", "rewritten", "source")

    def __init__(
        self,
        pointer: str,
        source: str,
        rewritten: Rewritten | None,
        is_guarded: bool,
        render: Callable[..., str],
        finish: Callable[[str], Any],
    ) -> None:
        self.pointer = pointer
        self.source = source
        self.rewritten = rewritten
        self.is_guarded = is_guarded
        self.render = render
        self.finish = finish


class _Branch:
    """An object or a list with a template somewhere within."""

    __slots__ = ("children",)

    def __init__(self, children: dict[str, Any] | list[Any]) -> None:
        self.children = children


def _is_compiled(value: Any) -> bool:
    return isinstance(value, _Template | _Branch)


_Nested = Callable[[Mapping[str, Any], str], TemplateFormat | None]


class _Compiler:
    """Compiles the strings of some params, and gathers what is wrong with them."""

    def __init__(self, variables: Collection[str]) -> None:
        self._variables = variables
        self.errors: list[FieldError] = []
        self.size = 0  # bytes of the strings that are no templates
        self.names: set[str] = set()
        self._environments: dict[TemplateFormat, minijinja.Environment] = {}
        self._count = 0

    def compile_field(self, value: Any, form: TemplateFormat, pointer: str, nested: _Nested, advice: str) -> Any:
        """Return a _Template, a _Branch that holds one, or the value itself. ``advice`` is for what is no JSON."""
        if isinstance(value, str):
            return self._compile_text(value, form, True, pointer, advice)
        return self._compile_within(value, form, pointer, nested)

    def _compile_within(self, value: Any, form: TemplateFormat, pointer: str, nested: _Nested) -> Any:
        if isinstance(value, str):
            return self._compile_text(value, form, False, pointer)
        if isinstance(value, dict):
            fields = {
                key: self._compile_within(item, nested(value, key) or form, extend(pointer, key), nested)
                for key, item in value.items()
            }
            return _Branch(fields) if any(map(_is_compiled, fields.values())) else value
        if isinstance(value, list):
            items = [self._compile_within(item, form, extend(pointer, n), nested) for n, item in enumerate(value)]
            return _Branch(items) if any(map(_is_compiled, items)) else value
        return value

    def _compile_text(self, source: str, form: TemplateFormat, is_whole: bool, pointer: str, advice: str = "") -> Any:
        is_json = form == "json" and is_whole
        try:
            tags = read_tags(source)
            if is_json and source.strip():
                check_json(source, tags)
            if tags:
                return self._compile_template(source, tags, form, is_whole, pointer)
        except Fault as fault:
            message = f"{fault.message} {advice}" if advice and isinstance(fault, NotJson) else fault.message
            self.errors.append(FieldError(pointer, f"{_place(source, fault.start)}: {message}"))
        else:
            self.size += len(source.encode())
        return source

    def _compile_template(
        self, source: str, tags: list[Tag], form: TemplateFormat, is_whole: bool, pointer: str
    ) -> _Template:
        check_tags(tags, form)
        path = plain_path(source, tags)
        finish: Callable[[str], Any] = str
        if form == "json" and is_whole:
            finish = str if path else _checked_json
        elif form == "json" and is_expression(source, tags):
            finish = orjson.loads
        elif form == "json":
            form = "text"
        if form not in self._environments:
            self._environments[form] = _environment(form)
        environment = self._environments[form]
        self._count += 1
        name = f"{self._count}.json"
        try:
            environment.add_template(name, source)
        except minijinja.TemplateError as error:
            raise Fault(_sentence(error), _start(error, source)) from None
        named = environment.undeclared_variables_in_template(name) - FUNCTIONS
        if unknown := named - {*self._variables}:
            place = find_name(tags, unknown)
            known = ", ".join(self._variables)
            raise Fault(f"“{place.text}” is not known here; there are {known}.", place.start)
        self.names |= named
        if rewritten := rewrite(source, tags):
            environment.add_template(name, rewritten.text)
        render: Callable[..., str] = partial(environment.render_template, name)
        if path:
            render = partial(write_path, path, WRITERS[form], render)
        return _Template(pointer, source, rewritten, needs_guard(tags), render, finish)


class _Rendering:
    """One rendering: the data, and how many bytes may still be written."""

    __slots__ = ("_context", "_guarded", "_meter", "_room")

    def __init__(self, context: Mapping[str, Any], room: int) -> None:
        self._context = context
        self._guarded: dict[str, Any] | None = None
        self._meter = Meter()
        self._room = room
        template_filters.begin()

    def fill(self, value: Any) -> Any:
        """Return a compiled value with its templates rendered."""
        if isinstance(value, _Template):
            return self._render(value)
        if not isinstance(value, _Branch):
            return value
        if isinstance(value.children, dict):
            return {key: self.fill(child) for key, child in value.children.items()}
        return [self.fill(child) for child in value.children]

    def _render(self, template: _Template) -> Any:
        text = self._write(template)
        self._room -= len(text) if text.isascii() else len(text.encode())
        if self._room < 0:
            raise RenderedTooLarge(template.pointer, f"The message has more than {most_rendered() // 1024} KiB.")
        try:
            return template.finish(text)
        except ValueError as error:
            raise TemplateError(template.pointer, f"The rendered text is not JSON: {error}.") from None

    def _write(self, template: _Template) -> str:
        text = fault = ""
        try:
            text = template.render(**(self._guard() if template.is_guarded else self._context))
        except minijinja.TemplateError as error:
            fault = f"{_place(template.source, _start_in(template, error))}: {_sentence(error)}"
        except MissingField as error:
            fault = f"{_place(template.source, error.start)}: {error}"
        except FilterError as error:
            fault = _placed(template.source, error)
        except (TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
            fault = str(error) or type(error).__name__
        except BaseException as error:
            # A panic of the engine, which is no Exception; its type cannot be imported.
            if type(error).__name__ != "PanicException":
                raise
            fault = f"The template engine failed: {error}."
        if self._meter.is_spent:
            fault = _TOO_MUCH_WORK
        if fault:
            raise TemplateError(template.pointer, fault[:_MAX_DETAIL])
        return text

    def _guard(self) -> dict[str, Any]:
        if self._guarded is None:
            self._guarded = {name: guarded(value, self._meter) for name, value in self._context.items()}
        return self._guarded


def _environment(form: TemplateFormat) -> minijinja.Environment:
    """Return an engine that writes values in this format. JSON's escaping comes with the templates' names."""
    environment = minijinja.Environment(
        undefined_behavior="strict",
        fuel=_FUEL,
        pycompat=False,
        keep_trailing_newline=True,
        filters={**filters_of(form), **READERS},
    )
    if form == "json":
        for name in ("json", "tojson"):
            environment.add_filter(name, _safe_json)
    if form == "text":
        environment.finalizer = _as_text
    elif form != "json":
        environment.finalizer = partial(_as_escaped, WRITERS[form])
    return environment


def _as_text(value: Any) -> Any:
    return minijinja.safe(value) if isinstance(value, str) else NotImplemented


def _as_escaped(write: Callable[[Any], str], value: Any) -> Any:
    # None may be a missing field, which the engine refuses.
    return NotImplemented if value is None else minijinja.safe(write(value))


def _safe_json(value: Any) -> Any:
    return minijinja.safe(json_text(value))


def _checked_json(text: str) -> str:
    orjson.loads(text)
    return text


def _place(source: str, start: int) -> str:
    before = source[:start]
    return f"Line {before.count(chr(10)) + 1}, column {start - before.rfind(chr(10))}"


def _placed(source: str, error: FilterError) -> str:
    """Return what a filter says, with the place of the filter where that is certain."""
    tokens = [token for tag in read_tags(source) for token in tag.tokens if token.text == error.filter]
    return f"{_place(source, tokens[0].start)}: {error}" if len(tokens) == 1 else str(error)


def _start_in(template: _Template, error: minijinja.TemplateError) -> int:
    if template.rewritten is None:
        return _start(error, template.source)
    return template.rewritten.original(_start(error, template.rewritten.text))


def _start(error: minijinja.TemplateError, source: str) -> int:
    """Return the offset of an error, which the engine counts in bytes."""
    return len(source.encode()[: error.range[0]].decode(errors="ignore")) if error.range else 0


def _sentence(error: minijinja.TemplateError) -> str:
    detail = (error.detail or "").replace("`", "")
    if error.kind == "UndefinedError":
        return f"{detail.removesuffix(' is undefined') or 'A value'} does not exist."
    if error.kind == "OutOfFuel":
        return _TOO_MUCH_WORK
    text = detail or error.message.partition(" (in ")[0]
    return f"{text[:1].upper()}{text[1:]}."
