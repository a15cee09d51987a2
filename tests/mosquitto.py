"""A real MQTT broker for tests: mosquitto on free ports of 127.0.0.1, with what it keeps on disk outliving restarts."""

import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import trustme

from tests import started
from tests.servers import Process, ServerFault, free_port, wait_until


class Mosquitto:
    """A broker with a plain listener and, given ``certificate``, one over TLS; both ports outlive restarts.

    With ``users`` (name: password) nobody else may connect. With ``client_authority`` the TLS listener asks for a
    certificate of that authority.
    """

    def __init__(
        self,
        directory: Path,
        *,
        users: Mapping[str, str] | None = None,
        certificate: trustme.LeafCert | None = None,
        client_authority: trustme.CA | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        self.port = free_port()
        self.tls_port = free_port() if certificate else 0
        self._directory = directory
        self._log = directory / "mosquitto.log"
        self._process: Process | None = None
        config = [
            "persistence true",
            f"persistence_location {directory}/",
            "log_dest stderr",
            "log_type all",
            # Root may read what is in a directory of a test's; nobody else may.
            f"user {pwd.getpwuid(directory.stat().st_uid).pw_name}",
            f"allow_anonymous {'false' if users else 'true'}",
            *([f"password_file {self._write_users(users)}"] if users else []),
            *lines,
            f"listener {self.port} 127.0.0.1",
        ]
        if certificate:
            config += [f"listener {self.tls_port} 127.0.0.1", *self._tls_lines(certificate, client_authority)]
        (directory / "mosquitto.conf").write_text("\n".join(config) + "\n")

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [mosquitto_binary(), "-c", str(self._directory / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_until(self._answers_or_ended, "mosquitto did not get ready", 30)
        started.note(mosquitto_version())

    def stop(self, how: Signals = SIGTERM) -> None:
        """End it: SIGTERM has it write down what it keeps, SIGKILL is a crash. Stopping twice is allowed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def restart(self) -> None:
        """End it gracefully, and start it again with what it kept."""
        self.stop()
        self.start()

    def log(self) -> str:
        """Return all that it has logged."""
        return self._log.read_text(errors="replace")

    def _answers_or_ended(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise ServerFault(f"mosquitto ended with status {self._process.returncode}:\n{self.log()[-4000:]}")
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    def _write_users(self, users: Mapping[str, str]) -> Path:
        path = self._directory / "users"
        path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
        return path

    def _tls_lines(self, certificate: trustme.LeafCert, client_authority: trustme.CA | None) -> list[str]:
        chain, key = self._directory / "server.pem", self._directory / "server.key"
        certificate.cert_chain_pems[0].write_to_path(str(chain))
        certificate.private_key_pem.write_to_path(str(key))
        lines = [f"certfile {chain}", f"keyfile {key}"]
        if client_authority is not None:
            authority = self._directory / "clients.pem"
            client_authority.cert_pem.write_to_path(str(authority))
            lines += [f"cafile {authority}", "require_certificate true"]
        return lines


@contextmanager
def mosquitto(
    *,
    users: Mapping[str, str] | None = None,
    certificate: trustme.LeafCert | None = None,
    client_authority: trustme.CA | None = None,
    lines: tuple[str, ...] = (),
) -> Iterator[Mosquitto]:
    """Run mosquitto; yield its handle."""
    with tempfile.TemporaryDirectory(prefix="switchyard-mosquitto-", ignore_cleanup_errors=True) as directory:
        server = Mosquitto(
            Path(directory), users=users, certificate=certificate, client_authority=client_authority, lines=lines
        )
        server.start()
        try:
            yield server
        finally:
            server.stop(SIGKILL)


def mosquitto_binary() -> str:
    """Return the path of mosquitto; raise ServerFault when it is not installed."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerFault("mosquitto is not installed. Debian: apt-get install mosquitto.")
    return found


@cache
def mosquitto_version() -> str:
    """Return its name and version, such as ``mosquitto 2.0.11``."""
    shown = subprocess.run([mosquitto_binary(), "-h"], capture_output=True, text=True, check=False).stdout
    return shown.partition("\n")[0].replace(" version ", " ")
