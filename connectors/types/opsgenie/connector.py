"""The Opsgenie connector type."""

from collections.abc import Iterator

from connectors.net.exchange import Request, Response
from connectors.steps import Step
from connectors.types.ops_alerts import OpsAlertSite, OpsAlertType
from connectors.types.opsgenie.schemas import OpsgenieConfig

_GOOD_KEY = frozenset({200})


class OpsgenieConnectorType(OpsAlertType):
    """Opens, acknowledges and closes alerts in Opsgenie."""

    id = "opsgenie"
    name = "Opsgenie"
    description = "Opens, acknowledges and closes alerts in Opsgenie."
    categories = ("incidents",)
    icon = "crisis_alert"
    kibana_id = ".opsgenie"
    config_model = OpsgenieConfig
    alerts = "v2/alerts"

    def probe_request(self, site: OpsAlertSite) -> Request:
        return site.request("GET", f"{self.alerts}/count")

    def judge(self, site: OpsAlertSite, request: Request, response: Response) -> Iterator[Step]:
        return self.judge_key(response, _GOOD_KEY)
