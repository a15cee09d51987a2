"""The contract of a connector type: one folder, one subclass of ConnectorType, found by the registry."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, Literal, NoReturn, TypeVar

from django.conf import settings
from pydantic import BaseModel, ConfigDict, SecretStr

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.masking import Masker
from spaces.errors import FieldError

TemplateFormat = Literal[
    "json",
    "text",
    "url",
    "slack",
    "commonmark",
    "markdown",
    "discord",
    "telegram",
    "telegram_html",
    "telegram_markdown",
    "jira",
    "servicenow",
    "servicenow_html",
]


class Config(BaseModel):
    """Base of a type's public settings. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secrets(BaseModel):
    """Base of a type's secrets. Every field is a SecretStr, or None when it is not set.

    Those named in ``kept`` nobody enters: the type derives them from others (``succeed``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    kept: ClassVar[frozenset[str]] = frozenset()

    def plaintexts(self) -> list[str]:
        """Every secret that is set, for masking."""
        return [value.get_secret_value() for _, value in self if isinstance(value, SecretStr) and value]

    def __reduce__(self) -> NoReturn:
        raise TypeError("Secrets are never pickled.")


class Params(BaseModel):
    """Base of what an action says: every string in it is a template until it is rendered."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


def is_template(text: str) -> bool:
    """Whether a value of params may become another when it is rendered: its check then waits until it is sent."""
    return "{{" in text or "{%" in text


@dataclass(frozen=True, slots=True)
class Adopted:
    """A connector of another product in this type's words.

    ``awaited`` names the secrets to enter before it is used. ``warnings`` are lines for a person. One that is not
    ``usable`` lacks more than secrets, and stays disabled until somebody has seen to it.
    """

    config: dict[str, Any]
    awaited: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    usable: bool = True


ConfigT = TypeVar("ConfigT", bound=Config)
SecretsT = TypeVar("SecretsT", bound=Secrets)
ParamsT = TypeVar("ParamsT", bound=Params)
MessageT = TypeVar("MessageT")


@dataclass(frozen=True, slots=True)
class Connection(Generic[ConfigT, SecretsT]):
    """A connector, ready for use: its row id and version name it, so clients may be cached by ``(id, version)``.

    ``max_concurrency`` is how many messages may be under way at once; None for as many as the installation says.
    """

    id: int
    version: int
    config: ConfigT
    secrets: SecretsT
    max_concurrency: int | None = field(default=None, compare=False)

    @property
    def concurrency(self) -> int:
        """How many messages may be under way at once."""
        return self.max_concurrency or settings.CONNECTOR_CONCURRENCY

    def mask(self, text: str) -> str:
        """Mask every secret that stands in ``text``."""
        return Masker(self.secrets.plaintexts()).mask(text)


@dataclass(frozen=True, slots=True)
class Message(Generic[ParamsT]):
    """One rendered message. ``key`` is the caller's handle; ``webhook_id`` is the same over all tries and replays.

    ``hop`` is that of the event behind it: an event that the message leads to has one more. ``timeout``, in seconds, is
    how long this try may take within what the network policy allows; None: as long as the connector has it.
    """

    key: int
    webhook_id: str
    params: ParamsT
    hop: int = 0
    timeout: float | None = None


class Paced(Iterator[MessageT]):
    """Messages of which the next is not always to be had at once.

    Who takes it has to wait for it; who has something else to do meanwhile asks ``wait`` first.
    """

    def __init__(self, messages: Iterator[MessageT], wait: Callable[[], float]) -> None:
        """``wait`` returns the seconds, at the least, until the next message is to be had."""
        self._messages = messages
        self.wait: Final = wait

    def __next__(self) -> MessageT:
        return next(self._messages)


