"""Kibana's OpenAI connectors (``.gen-ai``) here.

Fields: https://www.elastic.co/docs/reference/kibana/connectors-kibana/openai-action-type
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from connectors.types.base import Adopted
from connectors.types.openai.schemas import DEFAULT_MODEL, DEFAULT_URL

_PROVIDERS: Final = {"OpenAI": "openai", "Azure OpenAI": "azure", "Other": "other"}
_COMPLETIONS: Final = "/chat/completions"
_WITH_CERTIFICATE: Final = "Kibana authenticates this one with a client certificate, which is not taken over."


def adopt_genai(config: Mapping[str, Any]) -> Adopted:
    """Return the connector for an OpenAI connector's config. What cannot be read is left for the type's own checks."""
    url, _, query = str(config.get("apiUrl") or DEFAULT_URL).partition("?")
    adopted: dict[str, Any] = {
        "provider": _PROVIDERS.get(str(config.get("apiProvider")), "other"),
        "url": url.rstrip("/").removesuffix(_COMPLETIONS),
        "api_version": parse_qs(urlsplit(f"?{query}").query).get("api-version", [""])[0],
        "model": config.get("defaultModel") or DEFAULT_MODEL,
        "organization": config.get("organizationId") or "",
        "project": config.get("projectId") or "",
        "headers": config.get("headers") or {},
    }
    if config.get("verificationMode"):
        adopted["verify"] = config["verificationMode"]
    if config.get("hasPKI") or config.get("certificateData"):
        return Adopted(adopted, warnings=(_WITH_CERTIFICATE,), usable=False)
    return Adopted(adopted, ("api_key",))
