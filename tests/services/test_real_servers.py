"""A session of tests names the real servers that it ran against, with versions, also those that workers started."""

import os
import subprocess
import sys
from importlib.metadata import version

from tests.servers import ROOT, RedisServer, redis_version

MAIL = "tests/connectors/types/email/test_sessions.py::test_starttls_encrypts_the_sign_in_and_the_message"
REDIS = "tests/connectors/types/redis_stream/test_redis_stream.py::test_a_stream_stays_about_as_long_as_said"
NONE = "tests/connectors/types/server_log/test_server_log.py::test_what_was_escaped_can_be_read"


def last_lines(*arguments: str) -> str:
    """Return what a session of pytest prints."""
    # What stands behind this session is none of that one's.
    environment = {name: value for name, value in os.environ.items() if name != "SWITCHYARD_TESTS_STARTED"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_servers_of_all_workers_are_named_with_their_versions(broker: RedisServer) -> None:
    line = f"Real servers: aiosmtpd {version('aiosmtpd')}, {redis_version(broker.url)}"
    assert line in last_lines("-n", "2", MAIL, REDIS).splitlines()


def test_a_session_without_servers_names_none() -> None:
    assert "Real servers" not in last_lines("-n", "0", NONE)
