"""Files of objects: NDJSON, one object a line with a closing line that counts them, or one YAML document.

Each object is a mapping with its ``type`` and the fields of that kind's document.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from pydantic import SecretStr

from connectors.strict_yaml import BadYaml, read_yaml, write_yaml
from spaces import strict_json
from spaces.errors import FieldError, InvalidInput
from spaces.validation import check_storable, reject

Format = Literal["ndjson", "yaml"]

MEDIA_TYPES: Final[Mapping[Format, str]] = {"ndjson": "application/x-ndjson", "yaml": "application/yaml"}
LONGEST: Final[Mapping[Format, int]] = {"ndjson": 16 * 1024 * 1024, "yaml": 2 * 1024 * 1024}
MOST_OBJECTS: Final = 10_000
VERSION: Final = 1
CLOSING: Final = "export"  # the type of the closing line


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a file, and the line on which it begins, from 1."""

    line: int
    value: Mapping[str, Any]


def write_file(space: str, documents: Sequence[Mapping[str, Any]], form: Format) -> bytes:
    """Return a file of these objects, which are the space's."""
    if form == "yaml":
        return write_yaml({"format": VERSION, "space": space, "objects": list(documents)}).encode()
    closing = {"type": CLOSING, "format": VERSION, "space": space, "objects": len(documents)}
    return b"".join(orjson.dumps(document) + b"\n" for document in (*documents, closing))


def read_file(data: bytes, form: Format | None = None) -> list[Entry]:
    """Return the objects of a file; raise InvalidInput that names the line.

    Without ``form`` it is told by the first sign: NDJSON begins with a brace. Values under ``secrets`` are concealed.
    """
    form = form or ("ndjson" if data.lstrip()[:1] == b"{" else "yaml")
    if len(data) > LONGEST[form]:
        raise reject("", f"The file has {len(data):,} bytes; as {form.upper()} it may have {LONGEST[form]:,}.")
    entries = list(_read_lines(data) if form == "ndjson" else _read_document(data))
    if not entries:
        raise reject("", "The file has no objects.")
    if len(entries) > MOST_OBJECTS:
        raise reject("", f"The file has {len(entries):,} objects; one may have {MOST_OBJECTS:,}.")
    return entries


def _read_lines(data: bytes) -> Iterator[Entry]:
    count = 0
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = strict_json.read(line).value
        except InvalidInput as invalid:
            raise InvalidInput(FieldError(e.pointer, f"Line {number}: {e.detail}") for e in invalid.errors) from None
        if isinstance(value, dict) and value.get("type") == CLOSING:
            _check_closing(value, count, number)
            return
        if isinstance(value, dict) and "exportedCount" in value:
            return  # Kibana's closing line
        count += 1
        yield _entry(number, value)


def _check_closing(closing: Mapping[str, Any], count: int, number: int) -> None:
    _check_version(closing.get("format"), number)
    if closing.get("objects") != count:
        raise reject(
            "", f"Line {number} says that the file has {closing.get('objects')} objects, and it has {count}. It is cut."
        )


def _read_document(data: bytes) -> Iterator[Entry]:
    try:
        document = read_yaml(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise reject("", "The file is not text in UTF-8.") from None
    except BadYaml as error:
        raise reject("", str(error)) from None
    whole = document.value
    if whole is None:
        return
    if not isinstance(whole, dict) or not isinstance(whole.get("objects"), list):
        raise reject("", "Write a mapping with the list objects, as an export has it.")
    _check_version(whole.get("format"), document.line_of("/format"))
    if unknown := whole.keys() - {"format", "space", "objects"}:
        raise reject("", f"Line {document.line_of(f'/{min(unknown)}')}: there is no such field as {min(unknown)}.")
    for position, value in enumerate(whole["objects"]):
        yield _entry(document.line_of(f"/objects/{position}"), value)


def _check_version(version: object, line: int) -> None:
    if version != VERSION:
        raise reject("", f"Line {line}: only files of format {VERSION} can be read; this one has {version!r:.100}.")


def _entry(line: int, value: object) -> Entry:
    if not isinstance(value, dict):
        raise reject("", f"Line {line}: an object is a mapping of fields and values.")
    try:
        check_storable(value, "")
    except InvalidInput as invalid:
        raise InvalidInput(FieldError(e.pointer, f"Line {line}: {e.detail}") for e in invalid.errors) from None
    if isinstance(secrets := value.get("secrets"), dict):
        value["secrets"] = {name: SecretStr(text) if isinstance(text, str) else text for name, text in secrets.items()}
    return Entry(line, value)
