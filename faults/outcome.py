"""Outcome of one fault: verdict, measures and resources."""

from __future__ import annotations

from dataclasses import dataclass, field

from faults.checker import Verdict
from faults.faults import Fault, Measure


@dataclass(kw_only=True, slots=True)
class Outcome:
    """Result of one fault."""

    fault: Fault
    verdict: Verdict
    measures: list[Measure]
    phases: list[tuple[float, str]]
    resources: dict[str, tuple[float, int]] = field(default_factory=dict)
    bindings: int = 0
    error: str = ""
    """Error of the run itself."""

    @property
    def is_good(self) -> bool:
        return not self.error and self.verdict.is_good and all(measure.is_good for measure in self.measures)
