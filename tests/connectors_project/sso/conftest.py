"""An installation beside an OpenID provider, started once."""

from collections.abc import Iterator

import pytest

from tests.connectors_project.sso.sign_in import Browser, Installation, person
from tests.openid_provider import CLIENT_ID, CLIENT_SECRET, openid_provider
from tests.servers import Switchyard


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with openid_provider() as provider:
        settings = {
            "ALLOWED_HOSTS": "127.0.0.1,switchyard.example",
            "CSRF_TRUSTED_ORIGINS": "https://switchyard.example",
            "OIDC_ISSUER": provider.issuer,
            "OIDC_CLIENT_ID": CLIENT_ID,
            "OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "OIDC_NAME": "Example <ID>",
            "OIDC_GROUPS": "ops-team=Operators, viewers",
            "OIDC_SUPERUSERS": "root-team",
        }
        switchyard = Switchyard(tmp_path_factory.mktemp("sso"), settings=settings)
        switchyard.manage("bootstrap")
        try:
            switchyard.start_web()
            yield Installation(switchyard, provider)
        finally:
            switchyard.stop()


@pytest.fixture
def installation(started: Installation) -> Iterator[Installation]:
    """The installation beside a provider that does nothing wrong yet, and that nobody asked anything wrong."""
    started.provider.mend()
    started.provider.person = person()
    yield started
    assert started.provider.refused == []


@pytest.fixture
def browser(installation: Installation) -> Browser:
    return Browser(installation)
