"""Prepare a fresh installation."""

from typing import Any

from django.core.management.base import BaseCommand

from connectors_project.bootstrap import ensure_default_space


class Command(BaseCommand):
    help = "Create what a fresh installation needs. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_default_space()
