"""Settings of the rule type ``http_check``."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from connectors.net.headers import check_name, check_value
from connectors.net.urls import MAX_URL
from rules.types.base import Params

MOST_URLS: Final = 50
LONGEST_TIMEOUT: Final = 20
_STATUS: Final = re.compile(r"([1-5]\d\d)(?:-([1-5]\d\d))?")
# Headers whose values are secrets: params are shown to everybody who may see the rule.
_SECRET: Final = re.compile(r"auth|cookie|token|secret|password|api-?key|signature", re.IGNORECASE)


def _distinct(items: list[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _check_status(text: str) -> str:
    found = _STATUS.fullmatch(text)
    if found is None or (found[2] and found[2] < found[1]):
        raise ValueError("Write a status such as 204, or a range such as 200-299.")
    return text


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        check_name(name)
        if _SECRET.search(name):
            raise ValueError(
                f"The header {name} holds a secret, and a rule keeps none. Check what needs one through a connector: "
                "its probe and a rule of the type connector_health."
            )
        check_value(name, value)
    return headers


Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_URL)]
Status = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_status)]


class HttpCheckParams(Params):
    """What to ask, and which answer is right."""

    urls: Annotated[list[Url], AfterValidator(_distinct)] = Field(
        title="URLs", description="At most 50. Each has an alert of its own.", min_length=1, max_length=MOST_URLS
    )
    method: Literal["GET", "HEAD", "POST"] = Field("GET", title="Method")
    headers: Annotated[dict[str, str], AfterValidator(_check_headers)] = Field(
        {}, title="Headers", description="Without secrets: they are shown with the rule.", max_length=20
    )
    body: str = Field("", title="Body", description="Of a POST.", max_length=16 * 1024)
    statuses: Annotated[list[Status], AfterValidator(_distinct)] = Field(
        ["200-299"],
        title="Expected status",
        description="Such as 204, or 200-299. Redirects are not followed: name their status where they are expected.",
        min_length=1,
        max_length=20,
    )
    contains: str = Field(
        "", title="Body contains", description="Looked for in the first 64 KiB. Empty: any body.", max_length=1000
    )
    pattern: str = Field(
        "", title="Body matches", description="A regular expression (RE2) found in the first 64 KiB.", max_length=500
    )
    max_latency_ms: int | None = Field(
        None,
        title="Slow from",
        description="Milliseconds until the answer is complete.",
        ge=1,
        le=LONGEST_TIMEOUT * 1000,
    )
    certificate_days: int | None = Field(
        None, title="Certificate days", description="Alert when it expires in fewer days.", ge=1, le=365
    )
    verify_tls: bool = Field(True, title="Verify TLS")
    timeout: int = Field(10, title="Timeout", description="Seconds for one check.", ge=1, le=LONGEST_TIMEOUT)

    def expects(self, status: int) -> bool:
        """Return whether this status is one of the expected."""
        ranges = (text.partition("-") for text in self.statuses)
        return any(int(low) <= status <= int(high or low) for low, _, high in ranges)
