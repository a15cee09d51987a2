"""YAML is read as JSON with comments, and what expands, runs or reads two ways is refused with its line."""

import pytest

from connectors.strict_yaml import BadYaml, read_yaml


def test_plain_values_are_those_of_the_core_schema() -> None:
    text = """
    country: no
    time: 12:30:45
    date: 2026-11-23
    octal: 010
    version: 1.20
    text: "true"
    nothing:
    also: ~
    yes_and_no: [true, False, 0x1F, 0o17, -3, 1e3, .5, +2.5]
    block: |
      two
      lines
    """
    assert read_yaml(text).value == {
        "country": "no",
        "time": "12:30:45",
        "date": "2026-11-23",
        "octal": 10,
        "version": 1.2,
        "text": "true",
        "nothing": None,
        "also": None,
        "yes_and_no": [True, False, 31, 15, -3, 1000.0, 0.5, 2.5],
        "block": "two\nlines\n",
    }


def test_each_place_has_its_line() -> None:
    document = read_yaml("\ufeffa: 1\nb:\n  - x: 1\n  -\n    y/z: 2\n")
    assert [document.line_of(place) for place in ("", "/a", "/b", "/b/0/x", "/b/1/y~1z", "/b/1/none/at/all")] == [
        1, 1, 2, 3, 5, 5,
    ]  # fmt: skip


def test_an_empty_text_is_nothing() -> None:
    assert read_yaml("# only words\n").value is None


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a: &x [1]\nb: *x\n", 1, "anchors"),
        ("a: 1\nb: *x\n", 2, "alias"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "tags"),
        ("a: !env HOME\n", 1, "tags"),
        ("a: 1\na: 2\n", 2, "twice"),
        ("a:\n  <<: {b: 1}\n", 2, "key"),
        ("1: one\n", 1, "key"),
        ("true: one\n", 1, "key"),
        ("? [a, b]\n: 1\n", 1, "key"),
        ("a: [1\nb: 2\n", 2, ""),
        ("a: 'x\n", 2, ""),
        ("\tb: 1\n", 1, ""),
        ("a: 1\n---\nb: 1\n", 2, "document"),
        ("a: \x01\n", 1, "U+0001"),
        ("[" * 70 + "]" * 70, 1, "64"),
        ("\n" + "[" * 100_000, 2, "64"),
    ],
)
def test_what_expands_runs_or_reads_two_ways_is_refused(text: str, line: int, word: str) -> None:
    with pytest.raises(BadYaml) as caught:
        read_yaml(text)
    assert caught.value.line == line
    assert word in caught.value.detail.lower() or word in caught.value.detail
