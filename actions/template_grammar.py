"""What a template may say: a part of the Jinja language that is bounded in time and memory and has no reach.

The engine charges fuel for most work, but not for all: structures built of structures grow without end while they are
written, compared or repeated, and methods of Python objects can be called. So a template is read here first, and only
what is listed below comes to the engine. Everything else is refused with its place.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from actions.template_filters import OWN_FILTERS, check_date_format, check_zone, repeated_escape
from connectors.types.base import TemplateFormat

MAX_LENGTH: Final = 65_536
# Long chains, elif among them, recurse in the engine's compiler and end the process.
MAX_TOKENS_IN_TAG: Final = 500
MAX_ELIFS: Final = 100
# + joins lists without copying, and without fuel.
MAX_ADDITIONS: Final = 16


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STATEMENTS: Final = _words("if elif else endif for endfor set endset break continue")
FILTERS: Final = (
    _words(
        "abs bool capitalize count d default dictsort filesizeformat first float format groupby indent int join last"
        " length lines list lower map max min pluralize reject rejectattr replace reverse round select selectattr sort"
        " split string striptags sum title trim unique upper urlencode"
    )
    | OWN_FILTERS
)
TESTS: Final = _words(
    "boolean defined divisibleby endingwith eq equalto even false float ge greaterthan gt in integer iterable le"
    " lessthan lower lt mapping ne none number odd sameas sequence startingwith string true undefined upper"
)
FUNCTIONS: Final = frozenset({"range"})
_CONSTANTS: Final = frozenset({"true", "false", "none", "True", "False", "None"})
KEYWORDS: Final = _CONSTANTS | STATEMENTS | {"and", "or", "not", "in", "is"}
# What an attribute that an object or a list lacks would find on the Python object behind it.
_METHODS: Final = frozenset(name for kind in (dict, list) for name in dir(kind) if not name.startswith("_"))


class Fault(Exception):
    """A template that is refused: why, and the offset of the place."""

    def __init__(self, message: str, start: int) -> None:
        self.message = message
        self.start = start
        super().__init__(message)


class NotJson(Fault):
    """A template that cannot render to JSON, where it has to."""


class Token(NamedTuple):
    """A piece of a tag: kind is string, number, name or sign."""

    kind: str
    text: str
    start: int


class Tag(NamedTuple):
    """A tag of a template: ``{{ variable }}``, ``{% block %}`` or ``{# comment #}``, from start to end."""

    kind: Literal["variable", "block", "comment"]
    start: int
    end: int
    tokens: list[Token]


_OPENING = re.compile(r"\{[{%#]")
_CLOSING: Final = {"{{": "}}", "{%": "%}"}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>\d\w*(?:\.\d\w*)?(?:(?<=[eE])[+-]\d+)?)
    | (?P<name>[^\W\d]\w*)
    | (?P<sign>\*\*|//|[=!<>]=|[-+*/%~|.,:()\[\]{}<>=])""",
    re.VERBOSE | re.DOTALL,
)


def read_tags(source: str) -> list[Tag]:
    """Return the tags of a template; raise Fault where one cannot be read."""
    if unfit := re.search("[\ud800-\udfff]", source):
        raise Fault("This character is not allowed.", unfit.start())
    tags: list[Tag] = []
    position = 0
    while opening := _OPENING.search(source, position):
        start = opening.start()
        if opening[0] == "{#":
            end = source.find("#}", start + 2) + 2
            if end < 2:
                raise Fault("This comment has no end: #} is missing.", start)
            tags.append(Tag("comment", start, end, []))
        else:
            tokens, end = _read_tokens(source, start, _CLOSING[opening[0]])
            tags.append(Tag("variable" if opening[0] == "{{" else "block", start, end, tokens))
        position = tags[-1].end
    if tags and len(source) > MAX_LENGTH:
        raise Fault(f"A template may have at most {MAX_LENGTH:,} characters.", MAX_LENGTH)
    return tags


def _read_tokens(source: str, start: int, closing: str) -> tuple[list[Token], int]:
    tokens: list[Token] = []
    # A sign of the tag itself, as in {{- and -}}, trims white space.
    position = start + (3 if source[start + 2 : start + 3] in ("-", "+") else 2)
    while position < len(source):
        if source.startswith(closing, position):
            return tokens, position + 2
        if source[position] in "-+" and source.startswith(closing, position + 1):
            return tokens, position + 3
        match = _TOKEN.match(source, position)
        if not match:
            missing = " A text needs a quote at its end." if source[position] in "\"'" else ""
            raise Fault(f"“{source[position]}” is not expected here.{missing}", position)
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match[0], position))
        if len(tokens) > MAX_TOKENS_IN_TAG:
            raise Fault("This tag is too long.", start)
        position = match.end()
    raise Fault(f"This tag has no end: {closing} is missing.", start)


