"""The console shows and allows in each space what the table in spaces.roles does, and nothing else."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ClassVar, Final, final

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from spaces.access import abilities_in, spaces_where, visible_spaces
from spaces.admin.choosing import chosen_space
from spaces.admin.refusals import RecordingAdmin, is_superuser, record_refusal
from spaces.models import Space
from spaces.roles import OF_ARCHIVED, Ability

# What the permissions need that every admin has, by the kind of its objects.
OF_OBJECTS: Final[Mapping[str, Ability]] = {
    "view": Ability.READ,
    **dict.fromkeys(("add", "change", "delete"), Ability.EDIT),
}
OF_ADMINISTRATION: Final[Mapping[str, Ability]] = dict.fromkeys(("view", "add", "change", "delete"), Ability.ADMINISTER)
OF_RECORDS: Final[Mapping[str, Ability]] = {"view": Ability.READ}

# Where the request keeps what was found out of it.
_ALLOWED, _ROWS = "switchyard.allowed", "switchyard.rows"


def allowed_spaces(request: HttpRequest, ability: Ability) -> Mapping[int, Space]:
    """Return, by key, the spaces in which whoever sends the request may do this now; asked once for a request."""
    known: dict[Any, dict[int, Space]] = request.META.setdefault(_ALLOWED, {})
    asked = (request.user.pk, ability)
    if asked not in known:
        spaces = spaces_where(request.user, ability)
        if ability not in OF_ARCHIVED:
            spaces = spaces.filter(archived_at=None)
        known[asked] = {space.pk: space for space in spaces}
    return known[asked]


def _permission(verb: str) -> Callable[..., bool]:
    """Return the method that tells Django and Unfold whether a request may do this."""

    def is_allowed(self: "SpaceScopedAdmin", request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, verb, obj)

    return is_allowed


class SpaceScopedAdmin(RecordingAdmin):
    """The admin of a model that lives in a space.

    ``abilities`` says what each permission needs: a permission that is forgotten is nobody's, and get_queryset, which
    cannot be overridden, shows the rows of the spaces in which "view" is allowed. Django's permissions do not count.
    For each permission there is the method that Django and Unfold ask, such as has_replay_permission.
    """

    abilities: ClassVar[Mapping[str, Ability]] = {}
    space_lookup: ClassVar[str] = "space"
    # Whether a row without a space stands in all of them; else it is for superusers.
    stands_in_all: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for verb in cls.abilities:
            if not hasattr(cls, name := f"has_{verb}_permission"):
                setattr(cls, name, _permission(verb))

    def ability(self, verb: str) -> Ability:
        """Return what the permission needs; raise ImproperlyConfigured where nothing is said of it."""
        try:
            return self.abilities[verb]
        except KeyError:
            raise ImproperlyConfigured(f"{type(self).__name__} must say in `abilities` what {verb} needs.") from None

    def may(self, request: HttpRequest, verb: str, obj: Any = None) -> bool:
        """Whether the request may do this to the row, or in any space where none is given.

        Unfold gives a key in place of the row; one that is not to be seen counts as none, like one of no row.
        """
        row = self.row(request, obj)
        if row is None:
            return bool(allowed_spaces(request, self.ability(verb))) or is_superuser(request)
        return self.may_in(request, verb, self.space_id_of(row))

    def may_in(self, request: HttpRequest, verb: str, space_id: int | None) -> bool:
        """Whether the request may do this to rows of the space, or to those of none."""
        ability = self.ability(verb)
        spaces = allowed_spaces(request, ability)
        if space_id is None:
            return is_superuser(request) or (self.stands_in_all and bool(spaces))
        # A row may outlive its space.
        return space_id in spaces or (is_superuser(request) and ability in OF_ARCHIVED)

    def spaces(self, request: HttpRequest, verb: str) -> QuerySet[Space]:
        """Return the spaces in which the request may do this."""
        return Space.objects.filter(pk__in=list(allowed_spaces(request, self.ability(verb))))

    def within(self, request: HttpRequest, rows: QuerySet[Any], *verbs: str) -> QuerySet[Any]:
        """Return those of the rows to which the request may do all of this."""
        for verb in verbs:
            ability = self.ability(verb)
            if is_superuser(request) and ability in OF_ARCHIVED:
                continue
            spaces = list(allowed_spaces(request, ability))
            found = Q(**{f"{self.space_lookup}__in": spaces})
            if self.stands_in_all and (spaces or is_superuser(request)):
                found |= Q(**{self.space_lookup: None})
            rows = rows.filter(found)
        return rows

    @final
    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the request may see."""
        return self.within(request, self.rows(request), "view")

    def rows(self, request: HttpRequest) -> QuerySet[Any]:
        """Return all rows, with what the pages show of them."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows

    def plain(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the request may see, with nothing more than is stored."""
        return self.within(request, self.model._default_manager.all(), "view")

    def row(self, request: HttpRequest, obj: Any) -> Any:
        """Return the row itself, or that of a key; None where there is none to be seen."""
        if obj is None or isinstance(obj, Model):
            return obj
        known: dict[Any, Any] = request.META.setdefault(_ROWS, {})
        asked = (request.user.pk, self.model, str(obj))
        if asked not in known:
            known[asked] = self.get_object(request, unquote(str(obj)))
        return known[asked]

    def space_id_of(self, row: Any) -> int | None:
        """Return the key of the row's space."""
        key: int | None = row.space_id
        return key

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As the table says."""
        return self.may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """As the table says."""
        return self.may(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As the table says."""
        return self.may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As the table says."""
        return self.may(request, "delete", obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Who may view it somewhere may open it."""
        return self.may(request, "view")

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        """Return what a field may refer to: of what lives in spaces, nothing that may not be seen."""
        model = db_field.remote_field.model
        if model is Space:
            return self.spaces(request, "add")
        related = self.admin_site._registry.get(model)
        if isinstance(related, SpaceScopedAdmin):
            return related.get_queryset(request)
        choices: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)
        return choices

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions on many rows; each takes those rows only to which the request may do it."""
        found: dict[str, Any] = super().get_actions(request)
        return {name: (_on_allowed_rows(function), name, said) for name, (function, _, said) in found.items()}

    def refused(self, request: HttpRequest, verb: str, named: Mapping[str, Any]) -> None:
        """Record what was refused, and in which space as far as the request says."""
        space, ability = self.space_of_request(request, named), self.abilities.get(verb)
        # Not for want of a role: it is preconfigured or archived, or nobody may.
        if space is None or ability is None or ability not in abilities_in(space, request.user):
            record_refusal(request, space, ability)

    def space_of_request(self, request: HttpRequest, named: Mapping[str, Any]) -> Space | None:
        """Return the space of the object that the address names, or the one that the request chooses."""
        visible = visible_spaces(request.user)
        row = self.row(request, named.get("object_id"))
        if row is None:
            return chosen_space(request, visible)
        space_id = self.space_id_of(row)
        return None if space_id is None else visible.filter(pk=space_id).first()


def scoped(model: type[Model]) -> SpaceScopedAdmin:
    """Return the admin of the model, through which the other admins see its rows."""
    found = admin.site.get_model_admin(model)
    if not isinstance(found, SpaceScopedAdmin):
        raise ImproperlyConfigured(f"{type(found).__name__} must be a SpaceScopedAdmin.")
    return found


def _on_allowed_rows(function: Callable[..., Any]) -> Callable[..., Any]:
    verbs: Iterable[str] = getattr(function, "allowed_permissions", ("view",))

    @wraps(function)
    def act(model_admin: SpaceScopedAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        allowed = model_admin.within(request, rows, *verbs)
        refused = rows.exclude(pk__in=allowed.order_by().values("pk"))
        if count := refused.count():
            names = model_admin.opts.verbose_name if count == 1 else model_admin.opts.verbose_name_plural
            messages.error(request, f"{count} {names} left alone: your role there, or an archived space, forbids it.")
        if not allowed.exists():
            return None
        answer: HttpResponse | None = function(model_admin, request, allowed)
        return answer

    return act
