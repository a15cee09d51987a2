"""The usual way to build the same thing, to compare with: an ORM row and a Celery task an action, requests.post."""

# As Celery's guide for Django says: shared tasks find their app when Django starts.
from bench.naive.celery import app as celery_app

__all__ = ("celery_app",)
