"""What docs/connectors-file.md shows can be used as it stands."""

import re
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from connectors.installation.reading import installation_file
from connectors.net.policy import NetworkPolicy, policy_for
from connectors.services.preconfigured import sync_preconfigured
from tests.servers import ROOT


@pytest.mark.django_db
def test_the_documented_file_is_taken_as_it_stands(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "connectors-file.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "connectors.yaml"
    path.write_text(example)
    monkeypatch.setenv("PROXY_PASSWORD", "x")
    monkeypatch.setenv("OPS_TOKEN", "y")
    settings.CONNECTORS_FILE = str(path)
    assert [message.msg for message in run_checks() if message.id == "switchyard.CONNECTORS_FILE"] == []
    assert installation_file().problems == ()
    assert sync_preconfigured().created == ["ops-hook"]
    erp = policy_for("https://erp.example.com:8443/")
    assert (erp.timeout, erp.tls.verify, erp.proxy) == (60, "certificate", None)
    usual = policy_for("https://hooks.example.com/ops")
    assert usual.proxy is not None
    assert (usual.timeout, usual.proxy.password) == (20, "x")
    assert policy_for("https://a.internal.example.com/").proxy is None
    assert "192.168.0.1" not in str(NetworkPolicy.current().allowed_private)
