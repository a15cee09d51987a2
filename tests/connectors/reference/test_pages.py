"""The pages of the connector reference are those that the declarations make, and say all that these say."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pydantic import BaseModel, Field

from connectors.reference.fields import FieldLine, field_lines
from connectors.reference.pages import index, page
from connectors.types.registry import own_types
from tests.connectors.vault import Vault
from tests.servers import ROOT

FOLDER = ROOT / "docs" / "connectors"


def test_the_pages_are_those_of_the_types_as_they_are_now() -> None:
    pages = {f"{each.id}.md": page(each) for each in own_types().values()}
    pages["README.md"] = index(own_types().values())
    kept = {path.name: path.read_text() for path in FOLDER.iterdir()}
    stale = sorted(name for name in pages.keys() | kept.keys() if pages.get(name) != kept.get(name))
    assert not stale, "run make schema, and delete the pages of types that are gone"


def test_every_link_of_a_page_leads_to_a_file() -> None:
    for path in FOLDER.iterdir():
        for link in path.read_text().split("](")[1:]:
            target = link.partition(")")[0].partition("#")[0]
            assert target.startswith("https://") or (FOLDER / target).exists(), (path.name, target)


def test_a_page_has_every_field_with_its_name_and_meaning() -> None:
    for declared in own_types().values():
        text = page(declared)
        for model in (declared.config_model, declared.params_model, declared.secrets_model):
            for name, field in model.model_fields.items():
                is_kept = name in declared.secrets_model.kept
                assert (f"| `{field.alias or name}` | {field.title} |" in text) is not is_kept, name


def test_a_type_that_says_nothing_beyond_its_schemas_has_a_page_too() -> None:
    text = page(Vault())
    assert text.startswith("# Vault\n")
    assert "## What the Test button checks" not in text


class Inner(BaseModel):
    url: str = Field(title="Address", max_length=2048)
    more: "list[Inner]" = Field([], title="More")


class Outer(BaseModel):
    size: int | None = Field(None, title="Size", ge=1, le=1000, description="One | two.")
    share: float = Field(0.5, title="Share", ge=0)
    is_on: bool = Field(False, title="On")
    either: str | list[str] = Field("a", title="Either")
    labels: dict[str, str] = Field(default_factory=dict, title="Labels", max_length=10)
    inner: Inner = Field(title="Inner")
    rest: Any = Field(None, title="Rest")


def test_fields_are_told_in_words_down_to_those_of_inner_objects() -> None:
    assert field_lines(Outer) == [
        FieldLine("size", "Size", "whole number", "", "1 to 1,000", "One | two."),
        FieldLine("share", "Share", "number", "`0.5`", "at least 0", ""),
        FieldLine("is_on", "On", "true or false", "`false`", "", ""),
        FieldLine("either", "Either", "text or list of text", "`a`", "", ""),
        FieldLine("labels", "Labels", "object of text", "", "at most 10 entries", ""),
        FieldLine("inner", "Inner", "object", "required", "", ""),
        FieldLine("inner.url", "Address", "text", "required", "at most 2,048 characters", ""),
        FieldLine("inner.more", "More", "list of object", "", "", ""),
        FieldLine("rest", "Rest", "any JSON value", "", "", ""),
    ]


def test_the_command_writes_the_pages_of_the_types_that_are_named(tmp_path: Path) -> None:
    call_command("connector_docs", str(tmp_path / "new"), "http")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["http.md"]
    with pytest.raises(CommandError, match='no connector type "htp"'):
        call_command("connector_docs", str(tmp_path), "htp")
