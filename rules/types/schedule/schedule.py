"""Fires at given times; each firing is an event and what the rule's actions make of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import available_timezones

import orjson
from pydantic import Field

from rules.types.base import Firing, ParamError, Params, Report, Run, ScheduledRuleType
from rules.types.schedule.times import NoTimes, Times, check_cron

MOST_AT_ONCE: Final = 100
LATE: Final = timedelta(seconds=120)  # from which on a firing counts as missed
_DAY: Final = 24 * 3600
_MOST_DATA: Final = 16 * 1024  # bytes


class ScheduleParams(Params):
    """When to fire, and with what."""

    cron: str = Field(
        "", title="Cron", description="Minute, hour, day, month, day of the week: 30 6 * * MON-FRI.", max_length=200
    )
    zone: str = Field("UTC", title="Time zone", description="Such as Europe/Berlin.", min_length=1, max_length=64)
    every: int | None = Field(
        None, title="Every", description="Seconds, in place of cron; counted from midnight UTC.", ge=10, le=31 * _DAY
    )
    data: dict[str, Any] = Field({}, title="Data", description="A JSON object that each event carries.")
    catch_up: Literal["none", "last", "all"] = Field(
        "last",
        title="Catch up",
        description="What is fired of the times missed while nothing ran: none, the last, or all (the last 100).",
    )

    @property
    def times(self) -> Times:
        """Return when it fires."""
        return Times(self.cron, self.zone, self.every)


class ScheduleRule(ScheduledRuleType[ScheduleParams]):
    """Its memory has the time up to which all was fired, which never goes back."""

    id = "schedule"
    name = "Schedule"
    description = "Given times: a cron expression in a time zone, or every so many seconds."
    params_model = ScheduleParams
    usual_interval = _DAY  # it runs at its own times, and at the latest so long after the last
    action_groups = {}
    keeps_alerts = False

    def check(self, params: ScheduleParams) -> Iterable[ParamError]:
        """Refuse times that are none."""
        if bool(params.cron.strip()) == (params.every is not None):
            yield ParamError("/cron", "Give either a cron expression or every how many seconds.")
        elif params.every is None:
            try:
                check_cron(params.cron)
            except NoTimes as error:
                yield ParamError("/cron", str(error))
        if params.zone not in available_timezones():
            yield ParamError("/zone", "There is no such time zone: use a name such as Europe/Berlin, or UTC.")
        if len(orjson.dumps(params.data)) > _MOST_DATA:
            yield ParamError("/data", "The data is larger than 16 KiB.")

    def first_memory(self, now: datetime) -> Mapping[str, Any]:
        """Fire from now on."""
        return {"until": now.timestamp()}

    def run(self, params: ScheduleParams, run: Run) -> Report:
        """Return what is due since the last run."""
        until = datetime.fromtimestamp(run.memory.get("until", run.now.timestamp()), UTC)
        due, warnings = _due(params, until, run.now) if until < run.now else ([], [])
        following = params.times.next(max(until, run.now))
        latest = run.now + timedelta(seconds=run.interval)
        return Report(
            firings=[Firing(time, params.data) for time in due],
            memory={"until": max(until, run.now).timestamp()},
            warnings=warnings,
            next_at=latest if following is None else min(following, latest),
        )


def _due(params: ScheduleParams, since: datetime, now: datetime) -> tuple[list[datetime], list[str]]:
    found, has_older = params.times.latest(since, now, MOST_AT_ONCE)
    if params.catch_up == "all":
        warnings = [f"More than {MOST_AT_ONCE} times were missed: the older ones are left out."] if has_older else []
        return found, warnings
    in_time = [time for time in found if now - time <= LATE]
    return in_time or (found[-1:] if params.catch_up == "last" else []), []
