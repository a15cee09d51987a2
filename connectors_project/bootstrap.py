"""What a fresh installation needs before anybody can use it. Every function may run again, and in several processes."""

import secrets
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, InterfaceError, connections, transaction

from connectors.services.canary import WrongKeys, check_canary, plant_canary
from connectors.services.preconfigured import sync_preconfigured
from connectors_project.demo.content import load_demo
from connectors_project.locks import one_set_up_at_a_time
from spaces.models import DEFAULT_SPACE, Space
from spaces.services import create_api_key

ADMIN = "admin"


class CannotSetUp(Exception):
    """The installation cannot be set up; the text tells a person why."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the first run made and nobody can read again: the password, and an API key of ``space``."""

    username: str
    space: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def set_up() -> Credentials | None:
    """Bring the database to this release's shape, load CONNECTORS_FILE and bootstrap; raise CannotSetUp."""
    try:
        with one_set_up_at_a_time():
            call_command("migrate", verbosity=0, skip_checks=True)
            check_canary()
            plant_canary()
            sync_preconfigured()
            return bootstrap()
    except WrongKeys as error:
        raise CannotSetUp(f"{error}\n{error.ADVICE}") from None
    except (DatabaseError, InterfaceError) as error:
        raise CannotSetUp(f"The database cannot be used: {error}\nSee DATABASE_URL and VAR_DIR.") from None
    finally:
        connections.close_all()


def bootstrap() -> Credentials | None:
    """Create the default space and, while there is no user at all, a superuser and an API key.

    The embedded shape gets the demo as well, and the key is for its space. Return None unless this was the first run.
    """
    space, _ = Space.objects.get_or_create(slug=DEFAULT_SPACE, defaults={"name": "Default"})
    try:
        with transaction.atomic():
            return None if get_user_model().objects.exists() else _first_run(space)
    except IntegrityError:
        # Another process, which started at the same moment, was first.
        return None


def _first_run(space: Space) -> Credentials:
    password = secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser(ADMIN, password=password)
    if settings.EMBEDDED:
        space = load_demo()
    _, token = create_api_key(space, "first run")
    return Credentials(ADMIN, space.slug, password, token)
