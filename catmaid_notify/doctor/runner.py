"""The order of the steps: from the inside out, as a newcomer's mistakes happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, Severity, failed, skipped

Run = Callable[[Visit], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One thing that is tried."""

    name: str
    run: Run
    needs: tuple[str, ...] = ()
    """Names of steps without which this one can't be tried."""


def walk(visit: Visit, steps: Iterable[Step]) -> Iterator[Finding]:
    """Take the steps, and yield what each one finds; a step whose precondition failed is skipped, and says so."""
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
        yield failed(f"{type(error).__name__}: {error}", "Run the command again with --traceback to see where.")
