"""Any user model, with or without pages in the admin, and projects that leave out what they do not need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hosts.projects import ADMIN, DJANGO, ENGINE, Project, database

pytestmark = pytest.mark.slow

ADMIN_URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""
# By the least that Django's documents ask of a custom user: no username, no e-mail, no `is_active`, a UUID as its key.
BARE_USER = """
import uuid

from django.contrib.auth.models import BaseUserManager, PermissionsMixin
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class Manager(BaseUserManager):
    def create_user(self, badge, password=None):
        user = self.model(badge=badge)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, badge, password=None):
        user = self.create_user(badge, password)
        user.is_superuser = True
        user.save(using=self._db)
        return user


class Member(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    badge = models.CharField(max_length=30, unique=True)
    USERNAME_FIELD = "badge"
    objects = Manager()

    @property
    def is_staff(self):
        return True
"""


def project_of(folder: Path, apps: tuple[str, ...], entry: object) -> Project:
    return Project(folder, {"default": entry}, apps)


def with_members(project: Project) -> None:
    project.write("members/__init__.py", "")
    project.write("members/models.py", BARE_USER)
    project.configure('INSTALLED_APPS.append("members")\nAUTH_USER_MODEL = "members.Member"')
    project.manage("makemigrations", "members")


def test_check_passes_where_the_user_model_has_no_page_in_the_admin(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as entry:
        project = project_of(tmp_path, (*ADMIN, *ENGINE), entry)
        project.write("urls.py", ADMIN_URLS)
        with_members(project)
        project.manage("check")
        project.manage("migrate")
        project.python("""
            from django.contrib.auth import get_user_model
            from django.test import Client
            from heliostat.webhooks.models import Hook

            user = get_user_model().objects.create_superuser("ada", "pw")
            client = Client(HTTP_HOST="localhost")
            client.force_login(user)
            address = "/admin/heliostat_webhooks/hook/"
            form = client.get(address + "add/")
            assert form.status_code == 200 and b'name="user"' in form.content
            facts = {"user": str(user.pk), "signals": '["created"]', "target_url": "http://127.0.0.1:9/",
                     "http_method": "POST", "content_type": "application/json", "signature": "v1", "filters": "{}"}
            answer = client.post(address + "add/", {**facts, "signals": '["shop.book.created"]'})
            assert answer.status_code == 302, answer.context["adminform"].form.errors
            hook = Hook.objects.get()
            assert hook.user == user
            for page in (address, f"{address}{hook.pk}/change/", "/admin/heliostat_outbox/callback/"):
                assert client.get(page).status_code == 200, page
        """)


def test_users_are_searched_where_their_page_in_the_admin_can(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as entry:
        project = project_of(tmp_path, (*ADMIN, *ENGINE), entry)
        project.write("urls.py", ADMIN_URLS)
        project.manage("check")
        project.manage("migrate")
        project.python("""
            from django.contrib.auth import get_user_model
            from django.test import Client

            client = Client(HTTP_HOST="localhost")
            client.force_login(get_user_model().objects.create_superuser("ada", "a@example.com", "pw"))
            form = client.get("/admin/heliostat_webhooks/hook/add/").content
            assert b"admin-autocomplete" in form
        """)


@pytest.mark.parametrize(
    "apps",
    [
        (*DJANGO, *ENGINE),
        (*ENGINE, *DJANGO),
        ("heliostat.outbox", "heliostat.delivery", "heliostat.hooks"),
        ("heliostat.outbox", "heliostat.delivery", "heliostat.hooks", "heliostat.listeners"),
        ("heliostat.outbox", "heliostat.delivery"),
    ],
    ids=["engine", "engine first", "hooks without users", "listeners without users", "outbox"],
)
def test_apps_that_are_not_needed_can_be_left_out(tmp_path: Path, apps: tuple[str, ...]) -> None:
    with database("sqlite", tmp_path) as entry:
        project = project_of(tmp_path, apps, entry)
        if "heliostat.hooks" in apps:
            project.write(
                "shop/hooks.py",
                """
                from heliostat import on

                @on("shop.book.created", when="durable")
                def heard(event):
                    print("heard", event.type)
                """,
            )
        project.manage("check")
        project.manage("migrate")
        assert ("heard" if "heliostat.hooks" in apps else "") in project.python("""
            from heliostat.testing import drain_outbox
            from shop.models import Book
            Book.objects.create(title="x")
            drain_outbox()
        """)


def test_what_a_custom_user_with_a_uuid_as_key_does_is_published(tmp_path: Path) -> None:
    with database("sqlite", tmp_path) as entry:
        project = project_of(tmp_path, (*DJANGO, *ENGINE), entry)
        with_members(project)
        project.manage("migrate")
        project.python("""
            import json
            from django.contrib.auth import get_user_model
            from heliostat import acting_as
            from heliostat.outbox.models import Event
            from heliostat.webhooks.api import create_hook
            from heliostat.webhooks.models import Hook
            from shop.models import Book

            user = get_user_model().objects.create_user("ada")
            hook = create_hook(signals=["created"], model=Book, user=user, target_url="http://127.0.0.1:9/")
            with acting_as(user):
                Book.objects.create(title="x")
            actor = json.loads(Event.objects.get(resource="shop.book").context)["actor"]
            assert actor["username"] == "ada" and str(user.pk) in actor.values(), actor
            user.delete()
            assert not Hook.objects.exists()
        """)
