"""Django and Celery as their tutorials set them up."""

import os

import environ

SECRET_KEY = "naive"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["bench.naive"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "bench.naive.urls"
DATABASES = {"default": environ.Env().db_url_config(os.environ["NAIVE_DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

CELERY_BROKER_URL = os.environ["NAIVE_BROKER_URL"]
CELERY_TASK_IGNORE_RESULT = True

SINK_URL = os.environ["NAIVE_SINK_URL"]
API_TOKEN = os.environ["NAIVE_TOKEN"]
