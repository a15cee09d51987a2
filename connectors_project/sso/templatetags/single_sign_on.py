"""What the login page shows of single sign-on."""

from django import template
from django.conf import settings
from django.urls import reverse
from django.utils.http import urlencode

register = template.Library()


@register.simple_tag
def provider_name() -> str:
    """Return what people call the provider."""
    return str(settings.OIDC_NAME)


@register.simple_tag
def sign_in_url(destination: str) -> str:
    """Return where a sign-in begins that ends at ``destination``, a path of the console."""
    return f"{reverse('oidc_login')}?{urlencode({'next': destination})}"
