"""Asks URLs, all at once, and looks at their answers."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from connectors.net.exchange import Failure, Request, Response, Trace
from connectors.net.http import trace
from connectors.net.policy import BlockedTarget, policy_for
from connectors.net.terms import Overrides
from connectors.net.urls import BadUrl
from rules.conditions import Condition, ConditionError, bind, compile_condition
from rules.types.base import Finding, ParamError, Recovery, Report, Run, ScheduledRuleType
from rules.types.http_check.params import HttpCheckParams

_MOST_BODY: Final = 64 * 1024
_USER_AGENT: Final = "Switchyard"


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one check; ``group`` is empty where all is as it should be."""

    url: str
    group: str
    reason: str
    status: int | None = None
    latency_ms: int | None = None
    certificate_days: int | None = None

    @property
    def value(self) -> dict[str, Any]:
        """Return it as templates see it."""
        return {
            "status": self.status,
            "latency_ms": self.latency_ms,
            "certificate_days": self.certificate_days,
            "reason": self.reason,
        }


class HttpCheckRule(ScheduledRuleType[HttpCheckParams]):
    """Keeps an alert of each URL that does not answer as it should; its key is the URL.

    Each check has a connection of its own, under the network policy. What is worst gives the group: ``down`` comes
    before ``certificate``, and that before ``slow``.
    """

    id = "http_check"
    name = "HTTP check"
    description = "URLs whose status, body, latency or certificate is not as it should be."
    params_model = HttpCheckParams
    usual_interval = 60
    action_groups = {"down": "Down", "certificate": "Certificate", "slow": "Slow"}
    time_limit = 45.0

    def check(self, params: HttpCheckParams) -> Iterable[ParamError]:
        """Refuse URLs that may not be asked, and a pattern that is none."""
        for at, url in enumerate(params.urls):
            try:
                policy_for(url)
            except (BadUrl, BlockedTarget) as error:
                yield ParamError(f"/urls/{at}", str(error))
        if params.body and params.method != "POST":
            yield ParamError("/body", f"A {params.method} has no body: leave it empty, or use POST.")
        for name in ("contains", "pattern"):
            if getattr(params, name) and params.method == "HEAD":
                yield ParamError(f"/{name}", "The answer to a HEAD has no body: use GET.")
        if params.pattern and (fault := _fault(params.pattern)):
            yield ParamError("/pattern", fault)

    def run(self, params: HttpCheckParams, run: Run) -> Report:
        """Ask each URL once."""
        with ThreadPoolExecutor(len(params.urls), thread_name_prefix=f"check {run.rule_id}") as threads:
            checks = list(threads.map(lambda url: _checked(url, params, run.now), params.urls))
        return Report(
            findings=[Finding(each.url, each.group, each.value, each.reason) for each in checks if each.group],
            recovered=[Recovery(each.url, each.value, each.reason) for each in checks if not each.group],
        )


def _checked(url: str, params: HttpCheckParams, now: datetime) -> Checked:
    said = Overrides(verify=None if params.verify_tls else "none", timeout=float(params.timeout), max_body=_MOST_BODY)
    try:
        terms = policy_for(url, said)
    except (BadUrl, BlockedTarget) as error:
        return Checked(url, "down", str(error))
    headers = {"user-agent": _USER_AGENT, **{name.lower(): value for name, value in params.headers.items()}}
    body = params.body.encode() if params.method == "POST" else None
    if body is not None:
        headers.setdefault("content-type", "application/json")
    request = Request(params.method, url, headers, body, terms.timeout, terms.tls, terms.proxy, _MOST_BODY)
    result, traced = trace(request)
    if isinstance(result, Failure):
        return Checked(url, "down", result.detail)
    return _judged(url, params, result, _days_left(traced, now))


def _judged(url: str, params: HttpCheckParams, answer: Response, days: int | None) -> Checked:
    latency = round(answer.duration * 1000)
    group, reason = "", f"status {answer.status} in {latency} ms"
    if not params.expects(answer.status):
        group, reason = "down", f"status {answer.status}, expected {', '.join(params.statuses)}"
    elif fault := _fault_of_body(params, answer.body.decode("utf-8", "replace")):
        group, reason = "down", fault
    elif params.certificate_days is not None and days is not None and days < params.certificate_days:
        when = f"expires in {days} day{'' if days == 1 else 's'}" if days >= 0 else "has expired"
        group, reason = "certificate", f"certificate {when}"
    elif params.max_latency_ms is not None and latency > params.max_latency_ms:
        group, reason = "slow", f"answered in {latency} ms, expected {params.max_latency_ms} ms at most"
    return Checked(url, group, reason, answer.status, latency, days)


def _fault_of_body(params: HttpCheckParams, body: str) -> str:
    if params.contains and params.contains not in body:
        return "the body does not contain the expected text"
    if params.pattern and not _condition(params.pattern).evaluate(bind({"data": body})).matched:
        return "the body does not match the expected pattern"
    return ""


def _condition(pattern: str) -> Condition:
    # CEL's matches() is RE2: it takes linear time, whatever the pattern.
    return compile_condition(f"event.data.matches({orjson.dumps(pattern).decode()})")


def _fault(pattern: str) -> str:
    try:
        match = _condition(pattern).evaluate(bind({"data": ""}))
    except ConditionError as error:
        return f"This is no regular expression (RE2): {error.message}"
    return f"This is no regular expression (RE2): {match.reason}" if match.is_failure else ""


def _days_left(traced: Trace | None, now: datetime) -> int | None:
    if traced is None or traced.certificate is None:
        return None
    return (traced.certificate.expires - now).days
