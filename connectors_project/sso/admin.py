"""The console has no pages of allauth's: of its tables none is used, and its providers come from the settings."""

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin

admin.site.unregister([EmailAddress, SocialAccount, SocialApp, SocialToken])
