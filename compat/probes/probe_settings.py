"""Settings of the probes: small projects that use each public manager and model type of a package."""

import os

PROBES = os.environ["PROBES"].split()
PACKAGES = {
    "probe_taggit": ["taggit"],
    "probe_mptt": ["mptt"],
    "probe_polymorphic": ["polymorphic"],
    "probe_money": ["djmoney"],
    "probe_others": ["model_utils", "simple_history", "guardian", "phonenumber_field"],
}

SECRET_KEY = "for probes only"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    *(package for probe in PROBES for package in PACKAGES[probe]),
    *PROBES,
]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
if "probe_others" in PROBES:
    AUTHENTICATION_BACKENDS += ["guardian.backends.ObjectPermissionBackend"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True
