"""From an event to a line of the installation's own log."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.services.transcripts.declared import HOT, SAYS, Arrival, Destination, Step, Surroundings, Walk


@contextmanager
def log(around: Surroundings) -> Iterator[Destination]:
    """Read what the workers write into their logs."""

    def arrivals() -> list[Arrival]:
        logs = sorted(around.directory.glob("*-worker.log"))
        lines = [line for log in logs for line in log.read_text().splitlines()]
        return [Arrival("a line", {}, line) for line in lines if "switchyard.server_log" in line]

    yield Destination("the log of the installation's worker", {}, {}, arrivals)


WALK = Walk(
    log,
    r'Oven "7" <!channel> @everyone <b>*hot*</b>\n[x](https://a.test)',
    (Step("A line, and no second one", HOT, {"message": f"Too hot: {SAYS}", "level": "warn"}, ("Too hot: ",)),),
)
