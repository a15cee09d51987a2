"""What an OpenID provider says about somebody: the ID token's proof, and the claims read from it.

OpenID Connect Core 1.0, sections 3.1.3.7 and 5.1.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import jwt
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.crypto import constant_time_compare

from spaces.errors import InvalidInput
from spaces.services import Person
from spaces.validation import check_storable

# Never "none", and none whose key would be the client's secret.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_CLOCKS_DIFFER: Final = 60  # seconds
_REQUIRED: Final = ["iss", "sub", "aud", "exp", "iat"]
_LONGEST_SUBJECT: Final = 255
_LONGEST_EMAIL: Final = 254
_LONGEST_NAME: Final = 150


class BadClaims(Exception):
    """What the provider sent proves or says nothing that can be used; the text tells an administrator why."""


def verify_id_token(token: str, key_set: Any, *, issuer: str, client_id: str, nonce: str) -> dict[str, Any]:
    """Return the claims of an ID token that one of the keys signed, for this client and sign-in, and that is valid now.

    ``key_set`` is a JSON Web Key Set as it was read. Raises BadClaims.
    """
    try:
        header = jwt.get_unverified_header(token)
        claims = _decode(token, header, key_set, issuer, client_id)
    except jwt.PyJWTError as error:
        raise BadClaims(f"the ID token is not valid: {error}") from None
    audience = claims["aud"]
    party = claims.get("azp", None if isinstance(audience, list) and len(audience) > 1 else client_id)
    if party != client_id:
        raise BadClaims("the ID token was made for another client")
    given = claims.get("nonce")
    if not isinstance(given, str) or not constant_time_compare(given, nonce):
        raise BadClaims("the ID token belongs to another sign-in (nonce)")
    return claims


def merge_claims(proven: Mapping[str, Any], userinfo: Any) -> dict[str, Any]:
    """Return the claims of the ID token with those that only the UserInfo endpoint gives; raise BadClaims."""
    if not isinstance(userinfo, dict) or userinfo.get("sub") != proven["sub"]:
        raise BadClaims("the UserInfo endpoint speaks of somebody else (sub)")
    return {**userinfo, **proven}


def read_person(claims: Mapping[str, Any], groups_claim: str) -> Person:
    """Return whom the claims describe; raise BadClaims."""
    subject = claims["sub"]
    if not _is_text(subject, _LONGEST_SUBJECT):
        raise BadClaims("the claim sub cannot be used")
    email = _text(claims, "email", _LONGEST_EMAIL)
    try:
        validate_email(email)
    except ValidationError:
        email = ""
    return Person(
        issuer=claims["iss"],
        subject=subject,
        username=_text(claims, "preferred_username", _LONGEST_NAME) or email or subject,
        groups=_groups(claims, groups_claim),
        email=email,
        first_name=_text(claims, "given_name", _LONGEST_NAME),
        last_name=_text(claims, "family_name", _LONGEST_NAME),
    )


def _decode(token: str, header: Mapping[str, Any], key_set: Any, issuer: str, client_id: str) -> dict[str, Any]:
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise BadClaims("the ID token is signed with an algorithm that is not accepted")
    fault: jwt.PyJWTError = jwt.InvalidKeyError("no key of the provider has its kid and algorithm")
    for key in _candidates(header, key_set):
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(key, algorithm),
                algorithms=[algorithm],
                issuer=issuer,
                audience=client_id,
                leeway=_CLOCKS_DIFFER,
                options={"require": _REQUIRED},
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError, jwt.PyJWKError) as error:
            fault = error
        else:
            return claims
    raise fault


def _candidates(header: Mapping[str, Any], key_set: Any) -> Iterator[dict[str, Any]]:
    """Yield the keys that may have signed: of the token's kid, where it names one."""
    keys = key_set.get("keys") if isinstance(key_set, dict) else None
    for key in keys if isinstance(keys, list) else ():
        if (
            isinstance(key, dict)
            and key.get("kid") == header.get("kid", key.get("kid"))
            and key.get("use", "sig") == "sig"
            and key.get("alg", header["alg"]) == header["alg"]
        ):
            yield key


def _groups(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    groups = claims.get(name)
    elsewhere = claims.get("_claim_names")
    if groups is None and isinstance(elsewhere, dict) and name in elsewhere:
        # Entra does so with more than 200 groups. To read them as none would take the user's rights away.
        raise BadClaims(f"the claim {name} has too many groups to be sent; let the provider send only those assigned")
    if isinstance(groups, str):
        groups = [groups]
    if groups is None:
        groups = []
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise BadClaims(f"the claim {name} is no list of names")
    return frozenset(groups)


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str:
    """Return the claim's text, empty where there is none that can be kept."""
    value = claims.get(name)
    return value if isinstance(value, str) and _is_text(value, longest) else ""


def _is_text(value: Any, longest: int) -> bool:
    try:
        check_storable(value, "")
    except InvalidInput:
        return False
    return isinstance(value, str) and 0 < len(value) <= longest
