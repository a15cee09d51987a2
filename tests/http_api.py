"""The API of a running installation, called over HTTP."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HttpApi:
    """The address of an installation, and a key to its default space."""

    url: str
    token: str = field(repr=False)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and the parsed answer; ``path`` is in the space."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/spaces/default/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")
