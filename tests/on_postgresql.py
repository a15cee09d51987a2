"""Run pytest on a real PostgreSQL and Redis: ``python -m tests.on_postgresql [pytest arguments]``."""

import os
import secrets
import subprocess
import sys

from connectors.secrets import generate_key
from tests import started
from tests.servers import ROOT, postgresql, redis_server


def main() -> int:
    """Return pytest's exit status."""
    with postgresql() as database_url, redis_server() as broker:
        environment = {
            **os.environ,
            **started.behind(),
            "DATABASE_URL": database_url,
            "BROKER_URL": broker.url,
            "SECRET_KEY": secrets.token_urlsafe(40),
            "SECRETS_KEYS": generate_key(),
            "NETWORK_ALLOWED_PRIVATE": "127.0.0.0/8",
        }
        return subprocess.run(
            [sys.executable, "-m", "pytest", *sys.argv[1:]], cwd=ROOT, env=environment, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
