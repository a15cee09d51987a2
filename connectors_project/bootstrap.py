"""What a fresh installation needs before anybody can use it. Every function may run again, and in several processes."""

from spaces.models import DEFAULT_SPACE, Space


def ensure_default_space() -> Space:
    """Return the default space, created on first use."""
    space, _ = Space.objects.get_or_create(slug=DEFAULT_SPACE, defaults={"name": "Default"})
    return space
