"""No version with a known hole may be installed beside the app."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.support.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOORS = {
    "autobahn": "26.10.1",
    "celery": "5.2.2",
    "channels": "4",
    "daphne": "4.2.2",  # CVE-2026-44545, CVE-2026-44546
    "django": "5.2.14",
    "msgpack": "1.2.3",
    "twisted": "24.7",
}


def requirements() -> Iterator[Requirement]:
    """Return what pyproject.toml, with its extras, and requirements-async.txt ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements-async.txt").read_text().splitlines()]
    for texts in (project["dependencies"], *project["optional-dependencies"].values(), filter(None, lines)):
        yield from (Requirement(text) for text in texts)


@pytest.mark.parametrize("name", FLOORS)
def test_floor__is_asked_for(name: str) -> None:
    bounds = [
        Version(bound.version)
        for requirement in requirements()
        if requirement.name == name
        for bound in requirement.specifier
        if bound.operator in (">=", "==", "~=")
    ]
    assert bounds
    assert min(bounds) >= Version(FLOORS[name])
