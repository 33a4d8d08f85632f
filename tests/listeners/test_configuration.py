"""The settings of listeners come from a dict, an `.ini` file in the form of the document, the environment and files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.checks import run_checks

from heliostat.listeners.configured import Configured, configured
from heliostat.testing import Receiver
from tests.docs.test_documents import blocks
from tests.example.models import Depot, Vehicle
from tests.listeners.echo import heard
from tests.listeners.test_listeners import ECHO
from tests.listeners.uses import calls
from tests.settings import IN_CI, reachable

pytestmark = pytest.mark.django_db(transaction=True)
INI = """
cliquet.event_listeners = echo other

cliquet.event_listeners.echo.use = tests.listeners.echo
cliquet.event_listeners.echo.words = 100% sure
cliquet.event_listeners.echo.resources = depot
cliquet.event_listeners.other.use = tests.listeners.echo
cliquet.event_listeners.other.words = second
cliquet.event_listeners.other.actions = delete
"""


@pytest.fixture(autouse=True)
def silence() -> None:
    heard.clear()
    calls.clear()


@pytest.fixture
def project(settings: Any, tmp_path: Path) -> Path:
    settings.BASE_DIR = tmp_path
    return tmp_path


def use(settings: Any, project: Path, text: str) -> None:
    (project / "listeners.ini").write_text(text, encoding="utf-8")
    settings.EVENT_LISTENERS = "listeners.ini"


def problems() -> list[str]:
    return [message.msg for message in run_checks(databases=[])]


def built_settings() -> dict[str, Any]:
    (one, *_) = [one for one in configured() if isinstance(one, Configured)]
    return dict(one.registry.settings)


@pytest.mark.parametrize("root", ["cliquet.", "kinto.", "heliostat.", ""])
@pytest.mark.parametrize("header", ["", "[app:main]\n", "[DEFAULT]\n", "# a comment\n[tom]\n", "\ufeff"])
def test_the_form_of_the_document_works_under_each_root_with_and_without_a_header(
    settings: Any, project: Path, root: str, header: str
) -> None:
    use(settings, project, header + INI.replace("cliquet.", root))
    assert problems() == []
    Depot.objects.create(name="North").delete()
    assert [(words, event.payload["action"]) for words, event in heard] == [
        (["100%", "sure"], "create"),
        (["100%", "sure"], "delete"),
        (["second"], "delete"),
    ]


def test_an_indented_snippet_with_values_of_several_lines_works(settings: Any, project: Path) -> None:
    text = INI.replace("cliquet", "    cliquet").replace("words = second", "words =\n        one\n        two")
    use(settings, project, text)
    assert problems() == []
    Vehicle.objects.create(name="55").delete()
    assert [words for words, _ in heard] == [["one", "two"]]


def test_the_sections_of_a_server_and_its_log_are_left_out(settings: Any, project: Path) -> None:
    use(
        settings, project, f"[server:main]\nuse = egg:x\n\n[app:main]\nuse = egg:kinto{INI}\n[logger]\nuse = %(here)s\n"
    )
    assert problems() == []
    assert built_settings()["use"] == "egg:kinto"


def test_settings_are_found_as_code_for_kinto_looks_for_them(settings: Any, project: Path) -> None:
    use(settings, project, INI + "pusher.key = 12\nkinto.project_name = tom\n")
    found = built_settings()
    assert found["event_listeners"] == "echo other"
    assert found["cliquet.event_listeners"] == "echo other"
    assert found["event_listeners.echo.words"] == found["cliquet.event_listeners.echo.words"] == "100% sure"
    assert (found["pusher.key"], found["project_name"], found["kinto.project_name"]) == ("12", "tom", "tom")


def test_a_dict_gives_the_same_settings(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": ECHO}
    assert built_settings() == {
        "event_listeners": "echo",
        "event_listeners.echo.use": "tests.listeners.echo",
        "event_listeners.echo.words": "one two",
    }


@pytest.mark.parametrize("text", [block for block in blocks("ini") if str(block.id).startswith("listeners-")])
def test_the_ini_files_in_the_documents_work(settings: Any, project: Path, text: str) -> None:
    use(settings, project, text)
    assert problems() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cliquet.event_listeners = echo\nrubbish\n", "listeners.ini, line 2: it is no `name = value`"),
        ("[a]\ncliquet.event_listeners = echo\n\n[b\n", "line 4: it is no `name = value`"),
        ("event_listeners = a\n\nevent_listeners = b\n", "line 3: 'event_listeners' is there twice"),
        ("[a]\nevent_listeners = a\n[a]\nx = b\n", "line 3: the section [a] is there twice"),
        ("kinto.event_listeners = a\ncliquet.event_listeners = b\n", "two values for 'event_listeners'"),
        ("event_listeners.echo.use = x\n", "has no `event_listeners = …`"),
        ("", "has no `event_listeners = …`"),
        (INI.replace("words", "wrds"), "echo: the setting 'event_listeners.echo.words' is missing."),
        (INI.replace("use = tests.listeners.echo", "use = tests.listeners.ehco"), "Did you mean tests.listeners.echo"),
        (INI.replace("resources = depot", "resources = depott"), "Did you mean depot"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_line(settings: Any, project: Path, text: str, words: str) -> None:
    use(settings, project, text)
    assert words in problems()[0]


def test_a_message_about_a_line_does_not_show_it(settings: Any, project: Path) -> None:
    use(settings, project, "event_listeners = a\nhunter2secret\n")
    assert "hunter2secret" not in "".join(problems())


def test_a_file_that_is_not_there_or_is_no_text_is_named(settings: Any, project: Path) -> None:
    settings.EVENT_LISTENERS = "listeners.ini"
    assert f"the file {project / 'listeners.ini'} cannot be read: No such file or directory." in problems()[0]
    (project / "listeners.ini").write_bytes(b"event_listeners = a\nx = \xff\n")
    assert "listeners.ini, line 2: it is no UTF-8 text" in problems()[0]
    settings.EVENT_LISTENERS = project
    assert "Is a directory" in problems()[0]


def test_settings_of_a_listener_that_is_not_named_are_a_warning(settings: Any, project: Path) -> None:
    use(settings, project, INI + "cliquet.event_listeners.othr.resources = depot\n")
    (message,) = [one for one in run_checks(databases=[]) if "othr" in one.msg]
    assert (message.id, "Did you mean other?" in message.msg) == ("heliostat.W020", True)


def test_the_environment_goes_before_the_file(settings: Any, project: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HELIOSTAT_EVENT_LISTENERS_ECHO_WORDS", "from outside")
    monkeypatch.setenv("HELIOSTAT_EVENT_LISTENERS_OTHER_RESOURCES", "vehicle")
    use(settings, project, INI)
    assert problems() == []
    Depot.objects.create(name="North").delete()
    assert [words for words, _ in heard] == [["from", "outside"]] * 2


def test_of_two_names_that_fit_a_variable_the_longer_one_is_meant(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("HELIOSTAT_EVENT_LISTENERS_SEND_MAIL_WORDS", "longer")
    settings.EVENT_LISTENERS = {"send": {**ECHO, "resources": "depot"}, "send-mail": {**ECHO, "resources": "depot"}}
    Depot.objects.create(name="North")
    assert [words for words, _ in heard] == [["one", "two"], ["longer"]]


def test_a_variable_of_no_listener_is_a_warning(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("HELIOSTAT_EVENT_LISTENERS_ECH_WORDS", "secret words")
    settings.EVENT_LISTENERS = {"echo": ECHO}
    (message,) = problems()
    assert "HELIOSTAT_EVENT_LISTENERS_ECH_WORDS, which is a setting of no listener" in message
    assert "secret words" not in message


def test_a_secret_is_read_from_a_file(settings: Any, project: Path, monkeypatch: Any) -> None:
    (project / "secret").write_text("hush\n")
    settings.EVENT_LISTENERS = {
        "echo": {"use": "tests.listeners.echo", "words_file": "secret", "resources": "depot"},
        "other": {**ECHO, "resources": "depot"},
    }
    monkeypatch.setenv("HELIOSTAT_EVENT_LISTENERS_OTHER_WORDS_FILE", str(project / "secret"))
    settings.EVENT_LISTENERS["other"].pop("words")
    assert problems() == []
    Depot.objects.create(name="North")
    assert [words for words, _ in heard] == [["hush"], ["hush"]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "`words_file`: the file {path} cannot be read: No such file or directory."),
        (b"", "the file {path} is empty"),
        (b"\xff", "is no UTF-8 text"),
        (b"x" * 70_000, "is longer than 65536 bytes"),
    ],
)
def test_a_secret_that_cannot_be_read_stops_one_listener(
    settings: Any, project: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (project / "secret").write_bytes(content)
    settings.EVENT_LISTENERS = {
        "bad": {"use": "tests.listeners.echo", "words_file": "secret"},
        "echo": {**ECHO, "resources": "depot"},
    }
    (message,) = problems()
    assert words.format(path=project / "secret") in message
    Depot.objects.create(name="North")
    assert len(heard) == 1


def test_a_value_and_its_file_are_one_too_many(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "words_file": "secret"}}
    assert problems() == ["EVENT_LISTENERS['echo']: it has both `words` and `words_file`; keep one."]


def test_a_listener_is_a_class_that_takes_the_settings_or_a_function(settings: Any) -> None:
    settings.EVENT_LISTENERS = {
        "red": {"use": "tests.listeners.uses.Painter", "colour": "red", "resources": "depot"},
        "blue": {"use": "tests.listeners.uses.Painter", "colour": "blue", "resources": "depot"},
        "plain": {"use": "tests.listeners.uses.Plain", "resources": "depot"},
        "last": {"use": "tests.listeners.uses.function", "resources": "depot"},
    }
    assert problems() == []
    Depot.objects.create(name="North")
    assert [name for name, _ in calls] == ["red", "blue", "plain", "function"]
    assert {event.payload["resource_name"] for _, event in calls} == {"depot"}


def test_a_name_without_use_is_a_module_and_its_settings_are_under_its_last_part(settings: Any, project: Path) -> None:
    use(settings, project, "event_listeners = tests.listeners.echo\nevent_listeners.echo.words = a b\n")
    assert problems() == []
    Depot.objects.create(name="North")
    assert [words for words, _ in heard] == [["a", "b"]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"use": "tests.listeners.uses.Painter"},
            "does not take these settings: missing a required argument: 'colour'",
        ),
        ({"use": "tests.listeners.uses.Painter", "colour": "x", "sise": 2}, "unexpected keyword argument 'sise'"),
        ({"use": "tests.listeners.uses.Silent"}, "gave a Silent, which cannot be called"),
        ({"use": "tests.listeners.uses.function", "colour": "x"}, "is a function, which takes no settings (colour)"),
        ({"use": "tests.listeners.uses.NUMBER"}, "is a int, not a module, a class or a function"),
        ({"use": "tests.listeners.uses.coroutine"}, "is a coroutine function, which would not be awaited"),
        ({"use": "tests.listeners.uses.Asynchronous"}, "is a coroutine function, which would not be awaited"),
        ({"use": "tests.listeners.uses.generator"}, "is a generator, which does nothing when it is called"),
        ({"use": "tests.listeners.uses.functoin"}, "Did you mean tests.listeners.uses.function?"),
        ({"use": "tests.listeners.raising"}, "raised OSError: no network here ("),
        ({"use": "tests.listeners.raising"}, "raising.py, line 3)"),
        ({"use": "tests.listeners.importing"}, "ModuleNotFoundError: No module named 'no_such_package_of_anybody' ("),
        ({"use": "tests.listeners.importing"}, "importing.py, line 3)"),
        ({"use": "tests.listeners.of_cliquet"}, "cliquet is a package of Cliquet; ListenerBase"),
        ({"use": "kinto_redis.listeners"}, "kinto_redis.listeners is heliostat.queues.redis here."),
        ({"use": "cliquet.listeners.redis"}, "cliquet.listeners.redis is heliostat.queues.redis here."),
        ({"use": ""}, "`use` is ''"),
        ({"use": "."}, "cannot be loaded"),
    ],
)
def test_what_use_names_wrongly_is_shown_as_what_it_is(settings: Any, options: Any, words: str) -> None:
    settings.EVENT_LISTENERS = {"bad": options}
    (message,) = problems()
    assert words in message


def test_two_names_with_one_last_part_are_refused(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"tests.listeners.echo": {}, "echo": ECHO}
    assert "would share their settings" in problems()[0]


@pytest.fixture
def list_name() -> Iterator[str]:
    if not reachable(6379) and not IN_CI:
        pytest.skip("no Redis at 127.0.0.1:6379")
    name = f"heliostat-tests-{uuid.uuid4()}"
    yield name
    redis.Redis().delete(name)


def test_a_listener_in_the_shape_of_kinto_redis_runs(settings: Any, project: Path, list_name: str) -> None:
    text = f"""
    kinto.event_listeners = redis
    kinto.event_listeners.redis.use = tests.listeners.kinto_shaped.queue
    kinto.event_listeners.redis.listname = {list_name}
    kinto.event_listeners.redis.resources = depot
    """
    use(settings, project, text)
    assert problems() == []
    depot = Depot.objects.create(name="North")
    found: Any = redis.Redis().lrange(list_name, 0, -1)
    (payload,) = map(json.loads, found)
    assert (payload["action"], payload["resource_name"], payload["depot_id"]) == ("create", "depot", str(depot.pk))
    assert payload["user_id"] is None


def test_a_listener_in_the_shape_of_kinto_pusher_runs(settings: Any, project: Path, receiver: Receiver) -> None:
    text = f"""
    kinto.includes = tests.listeners.kinto_shaped.push
    pusher.address = {receiver.url}
    pusher.key = 12
    kinto.event_listeners = pusher
    kinto.event_listeners.pusher.use = tests.listeners.kinto_shaped.push.listener
    kinto.event_listeners.pusher.channel = {{resource_name}}-{{depot_id}}
    kinto.event_listeners.pusher.resources = depot
    kinto.event_listeners.pusher.actions = create update delete
    """
    use(settings, project, text)
    assert problems() == []
    depot = Depot.objects.create(name="North")
    (delivery,) = receiver.wait_for(1)
    assert delivery.json["channel"] == f"depot-{depot.pk}"
    assert delivery.json["data"][0]["new"] == {"id": depot.pk, "name": "North"}


def test_a_package_that_cannot_be_included_is_named(settings: Any, project: Path) -> None:
    use(settings, project, "includes = tests.listeners.echo\nevent_listeners =\n")
    (message,) = problems()
    assert "EVENT_LISTENERS: `includes`: 'tests.listeners.echo' raised AttributeError" in message
