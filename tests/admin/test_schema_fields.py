"""The generator of form fields from pydantic models: what spares a new type any edit in the admin."""

from typing import Annotated, Any, Literal

import pytest
from django import forms
from pydantic import BaseModel, Field, JsonValue, SecretStr

from spaces.admin.json_fields import JsonField, LinesField, PairsField, TextField, TextOrJsonField
from spaces.admin.schema_fields import SchemaFields, SecretFields, Unchecked


class Tls(BaseModel):
    verify: bool = True


class Config(BaseModel):
    url: str = Field(title="URL", description="Where <messages> go.")
    method: Literal["POST", "PUT"] = "POST"
    colour: Literal["red", "blue"] | None = None
    retries: Annotated[int, Field(ge=1, le=9)] = 3
    level: Literal[0, 1, 2] = 1
    factor: float | None = Field(None, ge=0)
    verify: bool = Field(True, title="Verify TLS")
    headers: dict[str, str] = {}
    topics: list[str] = []
    tls: Tls = Tls()
    query: dict[str, str | int] = {}
    anything: JsonValue = "{{ event }}"
    body: str = Field("", json_schema_extra={"contentMediaType": "text/plain"})


class Secrets(BaseModel):
    token: SecretStr
    password: SecretStr | None = Field(None, title="Password", description="Of the <user>.")
    key: SecretStr | None = Field(None, title="Key", json_schema_extra={"contentMediaType": "text/plain"})


CONFIG = SchemaFields(Config, "kind_config", "config", "/config")
SECRETS = SecretFields(Secrets, "kind_secret", "secrets_set_at", "/secrets")
SINCE = "2026-11-03T10:00:00+00:00"


def form_over(fields: dict[str, forms.Field], data: dict[str, Any] | None = None) -> forms.Form:
    form: forms.Form = type("AnyForm", (forms.Form,), dict(fields))(data)
    return form


def cleaned(data: dict[str, Any]) -> dict[str, Any]:
    form = form_over(CONFIG.build({}), {"kind_config_url": "https://x", "kind_config_verify": "on", **data})
    assert form.is_valid(), form.errors
    return CONFIG.collect(form.cleaned_data)


def test_each_field_of_the_model_is_one_form_field_of_its_kind() -> None:
    kinds = {name.removeprefix("kind_config_"): type(field) for name, field in CONFIG.build({}).items()}
    assert kinds == {
        "url": TextField,
        "method": forms.TypedChoiceField,
        "colour": forms.TypedChoiceField,
        "retries": forms.IntegerField,
        "level": forms.TypedChoiceField,
        "factor": forms.FloatField,
        "verify": forms.BooleanField,
        "headers": PairsField,
        "topics": LinesField,
        "tls": JsonField,
        "query": PairsField,
        "anything": TextOrJsonField,
        "body": TextField,
    }


def test_title_help_and_need_come_from_the_model_and_help_is_escaped() -> None:
    fields = CONFIG.build({})
    url, verify = fields["kind_config_url"], fields["kind_config_verify"]
    assert (url.label, url.required, str(url.help_text)) == ("URL", True, "Where &lt;messages&gt; go.")
    assert (verify.label, verify.required, verify.initial) == ("Verify TLS", False, True)


def test_a_choice_with_a_default_has_no_empty_choice() -> None:
    form = form_over(CONFIG.build({}))
    assert 'value=""' not in str(form["kind_config_method"])
    assert 'value=""' in str(form["kind_config_colour"])


@pytest.mark.parametrize("stored", [0, 1, 7, "1", None])
def test_a_choice_of_numbers_tells_whether_it_was_changed(stored: Any) -> None:
    form = form_over(CONFIG.build({"level": stored}), {"kind_config_url": "https://x", "kind_config_level": "1"})
    assert form.is_valid(), form.errors
    assert ("kind_config_level" in form.changed_data) is (stored not in (1, "1"))
    assert CONFIG.collect(form.cleaned_data)["level"] == 1


@pytest.mark.parametrize("retries", ["0", "10", "many"])
def test_bounds_of_the_model_hold_in_the_form(retries: str) -> None:
    form = form_over(CONFIG.build({}), {"kind_config_url": "https://x", "kind_config_retries": retries})
    assert list(form.errors) == ["kind_config_retries"]


def test_what_was_entered_becomes_values_of_the_model() -> None:
    values = cleaned(
        {
            "kind_config_method": "PUT",
            "kind_config_retries": "5",
            "kind_config_level": "1",
            "kind_config_factor": "0",
            "kind_config_headers": "X-One: 1: a\r\n\r\nX-Two:\r\n",
            "kind_config_topics": "a\r\n b \r\n\r\n",
            "kind_config_tls": '{"verify": false}',
            "kind_config_query": "a: 1",
            "kind_config_anything": "just {{ text }}",
            "kind_config_body": "line\r\nline ",
        }
    )
    assert values == {
        "url": "https://x",
        "method": "PUT",
        "retries": 5,
        "level": 1,
        "colour": None,
        "factor": 0,
        "verify": True,
        "headers": {"X-One": "1: a", "X-Two": ""},
        "topics": ["a", "b"],
        "tls": {"verify": False},
        "query": {"a": "1"},
        "anything": "just {{ text }}",
        "body": "line\nline ",
    }
    Config.model_validate(values)


def test_an_empty_field_is_null_where_the_model_takes_it_and_else_the_default() -> None:
    values = cleaned({"kind_config_verify": ""})
    assert values == {
        "url": "https://x",
        "colour": None,
        "factor": None,
        "verify": False,
        "headers": {},
        "topics": [],
        "query": {},
        "anything": None,
    }
    assert Config.model_validate(values).retries == 3


