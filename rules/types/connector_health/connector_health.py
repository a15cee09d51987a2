"""Looks at the status of connectors."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

from connectors.models import Connector, Status
from rules.types.base import Finding, Params, Recovery, Report, Run, ScheduledRuleType

_LONGEST: Final = 7 * 24 * 3600


def _distinct(ids: list[str]) -> list[str]:
    return list(dict.fromkeys(ids))


ConnectorIds = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]],
    Field(max_length=100),
    AfterValidator(_distinct),
]


class ConnectorHealthParams(Params):
    """Which connectors to look at, and for how long one may be down."""

    connectors: ConnectorIds = Field(
        [], title="Connectors", description="IDs. Empty: all of the space, and the preconfigured ones."
    )
    for_seconds: int = Field(
        60, title="For at least", description="Seconds that it must have been so.", ge=0, le=_LONGEST
    )
    include_degraded: bool = Field(
        False, title="Degraded, too", description="Also those through which some messages go and some fail."
    )


class ConnectorHealthRule(ScheduledRuleType[ConnectorHealthParams]):
    """Keeps an alert of each connector that does not reach its system; its key is the connector's ID."""

    id = "connector_health"
    name = "Connector health"
    description = "Connectors that have been disconnected, or degraded, for a while."
    params_model = ConnectorHealthParams
    usual_interval = 30
    action_groups = {"disconnected": "Disconnected"}

    def run(self, params: ConnectorHealthParams, run: Run) -> Report:
        """Look at the status of each connector: one query."""
        down = {Status.DISCONNECTED, *([Status.DEGRADED] if params.include_degraded else [])}
        connectors = Connector.objects.usable_in(run.space_id).order_by("pk")
        if params.connectors:
            connectors = connectors.filter(public_id__in=params.connectors)
        rows = list(connectors.only("public_id", "name", "status", "status_detail", "status_since"))
        since = run.now - timedelta(seconds=params.for_seconds)
        return Report(
            findings=[
                Finding(row.public_id, "disconnected", str(row.status), _sentence(row))
                for row in rows
                if row.status in down and (row.status_since <= since or row.public_id in run.open_keys)
            ],
            recovered=[Recovery(row.public_id, str(row.status), _sentence(row)) for row in rows],
            # After a change of its settings nothing is known of it until it is tried.
            unjudged=[row.public_id for row in rows if row.status == Status.UNKNOWN],
            warnings=list(_missing(params, rows)),
        )


def _sentence(row: Connector) -> str:
    detail = f": {row.status_detail}" if row.status_detail else "."
    return f"{row.name} is {row.status.replace('_', ' ')}{detail}"


def _missing(params: ConnectorHealthParams, rows: list[Connector]) -> Iterator[str]:
    known = {row.public_id for row in rows}
    for public_id in params.connectors:
        if public_id not in known:
            yield f'There is no connector "{public_id}" in this space.'
