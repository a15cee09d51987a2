"""The console's pages of members."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from spaces.admin.base import ChoicesDropdownFilter, TextInput, display
from spaces.admin.filters import RelatedFilter
from spaces.admin.refusals import is_superuser
from spaces.admin.scoping import OF_ADMINISTRATION
from spaces.admin.service_admin import ServiceForm, ServiceModelAdmin
from spaces.models import Membership
from spaces.services import add_member, change_member, remove_member
from spaces.validation import reject


class MembershipForm(ServiceForm):
    """Who has which role."""

    class Meta:
        model = Membership
        fields = ["space", "user", "group", "role"]
        help_texts = {"user": "A user, or a group below.", "group": "Everybody in the group gets the role."}


@admin.register(Membership)
class MembershipAdmin(ServiceModelAdmin):
    """Roles of users and groups in spaces; docs/roles.md says what each allows."""

    abilities = OF_ADMINISTRATION
    form: type[forms.ModelForm[Any]] = MembershipForm
    empty_hint = "A member may see a space, and do there what the role allows. Superusers need no membership."
    list_display = ["who", "space", "role", "created_at"]
    list_filter = [("space", RelatedFilter), ("role", ChoicesDropdownFilter)]
    list_filter_submit = True
    list_select_related = ["space", "user", "group"]
    search_fields = ["user__username", "group__name"]
    ordering = ("space", "pk")

    @display(description="Member")
    def who(self, member: Membership) -> str:
        """The user, or the group."""
        return member.user.get_username() if member.user else f"{member.group} (group)"

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> list[str]:
        """Return what never changes."""
        return ["space", "user", "group"] if obj else []

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field; who may not list all users and groups writes the name of one."""
        names = {User: "username", Group: "name"}
        model = db_field.remote_field.model
        if model in names and not is_superuser(request):
            message = {"invalid_choice": f"There is no {model._meta.verbose_name} of this name."}
            kwargs |= {"to_field_name": names[model], "widget": TextInput(), "error_messages": message}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def add(self, request: HttpRequest, form: Any) -> Membership:
        """Give the role."""
        given = form.cleaned_data
        named = [each for each in (given["user"], given["group"]) if each is not None]
        if len(named) != 1:
            raise reject("/user", "Name a user or a group, and not both.")
        return add_member(given["space"], named[0], given["role"])

    def change(self, request: HttpRequest, stored: Membership, form: Any) -> Membership:
        """Change the role."""
        return change_member(stored, form.cleaned_data["role"])

    def delete(self, stored: Membership) -> None:
        """Take the role away."""
        remove_member(stored)
