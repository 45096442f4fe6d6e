"""docs/api.md lists what is public: the ``__all__`` of each public module, and where it is described."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.docs import pages

PAGE = "api.md"
MODULES = re.findall(r"^## (catmaid_notify\.\w+)$", pages.page(PAGE), re.MULTILINE)


def listed(module: str) -> list[tuple[str, str]]:
    """Return the names in a module's table, each with the page that its row leads to."""
    rows = pages.rows(pages.section(PAGE, f"## {module}"))
    linked = ((row[0], re.findall(r"\]\(([\w-]+\.md)", row[2])) for row in rows)
    return [(name, page) for cell, [page] in linked for name in re.findall(r"`(\w+)`", cell)]


def test_modules__all_that_sites_import() -> None:
    names = ["api", "tasks", "topics", "changes", "exceptions", "layers", "routing", "urls", "middleware"]
    assert [module.rpartition(".")[2] for module in MODULES] == names


@pytest.mark.parametrize("module", MODULES)
def test_names__those_of_the_module(module: str) -> None:
    public = import_module(module).__all__
    assert sorted(name for name, _page in listed(module)) == sorted(public)


@pytest.mark.parametrize("module", MODULES)
def test_names__are_there(module: str) -> None:
    imported = import_module(module)
    assert [name for name in imported.__all__ if not hasattr(imported, name)] == []


@pytest.mark.parametrize("module", MODULES)
def test_names__are_on_the_page_that_is_linked(module: str) -> None:
    missing = [(name, page) for name, page in listed(module) if not re.search(rf"\b{name}\b", pages.page(page))]
    assert missing == []
