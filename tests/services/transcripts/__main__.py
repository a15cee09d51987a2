"""Prints the transcripts of some families of destinations, or of all: ``python -m tests.services.transcripts [FAMILY ...]``."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import django


def main() -> int:
    """Return 0 when all went as declared."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.services.transcripts.table import FAMILIES, walks_of
    from tests.services.transcripts.walking import WalkFailed, transcribe

    parser = argparse.ArgumentParser(prog="python -m tests.services.transcripts", description=__doc__)
    parser.add_argument("family", nargs="*", choices=[*FAMILIES, []], metavar="FAMILY", help=", ".join(FAMILIES))
    families = parser.parse_args().family

    def write(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="switchyard-transcripts-") as directory:
        try:
            transcribe(walks_of(families or FAMILIES), Path(directory), write)
        except WalkFailed as fault:
            sys.stderr.write(f"{fault}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
