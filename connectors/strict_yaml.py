"""Reads YAML as JSON with comments: the core schema of YAML 1.2, one document, nothing that expands or runs.

PyYAML alone reads YAML 1.1, where ``no`` is false, ``12:30`` is 750 and a date is no text.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from spaces.validation import MAX_DEPTH, extend

_TAG: Final = "tag:yaml.org,2002:"
# Text that needs no quotes: it begins like a word and is none that some version of YAML takes for a value.
_PLAIN: Final = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null|nan|inf)$)[A-Za-z_/](?:[\w ./@+-]|:(?=\S))*(?<! )",
    re.IGNORECASE | re.ASCII,
)
_BLOCK: Final = re.compile(r"[^\s](?:[\t\n\x20-\x7e]*\S)?\n?")


class BadYaml(ValueError):
    """This text is not YAML as it is accepted here; ``line`` counts from 1."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(f"Line {line}: {detail}")
        self.line = line
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Document:
    """A value that JSON could hold, and the line on which each place in it begins, by JSON pointer."""

    value: Any
    lines: dict[str, int]

    def line_of(self, pointer: str) -> int:
        """Return the line of this place, or of the nearest around it that stands in the text."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 1)


def read_yaml(text: str) -> Document:
    """Return the document; raise BadYaml.

    Anchors, aliases, tags, merge keys, keys that are no text or stand twice, and more than 64 levels are refused.
    """
    lines: dict[str, int] = {}
    try:
        node = _Loader(text.removeprefix("\ufeff")).get_single_node()
        return Document(None if node is None else _construct(node, "", lines), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(mark.line + 1 if mark else 1, _sentence(error.problem or error.context or "")) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadYaml(line, f"The character U+{_code(error.character):04X} cannot stand in YAML.") from None


def write_yaml(value: Any) -> str:
    """Return a JSON value as YAML that read_yaml, and any reader of YAML 1.1 or 1.2, gives back as it was."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Loader(
    yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer, yaml.resolver.BaseResolver
):
    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)
        yaml.composer.Composer.__init__(self)
        yaml.resolver.BaseResolver.__init__(self)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if getattr(event, "anchor", None) is not None:
            raise BadYaml(line, "Anchors and aliases (& and *) are not taken: write the value out.")
        if getattr(event, "tag", None) is not None:
            raise BadYaml(line, "Tags (!) are not taken.")
        if self._depth > MAX_DEPTH:
            raise BadYaml(line, f"Nest at most {MAX_DEPTH} levels.")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


# Core schema of YAML 1.2.2, section 10.3.2.
for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"(?:{_pattern})$"), _first)


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes wherever one of the versions of YAML would take it for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def write_text(self, text: str) -> yaml.ScalarNode:
        is_block = "\n" in text and _BLOCK.fullmatch(text) is not None
        style = "|" if is_block else None if _PLAIN.fullmatch(text) else '"'
        return self.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _Dumper.write_text)


def _construct(node: Any, pointer: str, lines: dict[str, int]) -> Any:
    lines[pointer] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, extend(pointer, index), lines) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _construct_mapping(node, pointer, lines)
    return _construct_scalar(node)


def _construct_mapping(node: yaml.MappingNode, pointer: str, lines: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != f"{_TAG}str" or key_node.value == "<<":
            raise BadYaml(line, "A key is plain text; put one that looks like a number or true into quotes.")
        if key_node.value in found:
            raise BadYaml(line, f'The key "{key_node.value[:100]}" stands here twice.')
        place = extend(pointer, key_node.value)
        found[key_node.value] = _construct(value_node, place, lines)
        lines[place] = line
    return found


def _construct_scalar(node: Any) -> Any:
    text: str = node.value
    match node.tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        case "float":
            return float(text)
        case _:
            return text


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _code(character: Any) -> int:
    return character if isinstance(character, int) else ord(character)
