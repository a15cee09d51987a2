"""docs/openapi.json is what a running installation does: schemathesis sends what it allows, and what it forbids."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT, Switchyard

SEED = "20261125"
EXAMPLES = "25"  # for each operation and phase
HERE = Path(__file__).parent


@pytest.mark.timeout(1800)
def test_whatever_is_sent_no_answer_is_a_500_or_unlike_the_document(tmp_path: Path) -> None:
    with Switchyard(tmp_path, settings={"API_RATE": "0"}) as switchyard:
        seed = (HERE / "fuzzed_space.py").read_text()
        keys: dict[str, str] = json.loads(switchyard.manage("shell", "--no-imports", "-c", seed))
        command: list[str | Path] = [
            *(Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml"),
            *("run", "docs/openapi.json", "--url", switchyard.url, "--checks", "all"),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES, "--seed", SEED),
        ]
        environment = {**os.environ, **keys, "SCHEMATHESIS_HOOKS": "tests.services.schemathesis_hooks"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        logs = switchyard.logs()
    sys.stdout.write(done.stdout[done.stdout.find("= SUMMARY") :])
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in logs
