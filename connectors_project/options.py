"""Every setting that comes from the environment, in one table, and a reader that never raises.

A value that cannot be used becomes a Problem and its default stands in; connectors_project.checks reports each
Problem as a system check before a process serves.
"""

import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any
from urllib.parse import urlsplit

import environ

from connectors.secrets import check_key, generate_key
from connectors.types.mailboxes import check_pattern

# Characters that the database has room for.
_LONGEST_GROUP = 150
_LONGEST_ISSUER = 255


_SHORTEST_SIGNING_KEY = 32  # characters


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its name in the environment, the default as text, the parser, and help for a person.

    A secret one may also be given as NAME_FILE, the path of a file that holds it.
    """

    name: str
    default: str
    parse: Callable[[str], Any]
    help: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """A setting that cannot be used, and what to do about it."""

    option: str
    message: str
    hint: str


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    lowered = value.lower()
    if lowered not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ValueError("write true or false")
    return lowered in {"true", "1", "yes", "on"}


def _names(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _some_names(value: str) -> list[str]:
    if not (names := _names(value)):
        raise ValueError("name at least one")
    return names


def _signing_key(value: str) -> str:
    if value and len(value) < _SHORTEST_SIGNING_KEY:
        raise ValueError(f"it has less than {_SHORTEST_SIGNING_KEY} characters, and could be guessed")
    return value


def _networks(value: str) -> list[str]:
    return [str(ipaddress.ip_network(part)) for part in _names(value)]


def _recipients(value: str) -> list[str]:
    return [check_pattern(part) for part in _some_names(value)]


def _keys(value: str) -> list[str]:
    keys = _names(value)
    for key in keys:
        check_key(key)
    return keys


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        parts = urlsplit(value)
        # Reading the port raises ValueError where it is not one.
        if value and (parts.scheme not in schemes or not parts.hostname or parts.port == 0):
            raise ValueError
        return value

    return parse


def _base_url(value: str) -> str:
    parts = urlsplit(_url("http", "https")(value))
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("write a URL without user, query and fragment")
    return value.rstrip("/")


def is_safe_url(value: str) -> bool:
    """Whether what goes there cannot be read on the way: an https URL, or an http one of this machine."""
    parts = urlsplit(value)
    host = parts.hostname or ""
    with suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            host = "localhost"
    return bool(host) and (parts.scheme == "https" or (parts.scheme, host) == ("http", "localhost"))


def _issuer(value: str) -> str:
    parts = urlsplit(_url("http", "https")(value))
    if value and (not is_safe_url(value) or parts.username is not None or parts.query or parts.fragment):
        raise ValueError("write an https URL without user, query and fragment; http is for loopback alone")
    if len(value) > _LONGEST_ISSUER:
        raise ValueError(f"use at most {_LONGEST_ISSUER} characters")
    return value


def _scopes(value: str) -> list[str]:
    scopes = _names(value)
    if "openid" not in scopes:
        raise ValueError("openid must be among them")
    return scopes


def _pairs(value: str) -> list[tuple[str, str]]:
    """Return (theirs, ours) of each ``theirs=ours``; a name alone is both."""
    pairs = []
    for part in _names(value):
        theirs, _, ours = (word.strip() for word in (part if "=" in part else f"{part}={part}").rpartition("="))
        if not theirs or not ours:
            raise ValueError(f"write theirs=ours, or one name, instead of {part}")
        if len(ours) > _LONGEST_GROUP:
            raise ValueError(f"the name of a group has at most {_LONGEST_GROUP} characters")
        pairs.append((theirs, ours))
    return pairs


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isdecimal() and low <= int(value) <= high):
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(value)

    return parse


def _level(value: str) -> str:
    if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError("write DEBUG, INFO, WARNING or ERROR")
    return value.upper()


OPTIONS = (
    Option("VAR_DIR", "var", _text, "Directory of all state in the embedded shape: database, queue, keys."),
    Option(
        "DATABASE_URL",
        "",
        _url("postgres", "postgresql"),
        "PostgreSQL, as postgres://user:password@host:5432/name. Empty: the embedded shape, on SQLite.",
        True,
    ),
    Option(
        "BROKER_URL",
        "",
        _url("redis", "rediss", "amqp", "amqps"),
        "Celery broker: redis://host:6379/0 or amqp://user:password@host:5672//. Empty: a queue of files in VAR_DIR.",
        True,
    ),
    Option("SECRET_KEY", "", _signing_key, "Signs sessions. Embedded shape: made and kept in VAR_DIR.", True),
    Option(
        "SECRETS_KEYS",
        "",
        _keys,
        "Keys that encrypt connectors' secrets, newest first, by comma. Embedded shape: made and kept in VAR_DIR.",
        True,
    ),
    Option("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]", _some_names, "Host names that this installation answers to."),
    Option("HTTPS", "false", _flag, "Serve over https only, behind a proxy in TRUSTED_PROXIES that ends TLS."),
    Option(
        "HSTS_SECONDS",
        "31536000",
        _number(0, 1 << 30),
        "With HTTPS: how long browsers refuse to go back to http for this host; 0: not told to.",
    ),
    Option(
        "TRUSTED_PROXIES",
        "",
        _networks,
        "Networks of proxies, as CIDR, whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    ),
    Option(
        "CSRF_TRUSTED_ORIGINS", "", _names, "Origins of the console where a proxy changes the host, as https://host."
    ),
    Option(
        "PUBLIC_URL",
        "",
        _base_url,
        "Address of the console as people open it, https://host, for links in messages. Empty: they have none.",
    ),
    Option("LOGIN_ATTEMPTS", "10", _number(1, 1000), "Wrong passwords for a name from one address until it must wait."),
    Option("LOGIN_COOLOFF", "900", _number(1, 86400), "Seconds that it must wait."),
    Option("HOST", "127.0.0.1", _text, "Address that the web process listens on."),
    Option("PORT", "8000", _number(1, 65535), "Port that the web process listens on."),
    Option("WEB_WORKERS", "1", _number(1, 64), "Web processes."),
    Option("WEB_THREADS", "32", _number(1, 512), "Threads of a web process."),
    Option("WORKERS", "1", _number(1, 64), "Worker processes that `manage.py run` starts."),
    Option("ENABLED_CONNECTOR_TYPES", "*", _names, "IDs of the connector types that may be used; * for all."),
    Option("HEALTH_INTERVAL", "60", _number(5, 86400), "Seconds between two health checks of a connector."),
    Option("CONNECTORS_FILE", "", _text, "YAML file with preconfigured connectors and the network policy."),
    Option("NETWORK_ALLOWED_HOSTS", "*", _names, "Hosts that connectors may reach; *.example.com takes subdomains."),
    Option(
        "NETWORK_ALLOWED_PRIVATE",
        "",
        _networks,
        "Private networks that connectors may reach, as CIDR. The embedded shape adds loopback.",
    ),
    Option("NETWORK_TIMEOUT", "30", _number(1, 300), "Longest total time of one request, in seconds."),
    Option(
        "EMAIL_ALLOWED_RECIPIENTS",
        "*",
        _recipients,
        "Who may get email: example.com, *.example.com, user@example.com, by comma; * for all.",
    ),
    Option("MAX_BODY_BYTES", str(10 * 1024 * 1024), _number(1024, 1 << 30), "Largest body of an ingest request."),
    Option("MAX_EVENT_BYTES", str(256 * 1024), _number(256, 16 << 20), "Largest single event."),
    Option("API_RATE", "1200", _number(0, 1_000_000), "API requests a minute for each key or user; 0: any number."),
    Option("LEASE_SECONDS", "90", _number(5, 3600), "How long a worker may hold a delivery before another takes it."),
    Option("SWEEP_SECONDS", "2", _number(1, 300), "How often what is due is looked for, should a wake-up be lost."),
    Option(
        "RULE_THREADS", "4", _number(1, 32), "Rules that each worker runs at once, of those that run by themselves."
    ),
    Option(
        "CONNECTOR_CONCURRENCY",
        "100",
        _number(1, 1000),
        "Messages under way to one connector, per worker; to Kafka ten times as many.",
    ),
    Option(
        "DISABLE_AFTER_DAYS",
        "5",
        _number(1, 365),
        "Days without one success after which a failing connector is disabled.",
    ),
    Option("DATABASE_POOL_SIZE", "20", _number(2, 500), "Connections to PostgreSQL that one process may open."),
    Option("OIDC_ISSUER", "", _issuer, "Single sign-on: URL of the OpenID provider, its issuer. Empty: none."),
    Option("OIDC_NAME", "SSO", _text, 'What "Sign in with" on the button is followed by.'),
    Option("OIDC_CLIENT_ID", "", _text, "ID under which the OpenID provider knows this installation."),
    Option("OIDC_CLIENT_SECRET", "", _text, "Secret of that client.", True),
    Option("OIDC_SCOPES", "openid,profile,email", _scopes, "Scopes that are asked for, by comma."),
    Option("OIDC_GROUPS_CLAIM", "groups", _text, "Claim that lists the groups of a user at the OpenID provider."),
    Option(
        "OIDC_GROUPS",
        "",
        _pairs,
        "Groups there and here, as theirs=ours, by comma; one name for both. Who is in one may sign in.",
    ),
    Option("OIDC_SUPERUSERS", "", _names, "Groups there whose users are superusers here, by comma."),
    Option(
        "OIDC_SESSION_HOURS",
        "8",
        _number(1, 720),
        "Hours after which a user signs in anew, and the groups are read anew.",
    ),
    Option("LOG_LEVEL", "INFO", _level, "DEBUG, INFO, WARNING or ERROR."),
    Option("LOG_JSON", "false", _flag, "One JSON object a line instead of text."),
    Option("DEBUG", "false", _flag, "Django's debug pages. Never in production."),
)


def read_options(env: environ.Env) -> tuple[dict[str, Any], list[Problem]]:
    """Return every option's value by name, and the problems found."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for option in OPTIONS:
        try:
            values[option.name] = option.parse(_given(env, option))
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
        except ValueError as error:
            # The value itself may be a secret: only the parser's words for the others.
            why = "the value has the wrong form" if option.secret else str(error)
        else:
            continue
        problems.append(Problem(option.name, f"{option.name} cannot be used: {why}.", option.help))
        values[option.name] = option.parse(option.default)
    return values, problems


