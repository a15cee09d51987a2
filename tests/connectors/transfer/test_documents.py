"""Files are read back as they were written, and what cannot be read is refused with its line."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connectors.strict_yaml import read_yaml, write_yaml
from connectors.transfer.documents import Format, read_file, write_file
from spaces.errors import InvalidInput

OBJECT = {"type": "connector", "id": "a", "name": "A"}
LINE = json.dumps(OBJECT)

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
words = st.sampled_from(
    ["no", "Yes", "null", "~", "0o17", "12:30", "1e3", ".5", "2001-01-01", "a: b", "#", "- x", "=", "<<"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | words
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries((text | words).filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_yaml_reads_back_as_it_was_written(value: Any) -> None:
    assert read_yaml(write_yaml(value)).value == value


@pytest.mark.parametrize("form", ["ndjson", "yaml"])
def test_a_file_reads_back_as_it_was_written(form: Format) -> None:
    documents: list[dict[str, Any]] = [
        OBJECT,
        {**OBJECT, "id": "b", "config": {"url": "https://a.example", "ca": "-----BEGIN\nx\n-----END\n"}},
    ]
    data = write_file("demo", documents, form)
    assert [entry.value for entry in read_file(data)] == documents
    assert [entry.value for entry in read_file(data, form)] == documents


def test_the_same_objects_make_the_same_file() -> None:
    assert write_file("demo", [OBJECT], "ndjson") == (LINE.replace(", ", ",").replace(": ", ":") + "\n").encode() + (
        b'{"type":"export","format":1,"space":"demo","objects":1}\n'
    )


WRONG = [
    (b"", "no objects"),
    (b"\n\n", "no objects"),
    (LINE.encode() + b"\n{", "Line 2: This is not JSON."),
    (LINE.encode() + b"\n" + LINE[:-4].encode(), "Line 2: This is not JSON."),
    (
        LINE.encode() + b'\n{"type":"export","format":1,"objects":2}',
        "Line 2 says that the file has 2 objects, and it has 1",
    ),
    (LINE.encode() + b'\n{"type":"export","format":2,"objects":1}', "Line 2: only files of format 1"),
    (b'{"a":1,"a":2}', "Line 1: The key 'a' stands here twice."),
    (b'{"a":NaN}', "Line 1: Use a finite number"),
    (b'{"a":1e999}', "Line 1: "),
    (b'{"a":"\\u0000"}', "Line 1: Take out the character U+0000"),
    (b'{"a":"\\ud800"}', "Line 1: This is not Unicode"),
    (b'{"a":"\xff"}', "Line 1: This is not Unicode"),
    (b"\xef\xbb\xbf" + LINE.encode(), "Write a mapping"),
    (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "Line 1: Nest at most 64 levels."),
    (b'{"a":' + b"[" * 100_000, "Line 1: "),
    (b"{}\n[1]", "Line 2: an object is a mapping"),
    (b"format: 1\nobjects:\n  - &a {x: 1}\n  - *a", "Line 3: Anchors"),
    (b"format: 1\nobjects: !!python/object:os.system [x]", "Line 2: Tags"),
    (b"format: 1\nobjects:\n  - type: connector\n    type: rule", "Line 4: The key"),
    (b"format: 1\nobjects:\n  - just text", "Line 3: an object is a mapping"),
    (b"format: 3\nobjects: []", "Line 1: only files of format 1"),
    (b"format: 1\nspaces: {}\nobjects: []", "Line 2: there is no such field as spaces"),
    (b"format: 1\nobjects:\n\t- x", "Line 3"),
    (b"../../etc/passwd", "Write a mapping"),
    (b"\xff\xfe", "not text in UTF-8"),
    (b"format: 1\nobjects: " + b"[" * 5000, "Line 2"),
]


@pytest.mark.parametrize(("data", "detail"), WRONG)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(data: bytes, detail: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_file(data)
    assert detail in str(refused.value)


def test_a_file_with_line_ends_of_windows_and_blank_lines_is_read() -> None:
    assert len(read_file(LINE.encode() + b"\r\n\r\n" + LINE.encode() + b"\r\n")) == 2


@pytest.mark.parametrize(("form", "longest"), [("ndjson", 16 * 1024 * 1024), ("yaml", 2 * 1024 * 1024)])
def test_a_file_has_a_greatest_length(form: Format, longest: int) -> None:
    with pytest.raises(InvalidInput, match="it may have"):
        read_file(b" " * (longest + 1), form)


def test_a_file_has_a_greatest_number_of_objects() -> None:
    with pytest.raises(InvalidInput, match="10,001 objects"):
        read_file(b"{}\n" * 10_001)


def test_secrets_in_a_file_are_concealed_at_once() -> None:
    (entry,) = read_file(json.dumps({**OBJECT, "secrets": {"token": "S3CR3T"}}).encode())
    assert "S3CR3T" not in repr(entry)
    assert isinstance(entry.value["secrets"]["token"], SecretStr)
