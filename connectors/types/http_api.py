"""The base of connector types that speak one system's API over HTTP.

A type says where the system is, how it is greeted, what a message asks of it and what the answers mean. Network policy,
concurrency, timeouts, masking and the steps of a test are the same for all.
"""

import threading
import time
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from pydantic import Field

from connectors.net.exchange import Request, Response, Result
from connectors.net.policy import BlockedTarget, NetworkPolicy, policy_for
from connectors.net.terms import Overrides
from connectors.net.urls import BadUrl, parse_url
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS, clean
from connectors.types.base import Connection, ConnectorType, Message, ParamsT, SecretsT
from connectors.types.conversations import BadMessage, Conversation, hold
from connectors.types.faults import FAULT, NO_FAULT, tell_fault
from connectors.types.gathering import Batch, Gathering
from connectors.types.http_fields import ADVANCED, DEFAULT_TIMEOUT
from connectors.types.http_probe import CHECKS, Probe, probe_http, status_step, token_step
from connectors.types.oauth2 import Grant, NoToken, TokenSource
from connectors.types.sites import Site
from connectors.types.tls_fields import TrustConfig
from spaces.errors import FieldError

_MAX_SITES: Final = 256

Exchange = Generator[Request, Result, Outcome]


class HttpApiConfig(TrustConfig):
    """What every connector to an HTTP API has settings for."""

    timeout: float = Field(
        DEFAULT_TIMEOUT,
        title="Timeout",
        description="Seconds for a whole message, from connecting to the last byte of the last answer.",
        ge=1,
        le=300,
        json_schema_extra=ADVANCED,
    )


ApiConfigT = TypeVar("ApiConfigT", bound=HttpApiConfig)


