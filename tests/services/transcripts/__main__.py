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
    from tests.kafka_broker import kafka_broker
    from tests.services.transcripts.declared import Surroundings
    from tests.services.transcripts.found import families, walks
    from tests.services.transcripts.walking import WalkFailed, transcribe

    found = walks()
    parser = argparse.ArgumentParser(prog="python -m tests.services.transcripts", description=__doc__)
    parser.add_argument("family", nargs="*", metavar="FAMILY", help=f"One of {', '.join(families(found))}.")
    wanted = parser.parse_args().family or families(found)
    if unknown := set(wanted) - set(families(found)):
        parser.error(f"There is no family {', '.join(sorted(unknown))}. Families: {', '.join(families(found))}.")

    def write(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="switchyard-transcripts-") as directory:
        around = Surroundings(Path(directory), kafka_broker)
        try:
            transcribe([each for each in found if each.family in wanted], around, write)
        except WalkFailed as fault:
            sys.stderr.write(f"{fault}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
