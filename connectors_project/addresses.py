"""Where this machine finds its own web process."""

from django.conf import settings


def own_host() -> str:
    """Return an address by which this machine reaches its web process."""
    host: str = settings.HOST
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  looked up, not listened on
    return everywhere.get(host, host)


def own_url() -> str:
    """Return the URL of the web process as this machine sees it, without a slash at its end."""
    host = own_host()
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def receiver_url() -> str:
    """Return the URL of the demo's receiver."""
    return f"{own_url()}/demo/receiver/"
