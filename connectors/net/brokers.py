"""Servers of protocols other than HTTP: how a person names them, and whether the network policy allows them."""

from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.resolver import resolve
from connectors.net.urls import BadUrl, Origin, parse_authority


def parse_servers(scheme: str, text: str) -> tuple[Origin, ...]:
    """Return the servers in ``host:port, host:port``, each once; raise BadUrl.

    The port may be left out where it is the scheme's usual one.
    """
    if any(not character.isprintable() for character in text):
        raise BadUrl("Write the servers on one line, by comma.")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise BadUrl("Name at least one server, as host:port.")
    if wrong := next((part for part in parts if "/" in part), None):
        raise BadUrl(f"Write host:port, without {wrong[: wrong.index('/') + 1]} and a path.")
    return tuple(dict.fromkeys(parse_authority(scheme, part) for part in parts))


def vet(policy: NetworkPolicy, server: Origin) -> tuple[str, ...]:
    """Return every address of a server; raise BlockedTarget, also when only one is denied, or NameNotFound.

    A name that passes may have another address when a socket opens: whoever opens it judges that one again.
    """
    policy.check_host(server)
    addresses = (server.host,) if server.is_address else resolve(server.host)
    if any(policy.is_denied(address) for address in addresses):
        raise BlockedTarget(policy.why_denied(server.host))
    return addresses
