"""Calls the services when Django and django-axes tell of people who sign in, fail to, or get another password."""

from collections.abc import Collection, Mapping
from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from spaces.services import sign_ins


@receiver(user_logged_in)
def on_logged_in(request: HttpRequest, user: User, **_: Any) -> None:
    """Record it, unless a program signs in with a request that it made up, which has no method."""
    if request.method:
        sign_ins.record_login(user)


@receiver(user_logged_out)
def on_logged_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    """Record it; a session that nobody was signed in to may end as well."""
    if user and request.method:
        sign_ins.record_logout(user)


@receiver(user_login_failed)
def on_login_failed(credentials: Mapping[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Record the name, unless it was not even tried, because whoever sends it must wait."""
    if not getattr(request, "axes_locked_out", False):
        sign_ins.record_failed_login(str(credentials.get("username", "")))


@receiver(user_locked_out)
def on_locked_out(username: str | None, **_: Any) -> None:
    """Record it."""
    sign_ins.record_lockout(username or "")


@receiver(pre_save, sender=User)
def on_user_saved(instance: User, update_fields: Collection[str] | None, raw: bool, **_: Any) -> None:
    """Record a password that differs, unless Django renews the hash of the same one, which saves that field alone."""
    if raw or (update_fields is not None and set(update_fields) <= {"password", "last_login"}):
        return
    stored = User.objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    if stored is not None and stored != instance.password:
        sign_ins.record_password_change(instance)
