"""An index has a name as the documentation has it.

Sources: elastic.co/docs/api/doc/elasticsearch, "Create an index"; docs.opensearch.org, "Create index".
"""

import pytest

from connectors.types.index.names import check_index


@pytest.mark.parametrize("name", ["logs-2026.11.30", ".hidden", "a" * 255, "é" * 127, "x_-+"])
def test_a_good_name_is_taken(name: str) -> None:
    assert check_index(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "-a", "_a", "+a", "A", "a" * 256, "é" * 128, "a\n", *(f"a{sign}" for sign in '\\/*?"<>| ,#:')],
)
def test_a_name_that_no_index_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        check_index(name)
