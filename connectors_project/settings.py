"""Django settings. What an operator may set is in connectors_project.options; nothing else reads the environment."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from django.core.management.utils import get_random_secret_key

from connectors_project.browser_policies import PAGE
from connectors_project.logs import configure_logs
from connectors_project.options import (
    Problem,
    check_single_sign_on,
    check_var_dir,
    keep_in_file,
    kept_keys,
    read_options,
)

# Lets generic Django classes be subscripted at run time, as the type checker reads them.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
_options, OPTION_PROBLEMS = read_options(env)

_unusable = {problem.option for problem in OPTION_PROBLEMS}

VAR_DIR = (BASE_DIR / _options["VAR_DIR"]).resolve()
# The shape (DESIGN, section 9): everything on SQLite in one directory, or servers of their own.
EMBEDDED = not _options["DATABASE_URL"] and "DATABASE_URL" not in _unusable
DEBUG = _options["DEBUG"]
if EMBEDDED:
    # Database, queue and keys are files of this user, and nobody else's to read.
    os.umask(0o077)

if EMBEDDED or not _options["BROKER_URL"]:
    OPTION_PROBLEMS += check_var_dir(VAR_DIR)
_sso_problems = check_single_sign_on(_options)
OPTION_PROBLEMS += _sso_problems

SECRET_KEY = _options["SECRET_KEY"]
SECRETS_KEYS: list[str] = _options["SECRETS_KEYS"]
if not EMBEDDED:
    OPTION_PROBLEMS += [
        Problem(name, f"{name} is not set.", f"Set {name} or {name}_FILE.")
        for name in ("SECRET_KEY", "SECRETS_KEYS")
        if not _options[name] and name not in _unusable
    ]
if OPTION_PROBLEMS:
    # No process serves like this; the checks must run.
    SECRET_KEY = get_random_secret_key()
else:
    SECRET_KEY = SECRET_KEY or keep_in_file(VAR_DIR / "secret_key", get_random_secret_key)
    if not SECRETS_KEYS:
        SECRETS_KEYS, _problems = kept_keys(VAR_DIR / "secrets_key")
        OPTION_PROBLEMS += _problems

ALLOWED_HOSTS = _options["ALLOWED_HOSTS"]
HTTPS: bool = _options["HTTPS"]
TRUSTED_PROXIES: list[str] = _options["TRUSTED_PROXIES"]
CSRF_TRUSTED_ORIGINS = _options["CSRF_TRUSTED_ORIGINS"]
HOST: str = _options["HOST"]
PORT: int = _options["PORT"]
WEB_WORKERS: int = _options["WEB_WORKERS"]
WEB_THREADS: int = _options["WEB_THREADS"]
WORKERS: int = _options["WORKERS"]

ENABLED_CONNECTOR_TYPES: list[str] = _options["ENABLED_CONNECTOR_TYPES"]
HEALTH_INTERVAL: int = _options["HEALTH_INTERVAL"]
CONNECTORS_FILE: str = str((BASE_DIR / _options["CONNECTORS_FILE"]).resolve()) if _options["CONNECTORS_FILE"] else ""
NETWORK_ALLOWED_HOSTS: list[str] = _options["NETWORK_ALLOWED_HOSTS"]
NETWORK_ALLOWED_PRIVATE: list[str] = _options["NETWORK_ALLOWED_PRIVATE"]
if EMBEDDED:
    NETWORK_ALLOWED_PRIVATE = ["127.0.0.0/8", "::1/128", *NETWORK_ALLOWED_PRIVATE]
EMAIL_ALLOWED_RECIPIENTS: list[str] = _options["EMAIL_ALLOWED_RECIPIENTS"]
NETWORK_TIMEOUT: int = _options["NETWORK_TIMEOUT"]
MAX_BODY_BYTES: int = _options["MAX_BODY_BYTES"]
MAX_EVENT_BYTES: int = _options["MAX_EVENT_BYTES"]
API_RATE: int = _options["API_RATE"]
LEASE_SECONDS: int = _options["LEASE_SECONDS"]
SWEEP_SECONDS: int = _options["SWEEP_SECONDS"]
RULE_THREADS: int = _options["RULE_THREADS"]
CONNECTOR_CONCURRENCY: int = _options["CONNECTOR_CONCURRENCY"]
DISABLE_AFTER_DAYS: int = _options["DISABLE_AFTER_DAYS"]

INSTALLED_APPS = [
    "connectors_project",
    "connectors_project.apps.ConsoleConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "axes",
    "csp",
    "spaces",
    "connectors",
    "actions",
    "rules",
]

MIDDLEWARE = [
    "connectors_project.health.HealthMiddleware",
    "connectors_project.logs.RequestIdMiddleware",
    "connectors_project.proxies.ProxyMiddleware",
    "connectors_project.browser_policies.BrowserPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "spaces.middleware.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "connectors_project.urls"
WSGI_APPLICATION = "connectors_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, Any]]
if EMBEDDED:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR_DIR / "switchyard.sqlite3",
            "CONN_MAX_AGE": None,
            # A file like the real one: a database in memory locks its tables between threads.
            "TEST": {"NAME": VAR_DIR / "test.sqlite3"},
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                # FULL: what was answered 202 survives a loss of power, not only a crash of the process.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA mmap_size=268435456;",
            },
        }
    }
elif "DATABASE_URL" in _unusable:
    DATABASES = {"default": {"ENGINE": "django.db.backends.dummy"}}
else:
    DATABASES = {"default": env.db_url_config(_options["DATABASE_URL"])}
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        "pool": {"min_size": 1, "max_size": _options["DATABASE_POOL_SIZE"], "timeout": 10},
    }

BROKER_DIR = VAR_DIR / "broker"
if _options["BROKER_URL"]:
    CELERY_BROKER_URL = _options["BROKER_URL"]
    # A wake-up that the broker does not take is dropped at once: the sweep makes up for it.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
    }
else:
    CELERY_BROKER_TRANSPORT = "connectors_project.broker:Transport"
    # kombu complains about a URL without a host.
    CELERY_BROKER_URL = "filesystem://localhost//"
    if not OPTION_PROBLEMS:
        BROKER_DIR.mkdir(exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR),
        "data_folder_out": str(BROKER_DIR),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.05,
    }
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "switchyard"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 4
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "sweep-events": {"task": "rules.tasks.evaluate", "schedule": float(_options["SWEEP_SECONDS"])},
    "sweep-deliveries": {"task": "actions.tasks.sweep", "schedule": float(_options["SWEEP_SECONDS"])},
    "work-jobs": {"task": "actions.tasks.work_jobs", "schedule": float(_options["SWEEP_SECONDS"])},
    "count-stored-events": {"task": "rules.tasks.count_stored_events", "schedule": 60.0},
    "announce": {"task": "rules.tasks.announce", "schedule": 10.0},
    "delete-old": {"task": "rules.tasks.delete_old", "schedule": 60.0},
    "forget-answers": {"task": "spaces.tasks.forget_answers", "schedule": 3600.0},
    "check-health": {"task": "connectors.tasks.check_health", "schedule": float(_options["SWEEP_SECONDS"])},
}

if CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": CELERY_BROKER_URL,
            "KEY_PREFIX": "switchyard",
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
        }
    }
elif OPTION_PROBLEMS:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": VAR_DIR / "cache",
            "KEY_PREFIX": "switchyard",
        }
    }

AUTHENTICATION_BACKENDS = [
    # The first: it lets nobody try who must wait.
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = _options["LOGIN_ATTEMPTS"]
AXES_COOLOFF_TIME = timedelta(seconds=_options["LOGIN_COOLOFF"])
# Who must wait is not made to wait longer by trying, nor does trying fill the table.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "spaces.lockout.name_tried"
AXES_CLIENT_IP_CALLABLE = "spaces.addresses.network_of"
AXES_LOCKOUT_CALLABLE = "spaces.lockout.refuse"
# The audit log has who came in, and the console's own pages are the only ones.
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "connectors_project.formats"

STATIC_URL = "static/"
# Served right out of the packages: there is nothing to collect.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "spaces.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["spaces.api.permissions.IsAllowedInSpace"],
    "DEFAULT_THROTTLE_CLASSES": ["spaces.api.throttles.CallerThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["spaces.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "spaces.api.schema.OperationSchema",
    "DEFAULT_FILTER_BACKENDS": ["spaces.api.queries.QueryFilter"],
    "EXCEPTION_HANDLER": "spaces.api.problems.handle_exception",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Switchyard API",
    "DESCRIPTION": "Routes events to the systems that must act on them.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": r"/api/v1(/spaces/\{space\}(?=/))?",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "spaces.api.schema.describe_failures",
        "connectors.api.schema.describe_types",
        "rules.api.schema.describe_types",
        "rules.api.schema.describe_ingest",
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "ReasonEnum": "connectors.models.REASONS",
        "DeliveryReasonEnum": "actions.models.REASONS",
        "ConnectorStatusEnum": "connectors.models.Status",
        "SourceStatusEnum": "rules.models.SourceStatus",
        "CircuitStateEnum": "connectors.models.CIRCUIT_STATES",
        "KeyRoleEnum": "spaces.roles.Role",
        "MemberRoleEnum": "spaces.roles.MEMBER_CHOICES",
        "MaintenanceWindowStatusEnum": "rules.silences.stored.WindowStatus",
        "DeliveryStateEnum": "actions.models.Delivery.State",
        "DeliveryJobStateEnum": "actions.models.DeliveryJob.State",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
UNFOLD = {
    "SITE_TITLE": "Switchyard",
    "SITE_HEADER": "Switchyard",
    "SITE_SYMBOL": "alt_route",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "connectors_project.console.icon"}],
    "STYLES": ["connectors_project.console.stylesheet"],
    "DASHBOARD_CALLBACK": "connectors_project.dashboard.fill",
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "connectors_project.console.sidebar"},
    "COMMAND": {
        "search_models": [
            "connectors.connector",
            "rules.source",
            "actions.action",
            "rules.rule",
            "spaces.space",
            "spaces.apikey",
        ]
    },
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": PAGE}

SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = _options["HSTS_SECONDS"] if HTTPS else 0
if TRUSTED_PROXIES:
    # ProxyMiddleware lets the header through from those proxies alone.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if EMBEDDED:
    # The demo's deliveries come from this machine, past the proxy.
    SECURE_REDIRECT_EXEMPT = ["^demo/receiver/$"]
# HSTS for subdomains and the browsers' preload list bind hosts that are not this installation's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
# The ingest view reads the body itself, under MAX_BODY_BYTES, and each parser of the API up to its own limit.
DATA_UPLOAD_MAX_MEMORY_SIZE = max(MAX_BODY_BYTES, 17 * 1024 * 1024)

# Empty: there is no single sign-on, and nothing of it is loaded.
OIDC_ISSUER: str = "" if _sso_problems else _options["OIDC_ISSUER"]
OIDC_NAME: str = _options["OIDC_NAME"]
OIDC_CLIENT_ID: str = _options["OIDC_CLIENT_ID"]
OIDC_CLIENT_SECRET: str = _options["OIDC_CLIENT_SECRET"]
OIDC_SCOPES: list[str] = _options["OIDC_SCOPES"]
OIDC_GROUPS_CLAIM: str = _options["OIDC_GROUPS_CLAIM"]
OIDC_GROUPS: list[tuple[str, str]] = _options["OIDC_GROUPS"]
OIDC_SUPERUSERS: list[str] = _options["OIDC_SUPERUSERS"]
OIDC_SESSION_HOURS: int = _options["OIDC_SESSION_HOURS"]
if OIDC_ISSUER:
    # Before Unfold, whose login page it extends.
    INSTALLED_APPS[1:1] = ["allauth.account", "allauth.socialaccount", "connectors_project.sso"]
    # allauth does not start without it.
    MIDDLEWARE.append("allauth.account.middleware.AccountMiddleware")

LOGGING = configure_logs(_options["LOG_LEVEL"], as_json=_options["LOG_JSON"])
