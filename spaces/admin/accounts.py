"""Django's own users and groups, on the console's classes."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as _DjangoUserAdmin
from django.contrib.auth.models import Group, User

from spaces.admin.base import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from spaces.admin.recorded import RecordedAdmin
from spaces.admin.refusals import SuperuserAdmin

if TYPE_CHECKING:
    DjangoUserAdmin = _DjangoUserAdmin[User]
else:
    DjangoUserAdmin = _DjangoUserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(RecordedAdmin, SuperuserAdmin, DjangoUserAdmin):
    """People who may sign in to the console."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(RecordedAdmin, SuperuserAdmin, DjangoGroupAdmin):
    """Groups of users."""