def check_tags(tags: list[Tag], form: TemplateFormat) -> None:
    """Refuse what is not listed here, with a Fault. ``form`` is how its values are written."""
    additions = [token for tag in tags for token in tag.tokens if token.text == "+"]
    if len(additions) > MAX_ADDITIONS:
        raise Fault(f"There are more than {MAX_ADDITIONS} “+” in this template.", additions[MAX_ADDITIONS].start)
    elifs = [tag for tag in tags if tag.tokens[:1] and tag.tokens[0].text == "elif"]
    if len(elifs) > MAX_ELIFS:
        raise Fault(f"There are more than {MAX_ELIFS} “elif” in this template.", elifs[MAX_ELIFS].start)
    for tag in tags:
        statement = ""
        if tag.kind == "block":
            statement = _check_statement(tag)
        _Reader(tag.tokens, statement, form).check()


def _check_statement(tag: Tag) -> str:
    first = tag.tokens[0] if tag.tokens else Token("sign", "%}", tag.start)
    if first.text not in STATEMENTS:
        hint = ' Write {{ "{{" }} for the signs themselves.' if first.text == "raw" else ""
        raise Fault(f"{{% {first.text} %}} is not available in templates.{hint}", first.start)
    return first.text


_DATE_ARGUMENTS: Final[dict[str | int, Callable[[str], str]]] = {
    0: check_date_format,
    "format": check_date_format,
    1: check_zone,
    "tz": check_zone,
}
_NO_TOKEN: Final = Token("sign", "", -1)


class _Reader:
    """Walks the tokens of one tag and refuses what is not allowed where it stands."""

    def __init__(self, tokens: list[Token], statement: str, form: TemplateFormat) -> None:
        self._tokens = [_NO_TOKEN, *tokens, _NO_TOKEN, _NO_TOKEN, _NO_TOKEN]
        self._end = len(tokens) + 1
        self._statement = statement
        self._form = form
        # What each open bracket is: a call, a group, a subscript or a list.
        self._open: list[str] = []
        # In {% for key, value in … %} the names before "in" stand with commas.
        self._names_targets = statement == "for"

    def check(self) -> None:
        for index in range(1, self._end):
            token = self._tokens[index]
            if self._open[-1:] == ["list"] and not _is_constant(token):
                raise Fault("A list may hold only texts and numbers here.", token.start)
            if token.kind == "name":
                self._check_name(index)
            elif token.kind == "sign":
                self._check_sign(index)

    def _check_name(self, index: int) -> None:
        before, token, after = self._tokens[index - 1 : index + 2]
        if before.text == "|":
            self._check_filter(index)
        elif self._is_test(index):
            if token.text not in TESTS:
                raise Fault(f"There is no test “{token.text}”.", token.start)
        elif before.text == ".":
            if after.text == "(":
                raise Fault(f"{token.text}() is a method; templates have filters only: value | filter.", token.start)
        elif (token.text in FUNCTIONS) != (after.text == "(" and token.text not in KEYWORDS):
            raise Fault(f"There is no function “{token.text}()”.", token.start)
        elif token.text == "in":
            self._names_targets = False
        elif token.text in ("recursive", "self"):
            raise Fault(f"“{token.text}” is not available in templates.", token.start)

    def _is_test(self, index: int) -> bool:
        before, token = self._tokens[index - 1 : index + 1]
        if before.text == "not":
            return self._tokens[index - 2].text == "is"
        return before.text == "is" and token.text != "not"

    def _check_filter(self, index: int) -> None:
        token, after, first, second = self._tokens[index : index + 4]
        if token.text not in FILTERS:
            raise Fault(f"There is no filter “{token.text}”.", token.start)
        if repeated := repeated_escape(self._form, token.text):
            raise Fault(repeated, token.start)
        if token.text in ("json", "tojson") and after.text == "(":
            raise Fault(f"{token.text} takes no arguments.", after.start)
        if token.text == "date" and after.text == "(":
            self._check_date(index + 2)
        if token.text == "map" and after.text == "(":
            by_name = first.kind == "string" and first.text[1:-1] in FILTERS and second.text == ")"
            if not by_name and (first.text, second.text) != ("attribute", "="):
                raise Fault('Write map(attribute="…") or map("…") with one filter.', first.start)
            if repeated := repeated_escape(self._form, first.text[1:-1]):
                raise Fault(repeated, first.start)

    def _check_date(self, index: int) -> None:
        """Refuse a format or a time zone that cannot be, where it is written out."""
        position, name = 0, ""
        for before, token in itertools.pairwise(self._tokens[index - 1 : self._end]):
            if token.text == ")":
                return
            if token.text == ",":
                position, name = position + 1, ""
            elif token.text == "=":
                name = before.text
            elif token.kind == "string" and "\\" not in token.text:
                check = _DATE_ARGUMENTS.get(name or position)
                if check and (fault := check(token.text[1:-1])):
                    raise Fault(fault, token.start)

    def _check_sign(self, index: int) -> None:
        before, token = self._tokens[index - 1 : index + 1]
        if token.text in ("*", "**"):
            raise Fault(f"“{token.text}” is not available; write {{{{ value | times(1.8) }}}}.", token.start)
        if token.text in "{}":
            raise Fault("“{” and “}” are not available within a tag.", token.start)
        if token.text == "+" and self._statement == "set":
            raise Fault("“+” cannot be used in set; to join texts use “~”.", token.start)
        if token.text == "(":
            self._open.append(self._bracket(before, "call", "group"))
        elif token.text == "[":
            self._open.append(self._bracket(before, "subscript", "list"))
        elif token.text in (")", "]") and self._open:
            self._open.pop()
        elif token.text == "," and not self._may_list():
            raise Fault("“,” is not expected here.", token.start)

    def _bracket(self, before: Token, after_value: str, alone: str) -> str:
        """Return what a bracket is, by what stands before it."""
        is_value = before.text in (")", "]") or before.kind in ("string", "number")
        is_value = is_value or (before.kind == "name" and before.text not in KEYWORDS)
        if is_value and after_value == "call" and before.kind != "name":
            raise Fault("A value cannot be called.", before.start)
        return after_value if is_value else alone

    def _may_list(self) -> bool:
        return self._open[-1] in ("call", "list") if self._open else self._names_targets


