"""Puts the benchmark's objects into an installation: ``python -m bench.provision SPACE OUTLET``, in its environment.

OUTLET is JSON: ``type`` and ``config`` of the connector, ``params`` of the action. There are the connector, one action,
and ten rules on one event type of whose conditions exactly one matches an event.
Prints an API key of the space.
"""

import json
import os
import sys

import django

from bench.load import EVENT_TYPE, SITES


def main(slug: str, outlet_json: str) -> None:
    """Create all, through the services that the API and the admin use."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_project.settings")
    django.setup()
    from actions.services import create_action
    from connectors.services import create_connector
    from rules.services import create_rule
    from spaces.services import create_api_key, create_space

    outlet = json.loads(outlet_json)
    space = create_space(slug, "Benchmark")
    connector = create_connector(space, type=outlet["type"], name="Sink", config=outlet["config"], secrets={})
    action = create_action(space, connector=connector, name="Report", params=outlet["params"])
    for number in range(SITES):
        create_rule(
            space,
            name=f"Hot site {number}",
            params={"event_types": [EVENT_TYPE]},
            condition=f'event.type == "{EVENT_TYPE}" && event.data.temperature > 30.0 '
            f'&& event.data.site in ["s{number}"]',
            actions=[action],
        )
    print(create_api_key(space, "benchmark")[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
