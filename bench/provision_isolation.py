"""Puts the objects of the isolation benchmark into an installation, in its environment.

``python -m bench.provision_isolation SPACE RATE SINK_URL HANGING_URL DRIPPING_URL SHUT_URL``: twenty connectors to the
sink, each of which gets every twentieth event, two in trouble that get each event of the type ``bench.trouble``, and
one, limited to RATE messages a second, that gets those of the type ``bench.deferred``. Prints an API key of the space.
"""

import os
import sys

import django

from bench.load import EVENT_TYPE, SITES

HEALTHY = 2 * SITES
HELD_TYPE = "bench.deferred"  # as long as EVENT_TYPE, so that one takes the other's place in a request
BODY = '{"id": {{ event.id }}}'


def main(slug: str, rate: str, sink_url: str, *troubled: str) -> None:
    """Create all, through the services that the API and the admin use."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_project.settings")
    django.setup()
    from actions.services import create_action
    from connectors.services import create_connector
    from rules.services import create_rule
    from spaces.services import create_api_key, create_space

    space = create_space(slug, "Benchmark")

    def wire(name: str, url: str, event_type: str, condition: str = "", max_per_second: float | None = None) -> None:
        connector = create_connector(
            space,
            type="http",
            name=name,
            public_id=name,
            config={"url": url},
            secrets={},
            health_interval=0,
            max_per_second=max_per_second,
        )
        action = create_action(space, connector=connector, name=name, params={"body": BODY})
        create_rule(space, name=name, params={"event_types": [event_type]}, condition=condition, actions=[action])

    for number in range(HEALTHY):
        # Site and humidity of bench.load.event tell twenty kinds of events apart.
        humid = "<" if number < SITES else ">="
        condition = f'event.data.site == "s{number % SITES}" && event.data.humidity {humid} {40 + SITES}'
        wire(f"healthy-{number}", sink_url, EVENT_TYPE, condition)
    hanging, dripping, shut = troubled
    wire("hanging", hanging, "bench.trouble")
    wire("dripping", dripping, "bench.trouble")
    wire("shut", shut, HELD_TYPE, max_per_second=float(rate))
    print(create_api_key(space, "benchmark")[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
