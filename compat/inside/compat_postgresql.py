"""Settings of Django's own tests on PostgreSQL, as `test_sqlite` is on SQLite."""

import os

_SERVER = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": os.environ.get("PGHOST", "127.0.0.1"),
    "USER": os.environ.get("PGUSER", "postgres"),
    "PASSWORD": os.environ.get("PGPASSWORD", ""),
    "NAME": "postgres",
}
_RUN = os.getpid()  # two runs at once do not share a database
DATABASES = {
    "default": {**_SERVER, "TEST": {"NAME": f"heliostat_compat_{_RUN}"}},
    "other": {**_SERVER, "TEST": {"NAME": f"heliostat_compat_other_{_RUN}"}},
}
SECRET_KEY = "for tests only"  # noqa: S105
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
