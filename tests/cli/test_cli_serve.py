"""`heliostat serve`: it starts, answers, works, and stops without losing what is in flight."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import requests
from tests.cli.running import Running, run, running

SLOW_PAGE = """
import time
from django.http import HttpResponse

def slow(request):
    print("slow page entered", flush=True)
    time.sleep(1.5)
    return HttpResponse("finished all the same")

urlpatterns.insert(0, path("slow/", slow))
"""


def address(server: Running) -> str:
    return server.wait_for(r"(http://127\.0\.0\.1:\d+)/ ")[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_stops_when_asked_to(mytom: Path, number: int) -> None:
    with running("serve", "--port", "0", cwd=mytom) as server:
        site = address(server)
        server.wait_for("worker running")
        assert requests.get(f"{site}/admin/login/", timeout=10).status_code == 200
        assert server.stop(number) == 0
    assert "stopped" in server.output
    assert "Traceback" not in server.output
    with pytest.raises(requests.ConnectionError):
        requests.get(site, timeout=5)


def test_static_files_are_served(mytom: Path) -> None:
    with running("serve", "--port", "0", "--no-worker", cwd=mytom) as server:
        site = address(server)
        sheet = requests.get(f"{site}/static/admin/css/base.css", timeout=10)
        assert (sheet.status_code, sheet.headers["Content-Type"]) == (200, 'text/css; charset="utf-8"')
        for path in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', requests.get(site, timeout=10).text)):
            assert requests.get(site + path, timeout=10).status_code == 200, path
        assert "no worker here" in server.output


@pytest.mark.slow
def test_a_request_in_flight_is_answered_before_serve_stops(mytom: Path) -> None:
    urls = mytom / "mytom/urls.py"
    urls.write_text(urls.read_text("utf-8") + SLOW_PAGE, "utf-8")
    answers: list[str] = []
    with running("serve", "--port", "0", cwd=mytom) as server:
        site = address(server)
        visitor = threading.Thread(target=lambda: answers.append(requests.get(f"{site}/slow/", timeout=15).text))
        visitor.start()
        server.wait_for("slow page entered")
        assert server.stop() == 0
        visitor.join(10)
    assert answers == ["finished all the same"]


@pytest.mark.slow
def test_serve_applies_migrations_unless_asked_not_to(mytom: Path) -> None:
    (mytom / "db.sqlite3").unlink()
    with running("serve", "--port", "0", "--no-migrate", "--no-worker", cwd=mytom) as server:
        server.wait_for(r"\d+ migrations are not applied: heliostat migrate")
        address(server)
        assert server.stop() == 0
    with running("serve", "--port", "0", cwd=mytom) as server:
        server.wait_for(r"\d+ migrations applied")
        server.wait_for("Nobody can log in yet: heliostat createsuperuser")
        address(server)
        assert server.stop() == 0


def test_a_port_in_use_is_explained_in_one_line(mytom: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        begin = time.monotonic()
        result = run("serve", "--port", str(port), cwd=mytom)
    assert result.returncode == 1
    assert f"cannot serve on 127.0.0.1:{port}: Address already in use" in result.stderr
    assert f"heliostat serve --port {port + 1}" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert time.monotonic() - begin < 10


def test_a_host_that_is_not_here_is_explained_in_one_line(mytom: Path) -> None:
    result = run("serve", "--host", "host.invalid", "--port", "0", cwd=mytom)
    assert result.returncode == 1
    assert "Choose another --host or --port." in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_serve_outside_of_a_project_says_what_to_do(tmp_path: Path) -> None:
    result = run("serve", "--port", "0", cwd=tmp_path)
    assert result.returncode == 2
    assert "there is no project" in result.stderr
    assert "heliostat new mytom" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_settings_that_cannot_be_loaded_are_explained_with_the_place(mytom: Path) -> None:
    settings = mytom / "mytom/settings.py"
    lines = len(settings.read_text("utf-8").splitlines())
    settings.write_text(settings.read_text("utf-8") + "HELIOSTAT = undefined\n", "utf-8")
    result = run("serve", "--port", "0", cwd=mytom)
    assert result.returncode == 1
    assert "NameError: name 'undefined' is not defined" in result.stderr
    assert f"settings.py, line {lines + 1}" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_wrong_hook_stops_serve_before_anything_happens(mytom: Path) -> None:
    settings = mytom / "mytom/settings.py"
    settings.write_text(settings.read_text("utf-8") + "HOOKS = {'target_post_saved': 'mytom.hooks.nothing'}\n", "utf-8")
    result = run("serve", "--port", "0", cwd=mytom)
    assert result.returncode == 1
    assert "target_post_saved" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_part_of_the_tom_says_what_to_install(mytom: Path) -> None:
    missing = "raise ModuleNotFoundError('no django_htmx', name='django_htmx')"
    (mytom / "django_htmx.py").write_text(missing, "utf-8")
    for command in (("serve", "--port", "0"), ("migrate",)):
        result = run(*command, cwd=mytom)
        assert result.returncode == 1
        assert 'pip install "heliostat[tom]"' in result.stderr
        assert len(result.stderr.splitlines()) == 1