@pytest.mark.parametrize(
    "values",
    [
        {"url": "https://x"},
        {"url": "https://x", "headers": {"A": "b: c", "D": "e"}, "topics": ["x", "y"], "verify": False},
        {"url": "https://x", "headers": {"no: colon": "x"}},
        {"url": "https://x", "headers": {"A": "two\nlines"}},
        {"url": "https://x", "headers": {"A": " spaced "}},
        {"url": "https://x", "headers": {"{A": "b"}},
        {"url": "https://x", "query": {"a": 1, "b": "2"}},
        {"url": "https://x", "anything": None},
        {"url": "https://x", "anything": {"a": ["{{ event.id }}"]}},
        {"url": "https://x", "anything": '{"a": 1}'},
        {"url": "https://x", "anything": "7"},
        {"url": "https://x", "anything": 7},
        {"url": "https://x", "anything": '"quoted"'},
        {"url": "https://x", "anything": "line\n{{ event }}\n"},
        {
            "url": "https://x",
            "colour": "blue",
            "factor": 1.5,
            "retries": 9,
            "tls": {"verify": False},
            "body": "\n a \n",
        },
    ],
)
def test_a_form_sent_back_as_it_was_shown_changes_nothing(values: dict[str, Any]) -> None:
    whole = Config.model_validate(values)
    fields = CONFIG.build(whole.model_dump(mode="json"))
    shown = {name: field.initial for name, field in fields.items() if field.initial not in (None, False)}
    form = form_over(fields, {name: str(value).replace("\n", "\r\n") for name, value in shown.items()})
    assert form.is_valid(), form.errors
    assert Config.model_validate(CONFIG.collect(form.cleaned_data)) == whole


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("headers", "X-One: 1\nnonsense", "Line 2"),
        ("headers", ": 1", "Line 1"),
        ("headers", "A: 1\nB: 2\nA: 3", "Line 3"),
        ("headers", '{"A": ', "line 1, column 7"),
        ("tls", '{\n"verify": maybe}', "line 2, column 11"),
        ("tls", '{"a": 1, "a": 2}', "stands twice"),
        ("tls", "NaN", "NaN"),
        ("tls", "[" * 100_000, "not JSON"),
        ("tls", '{"a": -' + "7" * 5000 + "}", "a number has 5,000 digits, and 4,300 are the most"),
    ],
)
def test_text_that_is_no_value_is_refused_with_its_place(field: str, text: str, said: str) -> None:
    name = f"kind_config_{field}"
    form = form_over(CONFIG.build({}), {"kind_config_url": "https://x", name: text})
    assert said in str(form.errors[name])


def test_a_pointer_finds_the_field_that_shows_it() -> None:
    assert CONFIG.locate("/config/headers/X-One") == ("kind_config_headers", "X-One")
    assert CONFIG.locate("/config/url") == ("kind_config_url", "")
    assert CONFIG.locate("/config/unknown") is None
    assert CONFIG.locate("/secrets/token") is None


def test_secrets_are_never_shown_not_even_those_just_entered() -> None:
    entered = {"kind_secret_token": "canary-1", "kind_secret_password": "canary-2", "kind_secret_key": "canary-3"}
    for form in (form_over(SECRETS.build({}), entered), form_over(SECRETS.build({"token": SINCE}), entered)):
        assert form.is_valid()
        assert "canary" not in str(form)


def test_a_secret_that_is_set_may_stay_empty_and_says_since_when() -> None:
    fields = SECRETS.build({"token": SINCE, "password": SINCE})
    assert not fields["kind_secret_token"].required
    assert "Set on 2026-11-03; leave empty to keep it." in str(fields["kind_secret_token"].help_text)
    assert "Of the &lt;user&gt;." in str(fields["kind_secret_password"].help_text)
    form = form_over(fields, {})
    assert form.is_valid()
    assert SECRETS.collect(form.cleaned_data) == {}


def test_a_box_clears_a_secret_that_is_set_and_not_needed() -> None:
    fields = SECRETS.build({"token": SINCE, "password": SINCE})
    assert [name for name in fields if "clear" in name] == ["kind_secret_clear_password"]
    form = form_over(fields, {"kind_secret_clear_password": "on", "kind_secret_token": "new"})
    assert form.is_valid()
    assert SECRETS.collect(form.cleaned_data) == {"password": None, "token": "new"}


def test_a_secret_entered_beside_its_clear_box_is_set() -> None:
    form = form_over(
        SECRETS.build({"password": SINCE}),
        {"kind_secret_token": "t", "kind_secret_clear_password": "on", "kind_secret_password": "new"},
    )
    assert form.is_valid()
    assert SECRETS.collect(form.cleaned_data) == {"token": "t", "password": "new"}


def test_a_secret_of_many_lines_has_room_for_them() -> None:
    form = form_over(SECRETS.build({}))
    assert "<textarea" in str(form["kind_secret_key"])
    assert 'type="password"' in str(form["kind_secret_password"])


def test_a_field_of_another_type_is_shown_as_sent_and_not_checked() -> None:
    field = Unchecked(CONFIG.build({})["kind_config_retries"])
    form = form_over({"retries": field}, {"retries": "nonsense"})
    assert form.is_valid()
    assert "nonsense" in str(form["retries"])


def test_names_are_fit_for_the_consoles_conditions() -> None:
    odd = SchemaFields(Config, "my-type.v2_config", "config", "/config")
    assert all(name.isidentifier() for name in odd.build({}))
