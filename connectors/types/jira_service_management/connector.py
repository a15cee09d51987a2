"""The Jira Service Management connector type."""

from collections.abc import Iterator
from typing import Final

from connectors.net.exchange import Request, Response
from connectors.steps import Step
from connectors.types.jira_service_management.schemas import JiraServiceManagementConfig
from connectors.types.ops_alerts import OpsAlertSite, OpsAlertType
from connectors.types.sites import read_object

# With an integration's key, the one thing to read is what became of a request; nobody made this one.
_NO_REQUEST: Final = "00000000-0000-0000-0000-000000000000"
_GOOD_KEY: Final = frozenset({200, 202, 404, 422})


class JiraServiceManagementConnectorType(OpsAlertType):
    """Opens, acknowledges and closes alerts in Jira Service Management."""

    id = "jira_service_management"
    name = "Jira Service Management"
    description = "Opens, acknowledges and closes alerts in Jira Service Management."
    categories = ("incidents",)
    icon = "crisis_alert"
    kibana_id = ".jira-service-management"
    config_model = JiraServiceManagementConfig
    alerts = "jsm/ops/integration/v2/alerts"

    def probe_request(self, site: OpsAlertSite) -> Request:
        return site.request("GET", f"{self.alerts}/requests/{_NO_REQUEST}")

    def judge(self, site: OpsAlertSite, request: Request, response: Response) -> Iterator[Step]:
        is_its_own = "requestId" in read_object(response)
        return self.judge_key(response, _GOOD_KEY if is_its_own else frozenset({200, 202}))
