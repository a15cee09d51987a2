"""Stands for the services of apprise, whose hosts are fixed: a proxy of the installation that is itself every host."""

import ssl
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from django.test import override_settings

from connectors.types.apprise.services import SERVICES
from tests.contract.scripted import Peer, Script, ScriptedServer, scripted

HOUR = timedelta(hours=1)


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def authority_pem() -> str:
    return authority().cert_pem.bytes().decode()


@contextmanager
def proxied(url: str) -> Iterator[None]:
    """Have the installation reach everything through the proxy at this URL."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "connectors.yaml"
        file.write_text(f"network:\n  proxy:\n    url: {url}\n")
        with override_settings(CONNECTORS_FILE=str(file)):
            yield


@contextmanager
def speaking(
    script: Script, hosts: Sequence[str] = tuple(each.host for each in SERVICES.values()), until: timedelta = HOUR
) -> Iterator[ScriptedServer]:
    """Run a proxy where ``script`` speaks for every host, over TLS with a certificate for ``hosts``."""
    leaf = authority().issue_cert(*hosts, not_before=datetime.now(UTC) - 24 * HOUR, not_after=datetime.now(UTC) + until)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)

    def tunnel(peer: Peer) -> None:
        if peer.read_request().startswith(b"CONNECT "):
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            peer.secure(context)
            script(peer)

    with scripted(tunnel) as server:
        yield server


@contextmanager
def services(script: Script, **certificate: Any) -> Iterator[ScriptedServer]:
    """Let ``script`` speak for every host, and have the installation reach everything through its proxy."""
    with speaking(script, **certificate) as server, proxied(server.url.rstrip("/")):
        yield server
