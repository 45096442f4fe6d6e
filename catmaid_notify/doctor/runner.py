"""Runner of the steps: it skips those whose preconditions failed, and reports unexpected errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, Severity, failed, skipped

Run = Callable[[Visit], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step of the check."""

    name: str
    run: Run
    needs: tuple[str, ...] = ()
    """Names of earlier steps that must not fail; otherwise this step is skipped."""


def walk(visit: Visit, steps: Iterable[Step]) -> Iterator[Finding]:
    """Run the steps in order, and yield their findings. A step whose precondition failed yields a skipped finding."""
    broken: set[str] = set()
    for step in steps:
        missing = next((name for name in step.needs if name in broken), None)
        findings = [skipped(f"needs: {missing}")] if missing else _taken(step, visit)
        for finding in findings:
            if finding.level in (Severity.FAILED, Severity.SKIPPED):
                broken.add(step.name)
            yield replace(finding, step=step.name)


def _taken(step: Step, visit: Visit) -> Iterator[Finding]:
    try:
        yield from step.run(visit)
    except Exception as error:
        if visit.traceback:
            raise
        yield failed(f"{type(error).__name__}: {error}", "Run the command again with --traceback to see its origin.")
