"""Prints the transcripts of families of destinations: ``python -m tests.services.transcripts [FAMILY ...]``, or all."""

import argparse
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

import django


def main() -> int:
    """Return 0 when all went as declared."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    # What the receivers say of themselves is no part of a transcript.
    logging.disable()
    warnings.simplefilter("ignore")
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
