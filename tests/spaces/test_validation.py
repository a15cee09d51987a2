from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from spaces.errors import FieldError, InvalidInput
from spaces.validation import (
    Findings,
    check_storable,
    clean_name,
    clean_number,
    clean_tags,
    extend,
    parse_model,
    reject,
)


def errors_of(check: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as raised:
        check()
    return [(error.pointer, error.detail) for error in raised.value.errors]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  Mill \t", "Mill"),
        ("Cafe\u0301", "Café"),
        ("x" * 200, "x" * 200),
        (" 👩‍🚀 ", "👩‍🚀"),
        ("<script>", "<script>"),
    ],
)
def test_a_name_is_trimmed_and_normalised(given: str, kept: str) -> None:
    assert clean_name(given) == kept


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("", "must not be empty"),
        (" \u3000\n", "must not be empty"),
        ("\u200b\u200d", "must not be empty"),
        ("x" * 201, "at most 200"),
        ("a\nb", "U+000A"),
        ("a\0b", "U+0000"),
        ("a\x7fb", "U+007F"),
        ("a\ud800b", "U+D800"),
        ("a\u2028b", "U+2028"),
        ("abc\u202etxt", "U+202E"),
    ],
)
def test_a_name_that_people_cannot_read_is_refused(given: str, complaint: str) -> None:
    ((pointer, detail),) = errors_of(lambda: clean_name(given))
    assert pointer == "/name"
    assert complaint in detail


def test_tags_are_cleaned_and_kept_once() -> None:
    assert clean_tags([" a ", "b", "a", "Cafe\u0301", "Café"]) == ["a", "b", "Café"]
    assert clean_tags(str(n) for n in range(20)) == [str(n) for n in range(20)]


def test_tags_have_bounds() -> None:
    assert errors_of(lambda: clean_tags(["fine", "x" * 51, " "])) == [
        ("/tags/1", "Use at most 50 characters; these are 51."),
        ("/tags/2", "This must not be empty."),
    ]
    assert errors_of(lambda: clean_tags(str(n) for n in range(21))) == [("/tags", "Use at most 20 tags; these are 21.")]


@pytest.mark.parametrize("value", [0, 51, -1, 10**30])
def test_a_number_out_of_bounds_is_refused(value: int) -> None:
    assert errors_of(lambda: clean_number(value, "/n", 1, 50)) == [("/n", "Use a whole number from 1 to 50.")]


def test_a_pointer_escapes_what_rfc_6901_says() -> None:
    assert extend("/config", "a/b~c", 0) == "/config/a~1b~0c/0"


def nested(levels: int) -> Any:
    value: Any = "deep"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": ["x", "nul \0"]}, "/a/1"),
        ({"a": {"b": "\udfff"}}, "/a/b"),
        ({"ok": 1, "bad\0key": 2}, ""),
        ({"n": float("nan")}, "/n"),
        ([1.5, float("-inf")], "/1"),
        (nested(65), "/0" * 64),
    ],
)
def test_json_that_a_database_refuses_is_refused_with_its_place(value: Any, pointer: str) -> None:
    ((found, _),) = errors_of(lambda: check_storable(value, ""))
    assert found == pointer


@pytest.mark.parametrize("value", [nested(64), {"a": [1, 2.5, None, True, "\u0001 ok 👩‍🚀"]}, "text", 10**40])
def test_json_that_every_database_keeps_passes(value: Any) -> None:
    check_storable(value, "")


class Inner(BaseModel):
    size: int


class Sample(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    count: int = Field(1, le=5)
    inner: Inner | None = None
    words: dict[str, int] = {}

    @field_validator("name")
    @classmethod
    def _check(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("Choose another name.")
        return value


def test_model_errors_are_words_for_a_person_at_their_place() -> None:
    value = {"count": 9, "inner": {"size": "x"}, "words": {"a/b": "y"}, "nope": 1}
    assert errors_of(lambda: parse_model(Sample, value, "/config")) == [
        ("/config/name", "This field is required."),
        ("/config/count", "Input should be less than or equal to 5."),
        ("/config/inner/size", "Give a whole number."),
        ("/config/words/a~1b", "Give a whole number."),
        ("/config/nope", "There is no such field."),
    ]
    assert errors_of(lambda: parse_model(Sample, {"name": "bad"}, "/c")) == [("/c/name", "Choose another name.")]
    assert errors_of(lambda: parse_model(Sample, "text", "/c")) == [("/c", "Give an object of fields and values.")]


def test_model_errors_carry_no_input() -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_model(Sample, {"name": "n", "count": "CANARY", "words": {"a": "CANARY"}, "x": "CANARY"}, "/config")
    assert raised.value.__context__ is None
    assert "CANARY" not in repr(raised.value)


def test_findings_report_everything_at_once() -> None:
    found = Findings()
    with found.gather():
        raise reject("/a", "First.")
    with found.gather():
        pass
    with found.gather():
        raise InvalidInput([FieldError("/b", "Second."), FieldError("/c", "Third.")])
    assert errors_of(found.raise_any) == [("/a", "First."), ("/b", "Second."), ("/c", "Third.")]


def test_findings_without_errors_raise_nothing() -> None:
    found = Findings()
    with found.gather():
        pass
    found.raise_any()


def test_findings_do_not_swallow_other_faults() -> None:
    with pytest.raises(KeyError), Findings().gather():
        raise KeyError("defect")
