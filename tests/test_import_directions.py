"""Imports go down only: from entry points over the API to modules that know nothing of the app."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

from tests.support.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = "catmaid_notify"
LEVELS = [
    {"admin", "apps", "checks", "deployment", "doctor", "management", "middleware", "realtime", "routing"}
    | {"signal_handlers", "tasks", "templatetags", "urls", "views"},
    {"api", "changes"},
    {"delivery", "events", "inbox", "kinds", "presence", "topics"},
    {"models", "push"},
    {"auth", "layers"},
    {"conf", "content", "exceptions", "protocol", "types", "utils"},
]
"""Components (packages and modules right below the app), the highest first; none imports what is above it."""
LEVEL_OF = {component: level for level, components in enumerate(LEVELS) for component in components}
NO_LEVEL = {"__init__", "migrations", "testing"}


def component_of(path: Path) -> str:
    """Return the component that a module is or belongs to."""
    return path.relative_to(ROOT / APP).parts[0].removesuffix(".py")


FILES = [path for path in sorted((ROOT / APP).rglob("*.py")) if component_of(path) not in NO_LEVEL]


def imported(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the dotted names that are imported somewhere in this code, each with its line; not those for types only."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def components_imported(path: Path) -> Iterator[tuple[str, int]]:
    for name, line in imported(ast.parse(path.read_text(encoding="utf-8"))):
        root, _, rest = name.partition(".")
        if root == APP and rest and rest != "__version__":
            yield rest.partition(".")[0], line


def test_components__each_has_a_level() -> None:
    assert {component_of(path) for path in FILES} <= LEVEL_OF.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT / APP).as_posix())
def test_imports__go_down(path: Path) -> None:
    own = LEVEL_OF[component_of(path)]
    upward = [
        f"{path.relative_to(ROOT)}:{line} imports {APP}.{component}, which is above it"
        for component, line in components_imported(path)
        if LEVEL_OF[component] < own
    ]
    assert not upward, "\n".join(upward)


def test_imports__no_cycle_of_components() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        own = component_of(path)
        graph.setdefault(own, set()).update(other for other, _ in components_imported(path) if other != own)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"Components import each other: {' <- '.join(error.args[1])}")
