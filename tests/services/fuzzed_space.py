"""What the fuzzed installation holds before the first request; run by ``manage.py shell``, prints the keys as JSON."""

import json
import sys

from django.contrib.auth.models import Group, User
from django.test import Client

from rules.services.rules import create_rule
from spaces.services import add_member, create_api_key, create_space
from tests.api.client import make_delivery, make_event, make_log_entry
from tests.factories import make_action, make_connector

space = create_space("fuzzed", "Fuzzed")
administered = create_space("administered", "Administered")
# Where keys revoke each other, and the one that does it perhaps itself.
keyring = create_space("keyring", "Keyring")
for number in range(5):
    connector = make_connector(space, "http://127.0.0.1:8999/", public_id=f"desk-{number}")
    action = make_action(connector, public_id=f"tell-{number}")
    create_rule(space, name=f"Large {number}", public_id=f"large-{number}", params={}, condition="", actions=[action])
    event = make_event(space, data={"n": number})
    make_delivery(action, event_id=event.pk, state="dead", last_reason="expired")
    make_log_entry(space, reason="retry_429", outcome="failure")
    user = User.objects.create_user(f"user-{number}")
    Group.objects.create(name=f"group-{number}")
    add_member(administered, user, "viewer")
    create_api_key(keyring, f"victim {number}", role="viewer")
browser = Client()
browser.force_login(User.objects.create_superuser("root"))
keys = {
    "EDITOR": create_api_key(space, "fuzzer", role="editor")[1],
    "ADMIN": create_api_key(administered, "fuzzer", role="admin")[1],
    "KEYMASTER": create_api_key(keyring, "fuzzer", role="admin")[1],
    "SESSION": browser.cookies["sessionid"].value,
}
sys.stdout.write(json.dumps(keys))
