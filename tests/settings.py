"""The project's settings for tests: each test process keeps its state in a directory of its own."""

import atexit
import os
import shutil
import tempfile

os.environ["API_RATE"] = "0"  # one test is no caller like another's
os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="switchyard-tests-")
atexit.register(shutil.rmtree, os.environ["VAR_DIR"], ignore_errors=True)

from connectors_project.settings import *  # noqa: E402, F403  the settings are these, read with that VAR_DIR

# Else each client of a test looks at every static file there is before its first request.
WHITENOISE_AUTOREFRESH = True
# A hash that takes a tenth of a second would be most of the time of the tests that log in.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
