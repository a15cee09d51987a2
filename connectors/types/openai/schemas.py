"""What a person fills in for an OpenAI connector, and what an action asks.

The fields are those of OpenAI's "Create chat completion" and of Kibana's connector ``.gen-ai``.
"""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator

from connectors.net.headers import check_name, check_value
from connectors.net.urls import MAX_URL, parse_url
from connectors.types.base import Params, Secrets
from connectors.types.http_api import HttpApiConfig
from connectors.types.rendered import one_of

Provider = Literal["openai", "azure", "other"]

DEFAULT_URL: Final = "https://api.openai.com/v1"
DEFAULT_MODEL: Final = "gpt-4.1"
DEFAULT_TIMEOUT: Final = 60.0  # seconds
ROLES: Final = ("system", "developer", "user", "assistant")
_OWN_HEADERS: Final = frozenset(
    {"authorization", "api-key", "openai-organization", "openai-project", "content-type", "content-length", "host"}
)
_OWN_FIELDS: Final = frozenset({"model", "messages", "stream", "response_format", "temperature"})


class OpenAiConfig(HttpApiConfig):
    """Which endpoint is asked and how."""

    provider: Provider = Field(
        "openai",
        title="Provider",
        description=(
            "openai: OpenAI itself. azure: Azure OpenAI, whose key goes in the header api-key. other: any endpoint "
            "that speaks the same API, such as Ollama, vLLM or LiteLLM; the key may be left out."
        ),
    )
    url: str = Field(
        DEFAULT_URL,
        title="URL",
        description=(
            "Without /chat/completions. Azure: https://<resource>.openai.azure.com/openai/deployments/<deployment>, or "
            "https://<resource>.openai.azure.com/openai/v1."
        ),
        min_length=1,
        max_length=MAX_URL,
    )
    api_version: str = Field(
        "",
        title="API version",
        description="For Azure: the query api-version, such as 2024-10-21. Not needed with /openai/v1.",
        max_length=64,
    )
    model: str = Field(
        DEFAULT_MODEL,
        title="Model",
        description="The model of actions that name none. With Azure's /openai/v1: the deployment.",
        min_length=1,
        max_length=256,
    )
    organization: str = Field(
        "", title="Organization", description="For OpenAI: the ID of the organization that pays.", max_length=256
    )
    project: str = Field(
        "", title="Project", description="For OpenAI: the ID of the project that pays.", max_length=256
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        title="Headers",
        description="Sent with every request. Not the place for secrets.",
        max_length=50,
    )
    timeout: float = Field(
        DEFAULT_TIMEOUT,
        title="Timeout",
        description="Seconds for a whole answer, as far as the installation allows: NETWORK_TIMEOUT is the limit.",
        ge=1,
        le=300,
    )

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        parse_url(value)
        if "?" in value:
            raise ValueError("The URL has no query; the API version has a field of its own.")
        if value.rstrip("/").endswith("/chat/completions"):
            raise ValueError("Leave out /chat/completions: it is added.")
        return value

    @field_validator("organization", "project")
    @classmethod
    def _is_header_value(cls, value: str) -> str:
        check_value("openai-organization", value)
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            check_name(name)
            check_value(name, value)
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"The connector itself sets the header {name.lower()}.")
        return headers


class OpenAiSecrets(Secrets):
    """What lets questions in."""

    api_key: SecretStr | None = Field(
        None, title="API key", description="Needed for OpenAI and Azure.", max_length=4096
    )


class ChatMessage(BaseModel):
    """One message of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str = Field(title="Role", description="system, developer, user or assistant.", max_length=256)
    content: str = Field(title="Content", description="What is said.", max_length=256 * 1024)

    @field_validator("role")
    @classmethod
    def _is_role(cls, value: str) -> str:
        return one_of(ROLES, value)


class OpenAiParams(Params):
    """One question. Every string may be a template."""

    system: str = Field(
        "You help the people who run systems. Say in at most three sentences what happened and what to look at first.",
        title="Instructions",
        description="The system message. That the data is not to be obeyed is added. Empty: none.",
        max_length=64 * 1024,
    )
    messages: list[ChatMessage] = Field(
        default_factory=list,
        title="Messages",
        description="What stands between the instructions and the question, such as examples.",
        max_length=50,
    )
    prompt: str = Field(
        "Explain this event.",
        title="Question",
        description="The user message. What comes from outside belongs into the data, not here.",
        max_length=64 * 1024,
    )
    data: str = Field(
        "{{ event }}",
        title="Data",
        description="What the question is about. It stands behind it, between marks that nobody can guess.",
        max_length=256 * 1024,
    )
    model: str = Field("", title="Model", description="Empty: the connector's.", max_length=1024)
    temperature: float | None = Field(
        None, title="Temperature", description="0 to 2. Empty: as the model has it; some take no other.", ge=0, le=2
    )
    max_tokens: int | None = Field(
        None, title="Tokens", description="The most that the answer may have. Empty: as the model has it.", ge=1
    )
    response_format: dict[str, JsonValue] | None = Field(
        None,
        title="Format of the answer",
        description='Passed on as it is: {"type": "json_object"}, or {"type": "json_schema", ...} with a schema.',
    )
    extra: dict[str, JsonValue] = Field(
        default_factory=dict,
        title="Further fields",
        description="Passed on as they are, such as reasoning_effort, seed or top_p.",
        max_length=50,
    )
    answer_event: bool = Field(
        False,
        title="Answer as an event",
        description="Whether the answer becomes an event of the type switchyard.action.answered, for rules to act on.",
    )

    @field_validator("extra")
    @classmethod
    def _leave_the_others_fields(cls, fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := fields.keys() & _OWN_FIELDS:
            raise ValueError(f"{min(taken)} has a field of its own, or is none that can be set.")
        return fields

    @property
    def asks_for_json(self) -> bool:
        """Whether the answer is to be JSON."""
        return (self.response_format or {}).get("type") in {"json_object", "json_schema"}