def _is_constant(token: Token) -> bool:
    return token.kind in ("string", "number") or token.text in _CONSTANTS or token.text in (",", "-", "[", "]")


def is_expression(source: str, tags: list[Tag]) -> bool:
    """Whether a template is one ``{{ … }}`` and nothing else."""
    return len(tags) == 1 and tags[0].kind == "variable" and (tags[0].start, tags[0].end) == (0, len(source))


def plain_path(source: str, tags: list[Tag]) -> list[str]:
    """Return the names of a template that is one ``{{ a.b.c }}`` and nothing else, none for any other."""
    tokens = tags[0].tokens if is_expression(source, tags) else []
    names, dots = tokens[0::2], tokens[1::2]
    is_path = len(names) == len(dots) + 1 and all(token.kind == "name" for token in names)
    return [token.text for token in names] if is_path and all(token.text == "." for token in dots) else []


def needs_guard(tags: list[Tag]) -> bool:
    """Whether plain Python data is not good enough for a template.

    It may read a field that is named like a method of dict or list, such as items, or walk objects in a loop.
    """
    loops = any(tag.kind == "block" and tag.tokens[0].text == "for" for tag in tags)
    return loops or any(_may_read_method(*triple) for tag in tags for triple in _triples(tag.tokens))


def _may_read_method(before: Token, token: Token, after: Token) -> bool:
    if token.kind == "string" and (before.text != "[" or after.text == "]"):
        return not _METHODS.isdisjoint(token.text[1:-1].split("."))
    if before.text == ".":
        return token.text in _METHODS
    if before.text == "[":  # What a computed subscript names is known only when it is rendered.
        return token.kind != "number" or after.text != "]"
    return token.text in ("attribute", "selectattr", "rejectattr", "groupby")


def _triples(tokens: list[Token]) -> Iterator[tuple[Token, Token, Token]]:
    return zip([_NO_TOKEN, *tokens], tokens, [*tokens[1:], _NO_TOKEN], strict=False)


def find_name(tags: list[Tag], names: set[str]) -> Token:
    """Return the first place where one of these variables stands."""
    return next(
        token
        for tag in tags
        for before, token, _ in _triples(tag.tokens)
        if token.text in names and before.text not in (".", "|")
    )


def check_json(source: str, tags: list[Tag]) -> None:
    """Refuse a template that cannot render to JSON, with a Fault."""
    _check_quotes(source, tags)
    if any(tag.kind == "block" for tag in tags):
        return  # Which parts come together is known only when it is rendered.
    sample = source
    for tag in tags:
        # As long as the tag, so that places stay; any JSON text stands for a value.
        filler = " " * (tag.end - tag.start) if tag.kind == "comment" else f'"{"x" * (tag.end - tag.start - 2)}"'
        sample = sample[: tag.start] + filler + sample[tag.end :]
    try:
        json.loads(sample)
    except json.JSONDecodeError as error:
        raise NotJson(f"This does not render to JSON: {error.msg}.", error.pos) from None
    except RecursionError:
        raise Fault("This is nested too deeply.", 0) from None


def _check_quotes(source: str, tags: list[Tag]) -> None:
    """Refuse ``"{{ value }}"``: a value brings its own quotes."""
    inside, position = False, 0
    for tag in tags:
        text = re.sub(r"\\.", "", source[position : tag.start])
        inside ^= text.count('"') % 2 == 1
        position = tag.end
        if inside and tag.kind == "variable":
            hint = 'To join texts, write {{ "Site " ~ event.data.site }}.'
            raise Fault(f"Leave out the quotes around {{{{ }}}}: a value brings its own. {hint}", tag.start)
