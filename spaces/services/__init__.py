"""Use cases of spaces, their members and their API keys."""

from spaces.services.keys import (
    InvalidKey,
    authenticate_key,
    create_api_key,
    live_keys,
    reload_key,
    revoke_api_key,
    rotate_api_key,
)
from spaces.services.members import add_member, change_member, remove_member
from spaces.services.single_sign_on import Person, SignInRefused, SignInRules, sign_in
from spaces.services.spaces import (
    OWN_EVENTS,
    SpaceChanges,
    archive_space,
    bump_config_revision,
    create_space,
    update_space,
)

__all__ = [
    "OWN_EVENTS",
    "InvalidKey",
    "Person",
    "SignInRefused",
    "SignInRules",
    "SpaceChanges",
    "add_member",
    "archive_space",
    "authenticate_key",
    "bump_config_revision",
    "change_member",
    "create_api_key",
    "create_space",
    "live_keys",
    "reload_key",
    "remove_member",
    "revoke_api_key",
    "rotate_api_key",
    "sign_in",
    "update_space",
]
