"""A connector type may come from another package: nothing here is edited, and what is wrong with one stays its own.

The sample package stands in switchyard-ntfy/; docs/write-a-connector-type.md walks through it.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks

from connectors.types.packages import GROUP
from connectors.types.registry import all_types, own_types
from tests.servers import ROOT

SAMPLE = ROOT / "tests" / "connectors" / "types" / "switchyard-ntfy"
IN_AN_INSTALLATION = SAMPLE / "in_an_installation.py"
VALID = """
from connectors.outcomes import Outcome, Reason
from connectors.types.base import Config, ConnectorType, Params, Secrets

class Type(ConnectorType[Config, Secrets, Params]):
    id = "pigeon"
    name = "Pigeon"
    description = "Flies."
    categories = ("test",)
    icon = "flight"
    config_model, secrets_model, params_model = Config, Secrets, Params

    def deliver(self, connection, messages):
        return (Outcome(message.key, Reason.OK) for message in messages)

    def probe(self, connection, *, timeout):
        return iter(())

    def targets(self, config):
        return frozenset()

connector_type = Type()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the sample package is built and installed into, as it would be from a package index."""
    uv, to = str(Path(sys.executable).with_name("uv")), tmp_path_factory.mktemp("installed")
    quiet = ("--quiet", "--offline", "--no-cache")
    subprocess.run([uv, "build", *quiet, "--wheel", "--out-dir", str(to / "wheels"), str(SAMPLE)], check=True)
    (wheel,) = (to / "wheels").glob("*.whl")
    target = ("--no-deps", "--python", sys.executable, "--target", str(to / "site"))
    subprocess.run([uv, "pip", "install", *quiet, *target, str(wheel)], check=True)
    return to / "site"


def run(installed: Path, *arguments: str) -> str:
    """Run Python with the package installed; return what it printed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env["PYTHONPATH"] = str(installed)
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_a_package_that_is_installed_adds_its_type(installed: Path) -> None:
    printed = run(installed, "-m", "pytest", "-p", "no:cacheprovider", str(IN_AN_INSTALLATION))
    assert "3 passed" in printed


@pytest.mark.timeout(600)
def test_the_contract_tests_try_the_type_of_a_package_as_they_try_all(installed: Path) -> None:
    printed = run(installed, "-m", "pytest", "-p", "no:cacheprovider", "tests/contract", "-k", "ntfy")
    assert " failed" not in printed
    assert int(printed.rpartition(" passed")[0].split()[-1]) > 40


def test_the_page_of_the_type_of_a_package_comes_from_its_declaration(installed: Path, tmp_path: Path) -> None:
    run(installed, "manage.py", "connector_docs", str(tmp_path), "ntfy")
    text = (tmp_path / "ntfy.md").read_text()
    assert "| `topic` | Topic | text | required |" in text
    assert "ntfy takes messages of 4,096 bytes." in text


def test_the_walk_through_shows_the_sample_package_as_it_is() -> None:
    text = (ROOT / "docs" / "write-a-connector-type.md").read_text()
    for path in SAMPLE.rglob("*"):
        if path.suffix in {".py", ".toml", ".md"} and path != IN_AN_INSTALLATION:
            assert path.read_text().strip() in text, path.name


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package of one module, with an entry point for its ``connector_type``."""

    def write(package: str, source: str, entry: str = "connector_type") -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        about = tmp_path / f"{module}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{GROUP}]\nit = {module}:{entry}\n")
        written.append(module)
        all_types.cache_clear()

    written: list[str] = []
    monkeypatch.syspath_prepend(str(tmp_path))
    yield write
    for module in written:
        sys.modules.pop(module, None)
    monkeypatch.undo()
    all_types.cache_clear()


def left_out() -> list[CheckMessage]:
    return [message for message in run_checks() if message.id == "switchyard.connector_types"]


def test_a_package_is_found_by_its_entry_point(install: Callable[..., None]) -> None:
    install("pigeon-post", VALID)
    assert all_types().keys() == own_types().keys() | {"pigeon"}
    assert not left_out()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("connector_type = object()", "it is no instance of ConnectorType"),
        (VALID.replace("connector_type =", "other ="), "AttributeError"),
        (VALID.replace('    id = "pigeon"\n', ""), "has no attribute 'id'"),
        (VALID.replace('"pigeon"', '"Pigeon/1"'), 'the id "Pigeon/1"'),
        (VALID.replace('"Flies."', "None"), "description is no text"),
        (VALID.replace('("test",)', '"test"'), "categories is no tuple"),
        (
            VALID.replace("= Config, Secrets, Params", "= Config, Config, Params"),
            "secrets_model is no subclass of Secrets",
        ),
        (
            VALID.replace(
                "= Config, Secrets, Params",
                '= Config, type("S", (Secrets,), {"__annotations__": {"pin": str}}), Params',
            ),
            'the secret "pin" is no SecretStr',
        ),
        (VALID + '\nType.default_params = lambda self: {"size": 1}', "Extra inputs are not permitted"),
        (VALID.replace('"pigeon"', '"http"'), 'the id "http" is taken by connectors.types.http.connector'),
        (
            VALID.replace('    name = "Pigeon"', '    name, kibana_id = "Pigeon", ".webhook"'),
            "Kibana's .webhook is taken by connectors.types.http.connector",
        ),
    ],
)
def test_a_broken_package_is_left_out_and_named_with_its_error(
    install: Callable[..., None], source: str, why: str
) -> None:
    install("broken-post", source)
    install("pigeon-post", VALID.replace('"pigeon"', '"carrier_pigeon"'))
    assert all_types().keys() == own_types().keys() | {"carrier_pigeon"}
    (message,) = left_out()
    assert "package broken-post declares as it = broken_post:connector_type" in message.msg
    assert why in message.msg
    assert "\n" not in message.msg
    assert not message.is_serious()


def test_of_two_packages_that_claim_one_id_the_first_by_name_has_it(install: Callable[..., None]) -> None:
    install("b-post", VALID)
    install("a-post", VALID)
    assert type(all_types()["pigeon"]).__module__ == "a_post"
    (message,) = left_out()
    assert "package b-post" in message.msg
    assert 'the id "pigeon" is taken by a_post' in message.msg