def keep_in_file(path: Path, make: Callable[[], str]) -> str:
    """Return the secret in ``path``, made and written (mode 0600) on first use. Safe when processes race for it."""
    if not path.exists():
        with NamedTemporaryFile("w", dir=path.parent) as file:
            file.write(make())
            file.flush()
            with suppress(FileExistsError):
                path.hardlink_to(file.name)
    return path.read_text().strip()


def kept_keys(path: Path) -> tuple[list[str], list[Problem]]:
    """Return the keys in the file, made on first use, newest first, and the problem if it does not hold any."""
    with suppress(ValueError):
        if keys := _keys(keep_in_file(path, generate_key)):
            return keys, []
    hint = "Write keys there, newest first, by comma. docs/secrets.md tells how to make one."
    return [], [Problem("SECRETS_KEYS", f"SECRETS_KEYS cannot be used: {path} does not hold keys.", hint)]


def check_var_dir(path: Path) -> list[Problem]:
    """Create the directory if it is missing; return the problem if no file can be written there."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()
    except OSError as error:
        message = f"VAR_DIR cannot be used: {path}: {error.strerror}."
        return [Problem("VAR_DIR", message, "Name a directory that this user may write to.")]
    return []


def check_single_sign_on(values: Mapping[str, Any]) -> list[Problem]:
    """Return what is missing beside OIDC_ISSUER, if that is set."""
    if not values["OIDC_ISSUER"]:
        return []
    problems = [
        Problem(name, f"OIDC_ISSUER is set and {name} is not.", f"Set {name} as the provider shows it.")
        for name in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_NAME", "OIDC_GROUPS_CLAIM")
        if not values[name]
    ]
    if not values["OIDC_GROUPS"] and not values["OIDC_SUPERUSERS"]:
        hint = "Set OIDC_GROUPS, OIDC_SUPERUSERS or both. docs/single-sign-on.md has examples."
        problems.append(Problem("OIDC_GROUPS", "OIDC_ISSUER is set, and no group whose users may sign in.", hint))
    if find_spec("allauth") is None:
        hint = "Run `make sso`, or install requirements/sso.txt."
        problems.append(Problem("OIDC_ISSUER", "OIDC_ISSUER is set, and what it needs is not installed.", hint))
    return problems


def _given(env: environ.Env, option: Option) -> str:
    if option.secret and (path := env.str(f"{option.name}_FILE", default="")):
        return Path(path).read_text().strip()
    return str(env.str(option.name, default=option.default)).strip()
