"""Start a whole installation with one command."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from connectors.net.listening import answers, try_to_listen
from connectors.net.policy import NetworkPolicy
from connectors_project.addresses import own_host, own_url
from connectors_project.bootstrap import CannotSetUp, set_up
from connectors_project.demo.content import point_demo_to_receiver
from connectors_project.locks import AlreadyRuns, sole_use_of_var_dir
from connectors_project.processes import beat_command, sources_command, web_command, worker_command
from connectors_project.supervisor import KeepsDying, Supervisor
from connectors_project.welcome import first_run_notice, running_notice
from spaces.errors import InvalidInput

START_SECONDS = 60.0


class Command(BaseCommand):
    help = "Set up what is missing, then run web, workers, scheduler and sources until Ctrl-C or SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        with _sole_use():
            _check_address()
            self._set_up()
            self._serve()

    def _set_up(self) -> None:
        try:
            credentials = set_up()
        except CannotSetUp as error:
            raise CommandError(str(error)) from None
        if settings.EMBEDDED:
            self._point_demo()
        if credentials:
            self.stdout.write(first_run_notice(credentials))
            self.stdout.flush()

    def _point_demo(self) -> None:
        try:
            point_demo_to_receiver()
        except InvalidInput as error:
            self.stderr.write(f"The demo's connector does not point to this port: {error}")
        finally:
            connections.close_all()

    def _serve(self) -> None:
        # A worker may finish the requests that it is in the middle of.
        supervisor = Supervisor(
            _commands(), stop_seconds=NetworkPolicy.current().longest_timeout() + 10, output=sys.stdout
        )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # nohup ignores SIGHUP on purpose.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: supervisor.stop())
        threading.Thread(target=self._announce, daemon=True).start()
        try:
            supervisor.run()
        except KeepsDying as error:
            raise CommandError(f"Stopped: {error}") from None

    def _announce(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers(own_host(), settings.PORT, "/healthz"):
            if time.monotonic() > deadline:
                self.stderr.write(f"{own_url()} does not answer yet. The lines of web above say why.")
                return
            time.sleep(0.1)
        self.stdout.write(running_notice())
        self.stdout.flush()


def _commands() -> dict[str, list[str]]:
    if settings.WORKERS == 1:
        workers = {"worker": worker_command()}
    else:
        workers = {f"worker{number}": worker_command() for number in range(1, settings.WORKERS + 1)}
    web = web_command(settings.HOST, settings.PORT, settings.WEB_WORKERS, settings.WEB_THREADS)
    return {"web": web, **workers, "beat": beat_command(), "sources": sources_command()}


@contextmanager
def _sole_use() -> Iterator[None]:
    if not settings.EMBEDDED:
        yield
        return
    try:
        with sole_use_of_var_dir():
            yield
    except AlreadyRuns as error:
        raise CommandError(str(error)) from None


def _check_address() -> None:
    try:
        try_to_listen(settings.HOST, settings.PORT)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {settings.HOST}:{settings.PORT}: {error.strerror}. "
            f"Free it, or choose another port: make run PORT={settings.PORT % 65535 + 1}"
        ) from None
