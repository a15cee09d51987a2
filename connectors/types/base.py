"""The contract of a connector type: one folder, one subclass of ConnectorType, found by the registry."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr

from connectors.outcomes import Outcome

MASK = "<secret>"


class Config(BaseModel):
    """Base of a type's public settings. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secrets(BaseModel):
    """Base of a type's secrets. Every field is a SecretStr, or None when it is not set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def plaintexts(self) -> list[str]:
        """Every secret value, longest first, for masking."""
        found = [str(v.get_secret_value()) for _, v in self if isinstance(v, SecretStr | SecretBytes)]
        return sorted((value for value in found if value), key=len, reverse=True)


class Params(BaseModel):
    """Base of what an action says: every string in it is a template until it is rendered."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ConfigT = TypeVar("ConfigT", bound=Config)
SecretsT = TypeVar("SecretsT", bound=Secrets)
ParamsT = TypeVar("ParamsT", bound=Params)


@dataclass(frozen=True, slots=True)
class Connection(Generic[ConfigT, SecretsT]):
    """A connector, ready for use: its row id and version name it, so clients may be cached by ``(id, version)``."""

    id: int
    version: int
    config: ConfigT
    secrets: SecretsT

    def mask(self, text: str) -> str:
        """Replace every secret value that stands in ``text``."""
        for value in self.secrets.plaintexts():
            text = text.replace(value, MASK)
        return text


@dataclass(frozen=True, slots=True)
class Message(Generic[ParamsT]):
    """One rendered message. ``key`` is the caller's handle; ``webhook_id`` is the same over all tries and replays."""

    key: int
    webhook_id: str
    params: ParamsT


class ConnectorType(ABC, Generic[ConfigT, SecretsT, ParamsT]):
    """The code for one kind of system, declared once.

    The admin form, API schema, masking and contract tests all come from the declaration.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    categories: ClassVar[tuple[str, ...]]
    icon: ClassVar[str]  # a Material Symbols name
    config_model: type[ConfigT]
    secrets_model: type[SecretsT]
    params_model: type[ParamsT]

    @abstractmethod
    def deliver(
        self, connection: Connection[ConfigT, SecretsT], messages: Iterable[Message[ParamsT]]
    ) -> Iterator[Outcome]:
        """Send each message; yield one Outcome for each as it completes, in any order.

        ``messages`` is pulled lazily, one each time there is room to send it: a caller that stops yielding has
        stopped the sending, and the messages under way are still finished and yielded. Nothing that a remote
        system does raises.
        """

    def default_params(self) -> dict[str, Any]:
        """Params for a new action, shown in forms."""
        return {}


AnyConnectorType = ConnectorType[Any, Any, Any]
AnyConnection = Connection[Any, Any]
AnyMessage = Message[Any]
