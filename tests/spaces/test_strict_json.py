"""The fast reader accepts and refuses exactly what the slow, simple one does, and names the place of a fault."""

import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from spaces.errors import InvalidInput
from spaces.strict_json import Document, TooLarge, read, read_array, storable
from tests.spaces import reference_json

# What a string can be made of; what is refused in it is among these.
PIECES = st.one_of(
    st.sampled_from([":", "\\u003a", "\\u003A", "\\\\u003a", "\\u0000", "\\\\u0000", "\\u0001", "{", "[", "]", "}"]),
    st.sampled_from(
        ['\\"', "\\\\", "\\/", "\\n", "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\u00e9", "é", "😀", "\x7f"]
    ),
    st.sampled_from(["1234567890123456789", "9223372036854775808", "NaN", ",", "a", "b", ""]),
)
STRINGS = st.lists(PIECES, max_size=4).map(lambda parts: f'"{"".join(parts)}"')
KEYS = st.one_of(st.sampled_from(['"a"', '"\\u0061"', '"b"', '""', '"a:"', '"a\\u003a"', f'"{"k" * 1025}"']), STRINGS)
NUMBERS = st.one_of(
    st.sampled_from(["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809"]),
    st.sampled_from(["18446744073709551615", "18446744073709551616", "9" * 400, "9" * 5000, "1" + "0" * 18]),
    st.sampled_from(["-0", "0.0", "1e308", "1e309", "-1e999", "1E+5", "1e-999", "0.1234567890123456789", "NaN"]),
    st.integers(-(2**66), 2**66).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
SPACES = st.sampled_from(["", "", " ", "\n", "\t\r\n "])


def _object(members: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{space}{key}{space}:{space}{value}" for key, value, space in members) + "}"


def _nest(shape: tuple[str, int]) -> str:
    value, levels = shape
    return "[" * levels + value + "]" * levels


TEXTS = st.recursive(
    st.one_of(STRINGS, NUMBERS, st.sampled_from(["true", "false", "null"])),
    lambda values: st.one_of(
        st.lists(values, max_size=4).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(KEYS, values, SPACES), max_size=4).map(_object),
        st.tuples(values, st.sampled_from([1, 62, 63, 64, 65])).map(_nest),
    ),
    max_leaves=12,
)


def _verdict(text: bytes) -> str:
    try:
        return repr(read(text).value)
    except InvalidInput:
        return "refused"


def _expected(text: bytes) -> str:
    try:
        return repr(reference_json.read(text))
    except reference_json.Fault:
        return "refused"


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example('{"a":1,"a":2,"x":"\\u003a"}')
@example('{"a":1,"a":2,"x":"\\u003A"}')
@example('{"a":{"b":1},"a":{"b":1}}')
@example('{"a":1,"\\u0061":2}')
@example("[" * 64 + "]" * 64)
@example("[" * 65 + "]" * 65)
@example("[" * 300 + "]" * 300)
@example('["]",' * 70 + "1" + "]" * 70)
@example(f'{{"{"é" * 1024}":1}}')
@example(f'{{"{"é" * 1025}":1}}')
def test_generated_json_is_read_as_the_reference_reads_it(text: str) -> None:
    assert _verdict(text.encode()) == _expected(text.encode())


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=3)), min_size=1, max_size=3))
def test_damaged_json_is_read_as_the_reference_reads_it(text: str, cuts: list[tuple[int, bytes]]) -> None:
    damaged = text.encode()
    for place, patch in cuts:
        place %= len(damaged) + 1
        damaged = damaged[:place] + patch + damaged[place + 1 :]
    assert _verdict(damaged) == _expected(damaged)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, max_size=5), SPACES)
