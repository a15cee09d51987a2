"""A secret is masked in every form in which a system may send it back."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.types.base import Connection
from connectors.types.masking import MASK, SHORTEST, Masker
from tests.connectors.vault import VaultConfig, VaultSecrets

SECRET = "p4ss/wörd &\"<+'?"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        html.escape(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_every_form_of_a_secret_is_masked(form: str) -> None:
    masked = Masker([SECRET]).mask(f"before {form} after {form}")
    assert masked.replace("=", "") == f"before {MASK} after {MASK}"


def test_the_longer_secret_is_masked_first() -> None:
    assert Masker(["abcd", "abcdef"]).mask("abcdef abcd") == f"{MASK} {MASK}"


def test_empty_secrets_mask_nothing() -> None:
    assert Masker(["", ""]).mask("text") == "text"
    assert Masker([]).mask("text", is_cut=True) == "text"


@pytest.mark.parametrize("secret", ["u", "re", 't"x'])
def test_a_very_short_secret_neither_garbles_a_text_nor_is_told_by_its_masks(secret: str) -> None:
    text = '{"result": "u", "true": "dQ==", "t"x": 1}'
    assert Masker([secret, "hunter2"]).mask(f"{text} hunter2") == f"{text} {MASK}"


def test_the_shortest_secret_that_is_masked_has_four_characters() -> None:
    assert Masker(["pass"]).mask("passport") == f"{MASK}port"
    assert Masker(["pas"]).mask("passport", is_cut=True) == "passport"


@given(st.integers(1, len(SECRET) - 1))
def test_a_cut_text_does_not_end_in_the_beginning_of_a_secret(length: int) -> None:
    assert Masker([SECRET]).mask("x " + SECRET[:length], is_cut=True) == "x "
    assert Masker([SECRET]).mask("x " + SECRET[:length]) == "x " + SECRET[:length]


@given(st.text(), st.lists(st.text(min_size=SHORTEST), min_size=1), st.text())
def test_no_secret_is_left_whatever_surrounds_it(before: str, secrets: list[str], after: str) -> None:
    masked = Masker(secrets).mask(before + secrets[0] + after)
    assert secrets[0] not in masked.replace(MASK, "\uffff") or secrets[0] in "\uffff"


def test_a_connection_masks_its_secrets() -> None:
    connection = Connection(1, 1, VaultConfig(url="http://x"), VaultSecrets.model_validate({"password": "hunter2"}))
    assert connection.mask("password=hunter2") == f"password={MASK}"
