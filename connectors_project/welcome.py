"""What a person reads after the start."""

import os
import shlex
import sys
from pathlib import Path

from django.conf import settings

from connectors_project.addresses import own_url, receiver_url
from connectors_project.bootstrap import ADMIN, Credentials

# The demo's first rule acts on it.
_EVENT = '{"sensor": "oven-1", "temperature": 42.5}'


def first_run_notice(credentials: Credentials) -> str:
    """Return how to log in and a command that sends an event; both hold secrets that are shown this once."""
    return f"""
First start. Keep these, they are not shown again:

  User      {credentials.username}
  Password  {credentials.password}
  API key   {credentials.token}   for the space "{credentials.space}"

Send an event:

  curl '{own_url()}/api/v1/spaces/{credentials.space}/events?type=sensor.reading' \\
    -H 'Authorization: Bearer {credentials.token}' \\
    -H 'Content-Type: application/json' -d '{_EVENT}'
"""


def running_notice() -> str:
    """Return where the console is, and what to do where the first start's notice is lost."""
    lines = [
        "",
        f"Switchyard runs at {own_url()}/   Ctrl-C stops it.",
        "",
        f"  A new password:  {_manage('changepassword', ADMIN)}",
        f"  A new API key:   {_manage('create_api_key', 'SPACE')}",
    ]
    if settings.EMBEDDED:
        lines += [f"  What the demo delivers:  {receiver_url()}"]
    return "\n".join([*lines, ""])


def _manage(*arguments: str) -> str:
    """Return the command line of a management command of this installation."""
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    given = f"VAR_DIR={shlex.quote(os.environ['VAR_DIR'])} " if "VAR_DIR" in os.environ else ""
    return given + shlex.join([str(python), "manage.py", *arguments])
