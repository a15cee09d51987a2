"""How rules are doing, in the console; copies of rules and actions, and many rules muted."""

from collections import Counter
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from actions.models import Action
from rules.history.counting import write_counts
from rules.history.records import RuleTrouble
from rules.models import Rule
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_member
from tests.api.client import make_run
from tests.factories import make_action, make_connector, make_rule

LIST = reverse("admin:rules_rule_changelist")
SUBMITTED = {"_form_submitted": "True", "name": "", "public_id": ""}


def page(console: Client, row: Rule | Action) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return console.get(reverse(name, args=[row.pk])).content.decode()


def test_the_page_of_a_rule_tells_how_it_is_doing(console: Client, space: Space) -> None:
    rule = make_rule(space, type="connector_health")
    make_run(rule, number=41, outcome="failed", detail=HOSTILE)
    trouble = {"failures": 3, "count": 5, "last_at": timezone.now(), "part": "message", "action": "tell"}
    RuleTrouble.objects.create(rule=rule, **trouble, detail=HOSTILE)
    now = int(timezone.now().timestamp()) // 60 * 60
    write_counts(Counter({(now, space.pk, rule.public_id, "matched"): 7, (now, space.pk, rule.public_id, "failed"): 3}))
    shown = page(console, rule)
    assert "message of tell" in shown
    assert "Matched 7, delivered 0, failed 3" in shown
    assert '<rect class="sy-bar-failed"' in shown
    assert "Run 41" in shown
    assert HOSTILE not in shown
    of_rule: dict[str, Any] = {"rule_public_id": rule.public_id, "space__id__exact": space.pk}
    assert "41" in console.get(reverse("admin:rules_runrecord_changelist"), of_rule).content.decode()


def test_rules_are_found_by_how_they_are_doing(console: Client, space: Space) -> None:
    make_rule(space, name="Sound")
    RuleTrouble.objects.create(
        rule=make_rule(space, name="Broken"), failures=3, last_at=timezone.now(), part="condition"
    )
    failing = console.get(LIST, {"status": "failing"}).content.decode()
    assert "Broken" in failing
    assert "Sound" not in failing
    assert console.get(LIST, {"status": "bad"}).status_code == 200


@pytest.mark.parametrize("kind", ["rule", "action"])
def test_a_copy_gets_its_name_and_id_in_a_dialog(console: Client, space: Space, kind: str) -> None:
    action = make_action(make_connector(space))
    row = make_rule(space, actions=[action]) if kind == "rule" else action
    dialog = reverse(f"admin:{row._meta.app_label}_{kind}_duplicate", args=[row.pk])
    assert dialog in page(console, row)
    answer = console.post(dialog, {**SUBMITTED, "name": "Second", "public_id": "second"})
    copy = type(row).objects.get(public_id="second")
    assert copy.name == "Second"
    assert answer["HX-Redirect"] == reverse(f"admin:{row._meta.app_label}_{kind}_change", args=[copy.pk])
    assert "is already taken" in console.post(dialog, {**SUBMITTED, "public_id": "second"}).content.decode()


def test_many_rules_are_muted_and_unmuted(space: Space) -> None:
    operator = Client()
    operator.force_login(make_member(space, "operator"))
    rules = [make_rule(space), make_rule(space)]
    for name, muted in (("mute_selected", True), ("unmute_selected", False)):
        chosen = {"action": name, "_selected_action": [rule.pk for rule in rules]}
        assert operator.post(LIST, chosen, follow=True).status_code == 200
        assert set(Rule.objects.values_list("muted", flat=True)) == {muted}