class HttpApiType(ConnectorType[ApiConfigT, SecretsT, ParamsT]):
    """A connector type whose every message is one conversation with one site."""

    checks = CHECKS
    results = RESULTS

    def __init__(self) -> None:
        self._sites: OrderedDict[int, Site[ApiConfigT, SecretsT]] = OrderedDict()  # longest unused first
        self._lock = threading.Lock()

    @abstractmethod
    def base_url(self, config: ApiConfigT, secrets: SecretsT) -> str:
        """Return the address that all requests begin with; empty when it is a secret that is missing."""

    @abstractmethod
    def converse(self, site: Site[ApiConfigT, SecretsT], message: Message[ParamsT]) -> Exchange:
        """Yield each request, be sent what became of it, return the outcome. May raise BadMessage.

        All requests of a message end within the connector's timeout, or the message's.
        """

    def batch_size(self, config: ApiConfigT) -> int:
        """Return how many messages may be one conversation."""
        return 1

    def batch_key(self, message: Message[ParamsT]) -> Hashable:
        """Return what messages have in common that may be one conversation, besides their timeout."""
        return None

    def converse_together(self, site: Site[ApiConfigT, SecretsT], messages: Batch[ParamsT]) -> Conversation:
        """Do for a batch of messages what ``converse`` does for one; return the outcome of each. Does not raise."""
        outcomes = []
        for message in messages:
            try:
                outcomes.append((yield from self.converse(site, message)))
            except BadMessage as error:
                outcomes.append(Outcome(message.key, Reason.TEMPLATE_ERROR, str(error)))
            except (NoToken, *NO_FAULT):
                raise  # which no message is to blame for
            except Exception as error:  # noqa: BLE001  of this message alone: the others go on
                outcomes.append(Outcome(message.key, FAULT, tell_fault(self.id, error)))
        return outcomes

    def headers(self, config: ApiConfigT, secrets: SecretsT) -> Mapping[str, str]:
        """Return the headers of every request, secrets among them; names in lower case."""
        return {}

    def derived_secrets(self, config: ApiConfigT, secrets: SecretsT) -> list[str]:
        """Return what tells a secret and is none of its plaintexts, such as credentials put together."""
        return []

    def grant(self, config: ApiConfigT, secrets: SecretsT) -> Grant | None:
        """Return what is asked of a token endpoint, where each request has to carry an access token."""
        return None

    def probe_request(self, site: Site[ApiConfigT, SecretsT]) -> Request:
        """Return a request that asks whether the system is there and accepts the credentials, and changes nothing."""
        return site.request("GET")

    def judge(self, site: Site[ApiConfigT, SecretsT], request: Request, response: Response) -> Iterator[Step]:
        """Yield what the answer to the probe's request means. ``site.ask`` asks more."""
        yield status_step(request.method, response.status)

    def targets(self, config: ApiConfigT) -> frozenset[str]:
        try:
            origin, _ = parse_url(self.base_url(config, self.secrets_model()))
        except BadUrl:
            return frozenset()  # the address is itself a secret
        return frozenset({f"{origin.scheme}://{origin.host}:{origin.port}"})

    def check(self, config: ApiConfigT) -> list[FieldError]:
        url = self.base_url(config, self.secrets_model())
        if not url:
            return []
        pointer = self.url_pointer
        try:
            NetworkPolicy.current().check_url(url)
            limit = policy_for(url).timeout
        except (BadUrl, BlockedTarget) as error:
            return [FieldError(pointer, str(error))]
        # The default stands for "as long as usual" and gives way to a lower limit without a word.
        if config.timeout > limit and config.timeout != type(config).model_fields["timeout"].default:
            return [FieldError("/timeout", f"Use at most {limit:g} s: the installation sets the limit.")]
        return []

    @property
    def url_pointer(self) -> str:
        """Where in the config the address stands."""
        return "/url" if "url" in self.config_model.model_fields else "/api_url"

    def deliver(
        self, connection: Connection[ApiConfigT, SecretsT], messages: Iterable[Message[ParamsT]]
    ) -> Iterator[Outcome]:
        site = self.site(connection)
        if refusal := site.refusal:
            yield from (Outcome(message.key, refusal.reason, refusal.detail) for message in messages)
            return
        size = min(self.batch_size(connection.config), connection.concurrency)
        batches = Gathering(messages, lambda _: size, lambda message: (message.timeout, self.batch_key(message)))
        yield from hold(
            (self._conversation(site, batch) for batch in batches),
            key=site.key,
            # Who paces the messages counts those under way; else full batches must not exceed their limit.
            concurrency=connection.concurrency if batches.wait else connection.concurrency // size,
            wait=batches.wait,
        )

    def probe(self, connection: Connection[ApiConfigT, SecretsT], *, timeout: float) -> Iterator[Step]:
        site = self.site(connection)
        until = time.monotonic() + timeout

        def request(left: float) -> Request:
            asked = self.probe_request(site)
            asked.timeout = min(asked.timeout, left)
            return asked

        def judge(request: Request, response: Response) -> Iterator[Step]:
            site.ask_until = until
            return self.judge(site, request, response)

        tokens = site.tokens
        return probe_http(
            Probe(
                url=site.base,
                policy=site.policy,
                proxy=site.terms.proxy,
                masker=lambda: site.masker,
                request=request,
                judge=judge,
                authorize=None if tokens is None else lambda: token_step(tokens),
            ),
            timeout=timeout,
        )

    def site(self, connection: Connection[ApiConfigT, SecretsT]) -> Site[ApiConfigT, SecretsT]:
        """Return where a connection leads, worked out once for each of its versions."""
        policy = NetworkPolicy.current()
        with self._lock:
            site = self._sites.get(connection.id)
            # Compared as a whole: a row's id and version come again where a database was restored.
            if site is None or site.connection != connection or site.policy != policy:
                site = self._open(connection, policy)
            self._sites[connection.id] = site
            self._sites.move_to_end(connection.id)
            if len(self._sites) > _MAX_SITES:
                self._sites.popitem(last=False)
            return site

    def _open(self, connection: Connection[ApiConfigT, SecretsT], policy: NetworkPolicy) -> Site[ApiConfigT, SecretsT]:
        config, secrets = connection.config, connection.secrets
        overrides = Overrides(
            verify=None if config.verify == "default" else config.verify,
            ca=config.ca or None,
            timeout=config.timeout,
        )
        derived = self.derived_secrets(config, secrets)
        grant = self.grant(config, secrets)
        return Site(
            (self.id, connection.id, connection.version),
            connection,
            policy,
            self.base_url(config, secrets),
            overrides,
            self.headers(config, secrets),
            derived,
            TokenSource(connection, grant, overrides, derived) if grant else None,
        )

    def _conversation(self, site: Site[ApiConfigT, SecretsT], messages: Batch[ParamsT]) -> Conversation:
        began = time.monotonic()
        try:
            outcomes = yield from _authorized(site, self.converse_together(site, messages))
            took = time.monotonic() - began
            return [replace(outcome, duration=took) for outcome in outcomes]
        except NoToken as error:
            failure = error.failure
            detail = clean(failure.detail, site.masker)
            return [Outcome(message.key, failure.reason, detail, duration=failure.duration) for message in messages]
        except NO_FAULT:
            raise
        except Exception as error:  # noqa: BLE001  of these messages alone: other conversations go on
            detail = tell_fault(self.id, error)
            return [Outcome(message.key, FAULT, detail) for message in messages]


def _authorized(site: Site[ApiConfigT, SecretsT], conversation: Conversation) -> Conversation:
    """Hold a conversation; send a request whose access token is refused once more, with another."""
    try:
        request = next(conversation)
        while True:
            result = yield request
            if site.renew(request, result):
                result = yield request
            request = conversation.send(result)
    except StopIteration as end:
        outcomes: Iterable[Outcome] = end.value
        return outcomes
