"""The form of CONNECTORS_FILE."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from connectors.net.headers import check_name, check_value
from connectors.net.terms import Overrides, Proxy
from connectors.net.tls import Tls, check_certificates
from connectors.net.urls import parse_host, parse_url

LONGEST_TIMEOUT: Final = 300
MOST_KEPT: Final = 1024 * 1024
_LONGEST_FILE: Final = 1024 * 1024


def follow_reference(value: Any, info: ValidationInfo) -> Any:
    """Return what ``env:NAME`` or ``file:path`` stands for, the text after ``value:``, and any other value as it is.

    A relative path begins where CONNECTORS_FILE lies, which stands in the context as ``directory``. Raises ValueError.
    """
    if not isinstance(value, str):
        return value
    source, _, rest = value.partition(":")
    match source:
        case "env":
            if rest not in os.environ:
                raise ValueError(f"The environment has no variable {rest[:100]}.")
            return os.environ[rest]
        case "file":
            return _read(Path(info.context["directory"] if info.context else ".") / rest.strip())
        case "value":
            return rest
        case _:
            return value


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LONGEST_FILE + 1)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8.") from None
    if len(text) > _LONGEST_FILE:
        raise ValueError(f"{path} is longer than {_LONGEST_FILE} characters.")
    return text.strip()


Referred = Annotated[str, BeforeValidator(follow_reference)]
ReferredSecret = Annotated[SecretStr, BeforeValidator(follow_reference)]


class Section(BaseModel):
    """Base of every part of the file. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TlsSection(Section):
    """How to trust and be trusted. Certificates and keys are PEM: written here, ``file:`` or ``env:``."""

    verify: Literal["full", "certificate", "none"] | None = None
    ca: Referred | None = None

    @field_validator("ca")
    @classmethod
    def _is_pem(cls, value: str | None) -> str | None:
        if value:
            check_certificates(value)
        return value


class ClientTlsSection(TlsSection):
    """TLS with a certificate to show."""

    client_cert: Referred | None = None
    client_key: ReferredSecret | None = None

    @field_validator("client_cert")
    @classmethod
    def _is_certificate(cls, value: str | None) -> str | None:
        return cls._is_pem(value)

    @field_validator("client_key")
    @classmethod
    def _comes_with_a_certificate(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("client_cert") is None:
            raise ValueError("A key needs its certificate, client_cert.")
        return value


class ProxySection(Section):
    """One proxy."""

    url: str
    username: str = ""
    password: ReferredSecret = SecretStr("")
    headers: dict[str, Referred] = Field(default_factory=dict)
    tls: TlsSection = TlsSection()

    @field_validator("url")
    @classmethod
    def _is_origin(cls, value: str) -> str:
        origin, rest = parse_url(value)
        if rest != "/":
            raise ValueError("Write the scheme, host and port of the proxy only.")
        if origin.has_usual_port and f":{origin.port}" not in value:
            raise ValueError("Write the port of the proxy, as http://proxy.example:3128.")
        return f"{origin.scheme}://{origin.authority}"

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            check_name(name)
            check_value(name, value)
        return headers

    def __hash__(self) -> int:
        return hash((self.url, self.username, self.password.get_secret_value(), tuple(self.headers.items()), self.tls))

    def proxy(self) -> Proxy:
        """Return the proxy, trusted."""
        return Proxy(
            self.url,
            self.username,
            self.password.get_secret_value(),
            tuple(f"{name}: {value}" for name, value in self.headers.items()),
            Tls(self.tls.verify or "full", self.tls.ca or ""),
            is_trusted=True,
        )


class GeneralProxySection(ProxySection):
    """The proxy of all hosts, of all but ``bypass``, or of ``only`` these."""

    bypass: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    @field_validator("bypass", "only")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_pattern(pattern) for pattern in value)

    @field_validator("only")
    @classmethod
    def _stands_alone(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("bypass"):
            raise ValueError("Use bypass or only, not both.")
        return value

    def __hash__(self) -> int:
        return hash((super().__hash__(), self.bypass, self.only))


class TermsSection(Section):
    """What may be said in general and of one host."""

    tls: ClientTlsSection = ClientTlsSection()
    timeout: float | None = Field(None, ge=1, le=LONGEST_TIMEOUT)
    max_response_bytes: int | None = Field(None, ge=1024, le=MOST_KEPT)

    def _overrides(self, proxy: Proxy | Literal["direct"] | None) -> Overrides:
        tls = self.tls
        key = tls.client_key.get_secret_value() if tls.client_key else ""
        client = None if tls.client_cert is None else (tls.client_cert, key)
        return Overrides(tls.verify, tls.ca, client, proxy, self.timeout, self.max_response_bytes)


class HostSection(TermsSection):
    """What holds for one host: ``name``, ``name:port``, or ``*.name`` for its subdomains."""

    host: str
    proxy: Literal["direct"] | ProxySection | None = None

    @field_validator("host")
    @classmethod
    def _is_place(cls, value: str) -> str:
        _split_place(value)
        return value

    def place(self) -> tuple[str, int | None]:
        """Return the host's pattern and its port, None for any."""
        return _split_place(self.host)

    def overrides(self) -> Overrides:
        """Return what is said of this host."""
        return self._overrides(self.proxy.proxy() if isinstance(self.proxy, ProxySection) else self.proxy)


class Network(TermsSection):
    """The network policy. What is not said here holds as the settings have it."""

    allowed_hosts: tuple[str, ...] | None = None
    allowed_private: tuple[str, ...] = ()
    proxy: GeneralProxySection | None = None
    hosts: tuple[HostSection, ...] = ()

    @field_validator("allowed_hosts")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else tuple(check_pattern(pattern) for pattern in value)

    @field_validator("allowed_private")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in value)

    @field_validator("hosts")
    @classmethod
    def _are_distinct(cls, value: tuple[HostSection, ...]) -> tuple[HostSection, ...]:
        places = [host.place() for host in value]
        if twice := next((host.host for host in value if places.count(host.place()) > 1), None):
            raise ValueError(f"{twice} stands here twice.")
        return value

    def overrides(self) -> Overrides:
        """Return what is said of every host."""
        return self._overrides(self.proxy.proxy() if self.proxy else None)


class PreconfiguredSection(Section):
    """One connector that stands in every space. Config and secrets are checked by its type."""

    id: str
    type: str
    name: str
    tags: tuple[str, ...] = ()
    config: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, ReferredSecret] = Field(default_factory=dict)
    expose_config: bool = False
    health_interval: int | None = None
    max_concurrency: int | None = None
    max_per_second: float | None = None


class FileSection(Section):
    """The whole file."""

    network: Network = Network()
    connectors: tuple[PreconfiguredSection, ...] = ()


def check_pattern(pattern: str) -> str:
    """Return a pattern for hosts, in lower case and ASCII: a host, ``*.`` and a name, or ``*``; raise ValueError."""
    if pattern == "*":
        return pattern
    star, name = ("*.", pattern[2:]) if pattern.startswith("*.") else ("", pattern)
    if "*" in name or "/" in name:
        raise ValueError(f"{pattern[:100]} is no pattern: write a host, *. and a domain, or * for all.")
    if name.startswith("[") or ":" in name:
        return str(parse_url(f"http://[{name.strip('[]')}]/")[0].host)
    return star + parse_host(name)


def _split_place(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        origin, _ = parse_url(f"http://{text}/")
        return origin.host, origin.port if text.rpartition("]")[2] else None
    name, colon, port = text.partition(":")
    if colon and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
        raise ValueError("Write a host, or a host and its port, as erp.example.com:8443.")
    return check_pattern(name), int(port) if colon else None
