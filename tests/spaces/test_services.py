from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from spaces.errors import InvalidInput
from spaces.models import ApiKey, Space
from spaces.services import (
    InvalidKey,
    authenticate_key,
    bump_config_revision,
    create_api_key,
    create_space,
    revoke_api_key,
    update_space,
)
from spaces.validation import distinct_id
from tests.factories import make_space

pytestmark = pytest.mark.django_db


def test_a_space_is_created_under_its_clean_name() -> None:
    space = create_space("mill", "  Mill ", "Down by the river.")
    assert Space.objects.filter(pk=space.pk, slug="mill", name="Mill", description="Down by the river.").exists()
    assert space.event_source == "/spaces/mill"


def test_everything_wrong_with_a_space_is_reported_at_once() -> None:
    with pytest.raises(InvalidInput) as raised:
        create_space("Mill!", "", "\0")
    assert [error.pointer for error in raised.value.errors] == ["/id", "/name", "/description"]


def test_two_spaces_cannot_have_one_id_and_the_transaction_goes_on() -> None:
    create_space("mill", "Mill")
    with transaction.atomic():
        with pytest.raises(InvalidInput) as raised:
            create_space("mill", "Other")
        assert Space.objects.get(slug="mill").name == "Mill"
    assert [(error.pointer, error.detail) for error in raised.value.errors] == [
        ("/id", 'The ID "mill" is already taken.')
    ]


def test_another_clash_is_not_taken_for_one_of_ids() -> None:
    create_space("mill", "Mill")
    with pytest.raises(IntegrityError), distinct_id(Space.objects.all(), slug="free"):
        Space.objects.create(slug="mill")


def test_every_change_moves_the_revision_of_its_space_only() -> None:
    space, other = make_space(), make_space()
    bump_config_revision(space.pk)
    bump_config_revision(space.pk)
    space.refresh_from_db()
    other.refresh_from_db()
    assert (space.config_revision, other.config_revision) == (2, 0)


def test_a_key_opens_its_space_and_is_not_stored() -> None:
    space = make_space()
    key, token = create_api_key(space, "sensor")
    found = authenticate_key(token)
    assert (found, found.space) == (key, space)
    stored = ApiKey.objects.filter(pk=key.pk).values().get()
    assert token not in str(stored)
    assert token.startswith(stored["prefix"])
    assert token not in repr(vars(key))


def test_a_wrong_revoked_or_expired_key_opens_nothing() -> None:
    space = make_space()
    key, revoked = create_api_key(space, "revoked")
    revoke_api_key(key)
    ended, expired = create_api_key(space, "expired")
    ApiKey.objects.filter(pk=ended.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    _, live = create_api_key(space, "live", timezone.now() + timedelta(hours=1))
    for token in ("", "sy_wrong", live[:-1], live + "x", revoked, expired):
        with pytest.raises(InvalidKey):
            authenticate_key(token)
    assert authenticate_key(live).name == "live"


def test_revoking_again_keeps_the_first_time() -> None:
    key, _ = create_api_key(make_space(), "k")
    revoke_api_key(key)
    first = ApiKey.objects.get(pk=key.pk).revoked_at
    revoke_api_key(key)
    assert first is not None
    assert ApiKey.objects.get(pk=key.pk).revoked_at == first


def test_a_space_cannot_give_events_a_type_of_the_installation_itself() -> None:
    with pytest.raises(InvalidInput, match="switchyard"):
        update_space(make_space(), default_event_type="switchyard.connector.connected")
