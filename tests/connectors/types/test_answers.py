"""Each answer means one thing, and what is kept of it is masked and fits the database."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.net.exchange import Request, Response
from connectors.net.terms import KEPT_BODY
from connectors.outcomes import Outcome, Reason
from connectors.types.answers import MAX_RETRY_AFTER, outcome, parse_retry_after, reason_for
from connectors.types.masking import MASK, Masker

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EXPECTED = (
    dict.fromkeys(range(100, 200), Reason.RETRY_HTTP_5XX)
    | dict.fromkeys(range(200, 300), Reason.OK)
    | dict.fromkeys(range(300, 400), Reason.BAD_CONFIG)
    | dict.fromkeys(range(400, 500), Reason.PERMANENT_4XX)
    | dict.fromkeys(range(500, 1000), Reason.RETRY_HTTP_5XX)
    | {
        407: Reason.RETRY_CONNECT,
        408: Reason.RETRY_TIMEOUT,
        409: Reason.RETRY_HTTP_5XX,
        410: Reason.PERMANENT_410,
        425: Reason.RETRY_HTTP_5XX,
        429: Reason.RETRY_429,
    }
)


def judge(
    status: int,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    is_cut: bool = False,
    secrets: tuple[str, ...] = (),
) -> Outcome:
    request = Request("POST", "https://hooks.example.com/a?b=c", {}, b"12345")
    return outcome(7, request, Response(status, headers or {}, body, is_cut, 0.25), Masker(secrets))


def test_a_status_means_one_thing() -> None:
    assert {status: reason_for(status) for status in EXPECTED} == EXPECTED


def test_an_outcome_tells_what_was_sent_and_what_came_back() -> None:
    assert judge(
        201,
        b'{"id": 1}',
        {"content-type": "application/json", "set-cookie": "session=1", "x-request-id": "r"},
    ) == Outcome(
        key=7,
        reason=Reason.OK,
        detail="HTTP 201 Created",
        duration=0.25,
        request={"method": "POST", "url": "https://hooks.example.com/a?b=c", "bytes": 5},
        response={
            "status": 201,
            "headers": {"content-type": "application/json", "x-request-id": "r"},
            "body": '{"id": 1}',
        },
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("86400", 86400),
        ("86401", MAX_RETRY_AFTER),
        ("99999999999", MAX_RETRY_AFTER),
        ("9" * 1000, MAX_RETRY_AFTER),
        ("9" * 100_000, MAX_RETRY_AFTER),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        ("Mon, 23 Nov 2026 12:02:00 -0000", 120),
        ("Fri, 01 Jan 2099 00:00:00 GMT", MAX_RETRY_AFTER),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("-5", None),
        ("1.5", None),
        ("NaN", None),
        ("1e9", None),
        ("٣", None),
        ("²", None),
        ("", None),
        ("soon", None),
        ("Mon, 99 Nov 2026 12:02:00 GMT", None),
        ("Mon, 23 Nov 99999 12:02:00 GMT", None),
        ("120, 240", None),
        ("x" * 100_000, None),
    ],
)
def test_row_36_retry_after_is_clamped_and_garbage_ignored(value: str, seconds: float | None) -> None:
    with time_machine.travel(NOW, tick=False):
        assert parse_retry_after(value) == seconds


@given(st.text() | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,6} \d\d:\d\d:\d\d [+-]?\w{1,20}", fullmatch=True))
@example("Mon, 23 Nov 2026 12:02:00 +99999999999999")
@example("Mon, 23 Nov 2026 12:02:00 +2400")
def test_row_36_no_retry_after_raises(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


def test_retry_after_counts_for_failures_only() -> None:
    assert judge(429, headers={"retry-after": "7"}).retry_after == 7
    assert judge(503, headers={"retry-after": "7"}).retry_after == 7
    assert judge(200, headers={"retry-after": "7"}).retry_after is None
    assert judge(404, headers={"retry-after": "7"}).retry_after == 7  # an action may try it again
    assert judge(503).retry_after is None


def test_a_redirect_says_where_it_points_without_the_secret() -> None:
    told = judge(302, headers={"location": "https://login.example.com/?t=hunter22"}, secrets=("hunter22",))
    assert told.reason is Reason.BAD_CONFIG
    assert (
        told.detail == f"HTTP 302 Found: redirects are not followed, it points to https://login.example.com/?t={MASK}."
    )
    assert judge(304).detail == "HTTP 304 Not Modified: redirects are not followed."


def test_a_body_is_text_that_jsonb_takes() -> None:
    assert judge(200, b"a\0b \xff \xed\xa0\x80").response["body"] == "ab � ���"


def test_a_cut_body_does_not_end_in_half_a_character() -> None:
    body = ("x" + "ü" * KEPT_BODY).encode()[:KEPT_BODY]
    assert judge(200, body, is_cut=True).response["body"] == "x" + "ü" * (KEPT_BODY // 2 - 1)


def test_a_secret_in_utf_16_is_masked() -> None:
    assert judge(200, "<hunter22>".encode("utf-16-le"), secrets=("hunter22",)).response["body"] == f"<{MASK}>"


def test_a_secret_in_the_url_is_masked() -> None:
    request = Request("GET", "https://hooks.example.com/?key=hunter22", {})
    told = outcome(1, request, Response(200, {}, b"", False, 0.1), Masker(["hunter22"]))
    assert told.request["url"] == f"https://hooks.example.com/?key={MASK}"


def test_headers_are_few_and_short() -> None:
    headers = {"location": "x" * 5000, "retry-after": "1"} | {f"h{n}": "x" for n in range(1000)}
    kept = judge(500, headers=headers).response["headers"]
    assert set(kept) == {"location", "retry-after"}
    assert len(kept["location"]) == 1024
