"""Kills at random, and what is counted while they go on."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.chaos.processes import World

WORKERS = 2
WRITERS = 3
ENOUGH = 1.25  # times the events asked for
PACE = 0.5  # seconds a kill takes, about: writers spread their events over all of them


class Crew:
    """Processes of one kind that are started again whenever they are killed."""

    def __init__(self, made: World, folder: Path, name: str, size: int, *arguments: str) -> None:
        self.made, self.folder, self.name, self.arguments = made, folder, name, arguments
        self.kills = 0
        self.ended_by_themselves: list[int] = []
        self._started = 0
        self._members: list[tuple[subprocess.Popen[str], Path]] = [self._start() for _ in range(size)]

    def _start(self) -> tuple[subprocess.Popen[str], Path]:
        self._started += 1
        said = self.folder / f"{self.name}-{self._started}.out"
        with said.open("w") as out, (self.folder / f"{self.name}.err").open("a") as err:
            return self.made.start(*self.arguments, stdout=out, stderr=err), said

    def kill_one(self, pick: random.Random, wait: float) -> None:
        """Once it is at work, and has been for so long."""
        if not self._members:
            return
        index = pick.randrange(len(self._members))
        process, said = self._members[index]
        _wait_until_at_work(process, said)
        time.sleep(wait)
        self._end(process)
        self._members[index] = self._start()

    def kill_all(self) -> None:
        while self._members:
            self._end(self._members.pop()[0])

    def _end(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.kill()
            process.wait(10)
            self.kills += 1
        else:
            self.ended_by_themselves.append(process.returncode)

    def stop(self) -> None:
        """Ask them to finish; that each ends well is checked by who looks at `ended_by_themselves`.

        One that Python has only just begun to load would simply end by the signal.
        """
        for process, said in self._members:
            _wait_until_at_work(process, said)
            process.send_signal(signal.SIGTERM)
        while self._members:
            self.ended_by_themselves.append(self._members[-1][0].wait(20))
            self._members.pop()

    @property
    def errors(self) -> str:
        return (self.folder / f"{self.name}.err").read_text()

    @property
    def printed(self) -> list[str]:
        """Every whole line that any of them ever said."""
        texts = [path.read_text() for path in self.folder.glob(f"{self.name}-*.out")]
        return [line for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]


def _wait_until_at_work(process: subprocess.Popen[str], said: Path) -> None:
    """It says so."""
    while process.poll() is None and not said.stat().st_size:
        time.sleep(0.01)


class Storm:
    """Two workers and some writers that are killed until there were enough kills and enough events.

    `also` are further harms: at such a share of the kills, another thing happens.
    """

    def __init__(self, made: World, folder: Path, seed: int, events: int, kills: int) -> None:
        self.events, self.kills, self.pick = events, kills, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.harms: list[tuple[str, Callable[[], object], float]] = []
        self.milestones: list[tuple[float, str, Callable[[], object]]] = []
        pause = PACE * kills * WRITERS / max(events, 1)
        self.writers = Crew(made, folder, "writer", WRITERS, "-m", "tests.chaos.writer", str(pause))
        self.workers = Crew(made, folder, "worker", WORKERS, "-m", "django", "worker")
        self.harm("writers", lambda: self.writers.kill_one(self.pick, 0.0), 0.1)

    def harm(self, name: str, do: Callable[[], object], share: float) -> None:
        """At this share of the kills, do that as well."""
        self.harms.append((name, do, share))

    def milestone(self, share: float, name: str, do: Callable[[], object]) -> None:
        """When this share of the kills is done, do that, once."""
        self.milestones.append((share, name, do))
        self.milestones.sort(key=lambda one: one[0])

    def rage(self) -> None:
        while self.workers.kills < self.kills or len(self.writers.printed) < self.events:
            self.workers.kill_one(self.pick, self.pick.uniform(0.0, 0.5))
            for name, do, share in self.harms:
                if self.pick.random() < share:
                    self._do(name, do)
            while self.milestones and self.workers.kills >= self.milestones[0][0] * self.kills:
                _, name, do = self.milestones.pop(0)
                self._do(name, do)
            if len(self.writers.printed) > ENOUGH * self.events:  # a slow machine: kill on, write nothing
                self.writers.kill_all()
        self.writers.kill_all()

    def _do(self, name: str, do: Callable[[], object]) -> None:
        do()
        self.counts[name] += 1

    def end(self) -> None:
        """Leave no process behind, whatever happened."""
        self.writers.kill_all()
        self.workers.kill_all()