@example(["1", '{"a":1,"a":1}', '":"'], "")
@example(['{"a":1,"a":1}', '"\\u003a"'], " ")
@example(['"\\ud800"', "1e999", "2"], "\n")
def test_each_element_of_an_array_is_read_as_if_it_stood_alone(texts: list[str], space: str) -> None:
    array = f"{space}[{','.join(space + text + space for text in texts)}]{space}"
    verdicts = [
        repr(element.value) if isinstance(element, Document) else "refused"
        for element in read_array(array.encode(), most=5)
    ]
    assert verdicts == [_expected(text.encode()) for text in texts]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_bytes_are_never_a_crash(text: bytes) -> None:
    assert _verdict(text) == _expected(text)
    with suppress(InvalidInput):
        read_array(text, most=5)


@given(TEXTS)
def test_canonical_form_is_the_value_again(text: str) -> None:
    try:
        document = read(text.encode())
    except InvalidInput:
        return
    assert orjson.loads(document.canonical) == document.value
    assert b"\n" not in document.canonical


@given(TEXTS)
@example('[1e16,-1.5e+300,{"1e+20":"2e+20\\\\\\"3e+20"},"\\\\",4E20]')
def test_storable_form_is_the_value_again_without_exponents_that_jsonb_would_drop(text: str) -> None:
    try:
        value = read(text.encode()).value
    except InvalidInput:
        return
    stored = storable(value)
    assert repr(orjson.loads(stored)) == repr(value)
    numbers: list[str] = []
    json.loads(stored, parse_float=numbers.append, parse_int=str)
    assert not [number for number in numbers if "e+" in number]


@pytest.mark.parametrize(
    ("text", "pointer", "detail"),
    [
        ('{"a":{"b":[1,{"c":1,"d":2,"c":3}]}}', "/a/b/1", "The key 'c' stands here twice."),
        ('{"a/b":{"~":"\\u0000"}}', "/a~1b/~0", "U+0000"),
        ('{"a":["x","\\ud800"]}', "/a/1", "lone surrogate"),
        ('{"a":"\udcff"}', "/a", "not UTF-8"),
        ('{"\\u0000":1}', "", "In a key: Take out the character U+0000"),
        ('{"a":[0,NaN]}', "/a/1", "finite number"),
        ('{"a":-Infinity}', "/a", "finite number"),
        ('{"a":1e999}', "/a", "finite number"),
        ('{"a":9223372036854775808}', "/a", "as a string"),
        (f'{{"a":{"9" * 4301}}}', "/a", "as a string"),
        (f'{{"a":{{"{"k" * 1025}":1}}}}', "/a", "1,025 characters"),
        ("[" * 65 + "]" * 65, "/0" * 64, "64 levels"),
        ("[" * 5000 + "]" * 5000, "", "64 levels"),
        ('{"a":1,\n "b":,}', "", "line 2, column 6"),
        ('{"a":1', "", "line 1, column 7"),
        ("\ufeff{}", "", "byte order mark"),
        ('{"a":1} {"a":2}', "", "Extra data: line 1, column 9"),
    ],
)
def test_the_place_of_a_fault_is_named(text: str, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text.encode("utf-8", "surrogateescape"))
    (error,) = refused.value.errors
    assert error.pointer == pointer
    assert detail in error.detail


@pytest.mark.parametrize(
    "text", ['[1,2,{"a":}]', "[1,2", "[1 2]", "[1:2]", "[1,]", '[{"a":1}] x', "{}", "", '[1,"\\ud800",}]']
)
def test_what_is_no_json_array_is_refused_whole(text: str) -> None:
    with pytest.raises(InvalidInput, match="This is not JSON"):
        read_array(text.encode(), most=5)


def test_an_element_too_deep_to_skip_refuses_the_array_with_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"64 levels.*line 2, column 2"):
        read_array(b"[1,\n " + b"[" * 100_000 + b"]" * 100_000 + b"]", most=5)


@pytest.mark.parametrize("fault", ["", ', "\\ud800"'])
def test_too_many_elements_are_refused_whether_or_not_one_is_at_fault(fault: str) -> None:
    with pytest.raises(TooLarge, match="at most 3"):
        read_array(f"[1,2,3,4{fault}]".encode(), most=3)
