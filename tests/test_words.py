"""The words of the project are the field's own: retired ones are in no name, message, page, help text or document."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KINDS = {".py", ".py-tpl", ".md", ".html", ".js", ".css", ".toml", ".txt", ".yml"}

# By what is written in their place. A field's own term in its own meaning is let through below.
RETIRED = {
    "notify, dispatch or publish": "tell|tells|telling|told|untold",
    "callback": "promise|promises|promised",
    "circuit breaker": "gate|gates|fared|open_up",
    "rate limiter": "admission|spent_until",
    "scheduler": "throttle|throttles|throttled|warming",
    "ordering key, head of line": "lane|lanes|stand_back|let_next_go|first_beside",
    "wake-up, waker": "doorbell|door|doors|bell",
    "one-shot worker": "courier|couriers|errand|errands",
    "dispatch on commit": "handover|taker",
    "retry now": "hasten|hastens|hastened",
    "record results": "tally",
    "package, layer": "room|rooms|floor|floors",
    "the user, the subscriber": "whoever|whom|whomever",
    "plain English": "surely|amiss|anew",
    "webhook": "web[ -]hooks?",
    "no such": "none such|of no matter|no more|asked to know|asks to know|should it",
}
FOLDERS = ("src", "docs", "tests", "benchmarks", "compat")
MEANT = re.compile(
    r"import Promise|Promise, models|, Promise\)"  # Django's texts that are translated when they are read
    r"|new Promise|Promise\."  # JavaScript's
    r"|DEFAULT_THROTTLE_(CLASSES|RATES)|rest_framework\.throttling\.UserRateThrottle"  # Django REST framework's
    r"|rest_framework\.throttling import UserRateThrottle|\(UserRateThrottle\)|\"throttle_classes\""
    r"|no[ _]more[ _a-z]*[ _]than"  # a comparison
    r"|\bDoor\b|\w*DoorSerializer|\bdoor\b|J\. Bell"  # of a depot; a person
)


def files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", *FOLDERS, "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    here = Path(__file__).relative_to(ROOT).as_posix()
    found = (Path(name) for name in listed if name != here)
    return [ROOT / path for path in found if path.suffix in KINDS or path.name == "Makefile"]


def words_of(text: str) -> str:
    """The text with names split into words: `all_notified` and `EverybodyTold` hold "told"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")


@pytest.mark.parametrize(("instead", "words"), RETIRED.items(), ids=[words.split("|")[0] for words in RETIRED.values()])
def test_retired_words_are_written_nowhere(instead: str, words: str) -> None:
    pattern = re.compile(rf"\b(?:{words.replace('_', ' ')})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if pattern.search(words_of(MEANT.sub("", line)))
    ]
    assert found == [], f"write {instead}"