class ConnectorType(ABC, Generic[ConfigT, SecretsT, ParamsT]):
    """The code for one kind of system, declared once.

    The admin form, API schema, masking, docs page and contract tests all come from the declaration.

    ``checks`` and ``results`` are for the docs page, and held to what happens by the contract tests: the steps that a
    probe may have, in their order, each with what it finds out, and what may happen to a message, each with the reason
    that its outcome then has. A file ``about.md`` beside the module says there what no schema tells.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    categories: ClassVar[tuple[str, ...]]
    icon: ClassVar[str]  # a Material Symbols name
    is_remote: ClassVar[bool] = True  # whether messages leave this installation, over a network that may fail
    batch: ClassVar[int] = 1  # messages that it sends in one request: so many times the usual number are under way
    kibana_id: ClassVar[str] = ""  # of the connector type in Kibana that this one stands for, if any
    checks: ClassVar[Mapping[str, str]] = {}
    results: ClassVar[Mapping[str, Reason]] = {}
    config_model: type[ConfigT]
    secrets_model: type[SecretsT]
    params_model: type[ParamsT]

    @abstractmethod
    def deliver(
        self, connection: Connection[ConfigT, SecretsT], messages: Iterable[Message[ParamsT]]
    ) -> Iterator[Outcome]:
        """Send each message; yield one Outcome for each as it completes, in any order.

        ``messages`` is pulled lazily, one each time there is room to send it, and never more are under way than the
        connection's ``concurrency``: a caller that stops yielding has stopped the sending, and the messages under way
        are still finished and yielded. When ``messages`` is Paced and something is under way, none is taken before its
        time. Nothing that a remote system does raises.
        """

    @abstractmethod
    def probe(self, connection: Connection[ConfigT, SecretsT], *, timeout: float) -> Iterator[Step]:
        """Try the connection without sending a message; yield each step as it ends, the first that fails as the last.

        It ends within ``timeout`` seconds. Nothing that a remote system does raises.
        """

    @abstractmethod
    def targets(self, config: ConfigT) -> frozenset[str]:
        """Return the systems that get the secrets, each as ``scheme://host:port``.

        Stored secrets do not follow a connector to another target: whoever moves it enters them again.
        """

    def check(self, config: ConfigT) -> list[FieldError]:
        """Return what the installation's settings forbid in this config, with pointers into it.

        Called before a config is stored. A stored one must open even after the settings changed, so what depends on
        them is checked here and again by ``deliver``, not by ``config_model``.
        """
        return []

    def check_params(self, config: ConfigT, params: ParamsT) -> list[FieldError]:
        """Return what the config or the installation's settings forbid in these params, with pointers into them.

        Called before an action is stored. What templates yield is known, and checked, only by ``deliver``.
        """
        return []

    def missing_secrets(self, config: ConfigT, secrets: SecretsT) -> list[str]:
        """Return the names of the secrets that this config needs and that are not set."""
        return []

    def succeed(self, former: SecretsT, secrets: SecretsT) -> SecretsT:
        """Return ``secrets`` as they are kept when they take the place of ``former`` ones, for the same targets."""
        return secrets

    def template_format(self, config: ConfigT, params: dict[str, Any], field: str) -> TemplateFormat:
        """Return how values are escaped in the templates of this top-level field of ``params``."""
        return "text"

    def nested_format(self, field: str, holder: Mapping[str, Any], key: str) -> TemplateFormat | None:
        """Return how values are escaped in what an object within a field of params has under ``key``.

        ``holder`` is the object as it was saved. None: as in all of the field.
        """
        return None

    def instead_of_json(self, field: str) -> str:
        """Return what to do, in a sentence, where what this field is to say is no JSON; empty for nothing."""
        return ""

    @property
    def kibana_ids(self) -> tuple[str, ...]:
        """The connector types of Kibana that this one stands for."""
        return (self.kibana_id,) if self.kibana_id else ()

    def adopt_as(self, kibana_id: str, config: Mapping[str, Any]) -> Adopted:
        """Return what a connector of this type of Kibana with this config is here; raise InvalidInput.

        For a type that stands for several; for others, ``adopt``.
        """
        return self.adopt(config)

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        """Return what a connector of the type ``kibana_id`` with this config is here; raise InvalidInput."""
        raise NotImplementedError

    def default_params(self) -> dict[str, Any]:
        """Params for a new action, shown in forms."""
        return {}


AnyConnectorType = ConnectorType[Any, Any, Any]
AnyConnection = Connection[Any, Any]
AnyMessage = Message[Any]
