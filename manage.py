#!/usr/bin/env python
"""Run a management command: ``./manage.py help`` lists them."""

import os
import sys

from django.core.management import execute_from_command_line

from connectors_project.existing import UNCHECKED, refusal_to_begin

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_project.settings")
    if refusal := refusal_to_begin(sys.argv):
        sys.stderr.write(f"{refusal}\n")
        sys.exit(UNCHECKED)
    execute_from_command_line(sys.argv)
