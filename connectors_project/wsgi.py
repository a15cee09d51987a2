"""WSGI entry point: ``granian --interface wsgi connectors_project.wsgi:application``."""

import os

from django.core.wsgi import get_wsgi_application

from connectors_project.startup import load_connectors_file, refuse_if_misconfigured, tell_of_refusals, tune_interpreter

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_project.settings")

application = get_wsgi_application()
refuse_if_misconfigured()
load_connectors_file()
tune_interpreter()
tell_of_refusals()
