"""What Jira says of an error, for a person."""

from typing import Final

from connectors.net.exchange import Response
from connectors.types.sites import read_object

_MEANING: Final = {
    401: "the email address or the token is wrong, or has ended",
    403: "the account may not do this, or has to log in by hand once",
    404: "there is no such issue or project, or the account may not see it",
}


def explain(response: Response) -> str:
    """Return the status with what stands in ``errorMessages`` and, by field, in ``errors``; empty for nothing."""
    said = read_object(response)
    messages, errors = said.get("errorMessages"), said.get("errors")
    faults = [str(each) for each in messages] if isinstance(messages, list) else []
    if isinstance(errors, dict):
        faults += [f"{field}: {fault}" for field, fault in errors.items()]
    what = "; ".join(fault.strip().removesuffix(".") for fault in faults)
    if not what:  # who calls this found no success in the answer, whatever its status says
        what = "this is no answer of Jira" if response.status < 300 else _MEANING.get(response.status, "")
    return f"HTTP {response.status}: {what}." if what else ""
