"""What Slack's own errors mean for a delivery.

Sources: https://docs.slack.dev/reference/methods/chat.postMessage, "Errors", and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, "Handling errors".
"""

from collections.abc import Mapping
from typing import Any, Final

from connectors.outcomes import Reason

_RENEW: Final = "Enter another bot token."
_REMAKE: Final = "Make a new webhook and enter its URL."
_LATER: Final = "Slack asks to try again later."

# Each error that blames more than the message, with what to do about it.
_API_ERRORS: Final[Mapping[str, tuple[Reason, str]]] = {
    **dict.fromkeys(("ratelimited", "rate_limited"), (Reason.RETRY_429, "There were too many messages.")),
    "message_limit_exceeded": (Reason.RETRY_429, "The workspace has used up the messages of its plan."),
    **dict.fromkeys(("fatal_error", "internal_error", "service_unavailable"), (Reason.RETRY_HTTP_5XX, _LATER)),
    **dict.fromkeys(
        ("team_added_to_org", "org_login_required"), (Reason.RETRY_HTTP_5XX, "The workspace is being migrated.")
    ),
    "request_timeout": (Reason.RETRY_TIMEOUT, "Slack did not get the whole message."),
    **dict.fromkeys(
        ("account_inactive", "invalid_auth", "not_allowed_token_type", "not_authed", "token_expired", "token_revoked"),
        (Reason.BAD_CONFIG, _RENEW),
    ),
    "missing_scope": (Reason.BAD_CONFIG, "Give the app the scope and install it in the workspace again."),
    **dict.fromkeys(
        ("access_denied", "accesslimited", "enterprise_is_restricted", "team_access_not_granted"),
        (Reason.BAD_CONFIG, "The workspace's administrators decide who may post from where."),
    ),
    "two_factor_setup_required": (Reason.BAD_CONFIG, "The token's owner has to set up two factors."),
    **dict.fromkeys(("deprecated_endpoint", "method_deprecated"), (Reason.BAD_CONFIG, "Check the API URL.")),
    **dict.fromkeys(
        ("msg_too_long", "msg_blocks_too_long", "attachment_payload_limit_exceeded"),
        (Reason.TOO_LARGE, "Shorten the message."),
    ),
    "channel_not_found": (Reason.PERMANENT_4XX, "Use the channel's ID, and invite the bot if the channel is private."),
    **dict.fromkeys(("not_in_channel", "no_permission"), (Reason.PERMANENT_4XX, "Invite the bot to the channel.")),
    "is_archived": (Reason.PERMANENT_4XX, "The channel is archived."),
    "team_not_found": (Reason.PERMANENT_4XX, "The token is for several workspaces: use the channel's ID."),
}
_WEBHOOK_ERRORS: Final[Mapping[str, tuple[Reason, str]]] = {
    "rollup_error": (Reason.RETRY_HTTP_5XX, _LATER),
    **dict.fromkeys(
        ("no_service", "no_service_id", "no_active_hooks", "no_team", "team_disabled", "invalid_token"),
        (Reason.BAD_CONFIG, _REMAKE),
    ),
    "channel_not_found": (Reason.BAD_CONFIG, f"The webhook's channel is gone. {_REMAKE}"),
    "channel_is_archived": (Reason.PERMANENT_410, "The webhook's channel is archived."),
    **dict.fromkeys(
        ("action_prohibited", "posting_to_general_channel_denied"),
        (Reason.BAD_CONFIG, "The workspace's administrators do not let the webhook post there."),
    ),
}


def judge_error(said: Mapping[str, Any]) -> tuple[Reason, str]:
    """Return what an answer with ``"ok": false`` means, and a line about it for a person."""
    error = str(said.get("error"))
    reason, advice = _API_ERRORS.get(error, (Reason.PERMANENT_4XX, ""))
    metadata = said.get("response_metadata")
    found = metadata.get("messages") if isinstance(metadata, dict) else None
    more = " ".join(map(str, found)) if isinstance(found, list) else ""
    needed = f"It needs {said['needed']}." if "needed" in said else ""
    return reason, " ".join(part for part in (f"Slack refused: {error}.", more, needed, advice) if part)


def judge_webhook_error(text: str) -> tuple[Reason, str] | None:
    """Return what the body of a webhook's answer means, and a line about it; None where only its status tells."""
    if text not in _WEBHOOK_ERRORS:
        return None
    reason, advice = _WEBHOOK_ERRORS[text]
    return reason, f"Slack refused: {text}. {advice}"
