"""Docstrings say what a thing is or does, first; those of public callables explain their arguments."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PACKAGE = ROOT / "catmaid_notify"
BAD_OPENING = re.compile(
    r"(?:What|Who|How|Of|Which|Whose|Where|Whether|When)\b|Return (?:what|who|whose|how)\b", re.ASCII
)
PUBLIC_MODULES = (
    "catmaid_notify.api",
    "catmaid_notify.changes",
    "catmaid_notify.exceptions",
    "catmaid_notify.middleware",
    "catmaid_notify.routing",
    "catmaid_notify.tasks",
    "catmaid_notify.topics",
)
TAGS = "catmaid_notify.templatetags.catmaid_notify"
NO_ARGS_SECTION: frozenset[str] = frozenset()
"""Public callables whose parameters explain themselves, as ``module.name``."""


def sources() -> list[Path]:
    """Return the modules of the app."""
    return sorted(PACKAGE.rglob("*.py"))


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of the docstrings of a module, its classes, functions, settings and attributes."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        above: list[Any] = [None, *body]
        for before, statement in zip(above, body, strict=False):
            if before is None and not documented:
                continue
            match before, statement:
                case None | ast.Assign() | ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(text), lineno=line)):
                    yield line, inspect.cleandoc(text)


def bad_openings(source: str) -> list[int]:
    """Return the lines of the docstrings that open with a clause instead of a noun or an imperative."""
    return [line for line, text in docstrings(ast.parse(source)) if BAD_OPENING.match(text)]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstrings__open_with_a_noun_or_an_imperative(path: Path) -> None:
    lines = bad_openings(path.read_text(encoding="utf-8"))
    bad = [f"{path.relative_to(ROOT)}:{line} opens with a clause; say what it is or does" for line in lines]
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize(
    "text",
    ["What is sent.", "Whether it is open.", "Of the user.", "Return what is sent.", "Return whose it is.", "How."],
)
@pytest.mark.parametrize(
    "form",
    [
        '"""{}"""',
        'class A:\n    """{}"""',
        'def f():\n    """{}"""',
        'async def f():\n    """{}"""',
        'A = 1\n"""{}"""',
        'class A:\n    b: int\n    """{}"""',
        'class A:\n    def b(self):\n        """\n        {}\n        """',
    ],
)
def test_bad_openings__are_found(form: str, text: str) -> None:
    assert len(bad_openings(form.format(text))) == 1


@pytest.mark.parametrize("text", ["Whatever is sent.", "Offset in bytes.", "Return the user.", "Return whether.", ""])
def test_bad_openings__others_pass(text: str) -> None:
    assert not bad_openings(f'"""{text}"""')


def public_names() -> Iterator[tuple[str, Any]]:
    """Yield the names in ``__all__`` of the public modules, and the template tags, with their values."""
    for module in map(import_module, PUBLIC_MODULES):
        yield from ((f"{module.__name__}.{name}", getattr(module, name)) for name in module.__all__)
    yield from ((f"{TAGS}.{name}", function) for name, function in import_module(TAGS).register.tags.items())


CALLABLES = {name: inspect.unwrap(found) for name, found in public_names() if callable(found)}
FUNCTIONS = {name: found for name, found in CALLABLES.items() if not inspect.isclass(found)}


def place(found: Callable[..., Any]) -> str:
    return f"{inspect.getsourcefile(found)}:{inspect.getsourcelines(found)[1]}"


def test_public__callables_are_found() -> None:
    assert {"catmaid_notify.api.notify_user", "catmaid_notify.topics.register", f"{TAGS}.catmaid_notify"} <= set(
        FUNCTIONS
    )


@pytest.mark.parametrize("name", CALLABLES)
def test_public__has_a_docstring(name: str) -> None:
    assert inspect.getdoc(CALLABLES[name]), f"{place(CALLABLES[name])}: {name} has no docstring"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public__parameters_are_explained(name: str) -> None:
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    parameters = [parameter for parameter in inspect.signature(function).parameters if parameter != "self"]
    if not parameters or name in NO_ARGS_SECTION:
        return
    section = re.search(r"^Args:\n((?: .*\n?|\n)+)", text, re.MULTILINE)
    assert section, f"{place(function)}: {name} has no Args: section"
    explained = re.findall(r"^ {4}(\w+): ", section[1], re.MULTILINE)
    assert explained == parameters, f"{place(function)}: Args: of {name} are not its parameters"
