"""Exploring what two workers may do: random steps of a state machine, the same at every run."""

from __future__ import annotations

from hypothesis import HealthCheck
from hypothesis import settings as profile
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def explore(machine: type[RuleBasedStateMachine], using: str, examples: int, steps: int) -> None:
    """Run so many examples of so many steps on this database. A slow machine fails nothing."""
    run_state_machine_as_test(
        type(machine.__name__, (machine,), {"using": using}),
        settings=profile(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
