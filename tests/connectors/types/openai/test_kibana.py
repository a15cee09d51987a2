"""Kibana's connectors ``.gen-ai`` come in as OpenAI connectors.

Source: elastic.co/docs/reference/kibana/connectors-kibana/openai-action-type.
"""

from typing import Any

import pytest

from connectors.types.openai import connector_type
from connectors.types.openai.schemas import OpenAiConfig


@pytest.mark.parametrize(
    ("config", "provider", "url", "version"),
    [
        (
            {"apiProvider": "OpenAI", "apiUrl": "https://api.openai.com/v1/chat/completions"},
            "openai",
            "https://api.openai.com/v1",
            "",
        ),
        (
            {
                "apiProvider": "Azure OpenAI",
                "apiUrl": "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            },
            "azure",
            "https://r.openai.azure.com/openai/deployments/d",
            "2024-10-21",
        ),
        (
            {"apiProvider": "Other", "apiUrl": "http://llm.example:11434/v1/chat/completions", "defaultModel": "m"},
            "other",
            "http://llm.example:11434/v1",
            "",
        ),
    ],
)
def test_a_connector_of_kibana_waits_for_its_key(config: dict[str, Any], provider: str, url: str, version: str) -> None:
    adopted = connector_type.adopt(config)
    assert (adopted.awaited, adopted.usable) == (("api_key",), True)
    found = OpenAiConfig.model_validate(adopted.config)
    assert (found.provider, found.url, found.api_version) == (provider, url, version)


def test_one_with_a_client_certificate_stays_disabled() -> None:
    adopted = connector_type.adopt({"apiProvider": "Other", "apiUrl": "https://x.example/v1", "hasPKI": True})
    assert not adopted.usable
