"""Runs the Python examples of a page of docs/, one after another, as somebody would who types them in."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from asgiref.sync import async_to_sync

from tests.docs import pages

PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RESULT = re.compile(r"# → (.+)$")
"""Follows an expression and says what that is equal to."""
CHECK = "_check_result"
"""Name of the function that compares the two."""

sent: list[tuple[str, dict[str, Any]]] = []
"""What `RecordingLayer` was given: group and message."""


class RecordingLayer:
    """Channel layer that keeps what is pushed."""

    def group_send_nowait(self, group: str, message: dict[str, Any]) -> None:
        """Keep it in `sent`."""
        sent.append((group, message))


def run(name: str, namespace: dict[str, Any]) -> None:
    """Run all examples of a page in one namespace; ``await`` is allowed outside of functions.

    Raises:
        AssertionError: an expression is not what its comment says, or nothing is there to compare with one.
        Exception: what an example raises, with the page's own line in the traceback.
    """
    page = pages.page(name)
    blocks = list(PYTHON_BLOCK.finditer(page))
    assert blocks, f"docs/{name} has no examples"
    for block in blocks:
        # Lines of the page, not of the block, are what a traceback should name.
        _run_block("\n" * page.count("\n", 0, block.start(1)) + block[1], name, namespace)


def _run_block(source: str, name: str, namespace: dict[str, Any]) -> None:
    path = str(pages.FOLDER / name)
    comparing = _Comparing(source)
    tree = ast.fix_missing_locations(comparing.visit(ast.parse(source, path)))
    assert not comparing.results, f"docs/{name}: only the value of a statement can be compared: {comparing.results}"
    namespace[CHECK] = _check_result
    code = compile(tree, path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, namespace)
    if code.co_flags & inspect.CO_COROUTINE:
        async_to_sync(_awaited)(value)  # in the thread of the test, whose database connection it is


class _Comparing(ast.NodeTransformer):
    """Compares each expression with the result that its comment names."""

    def __init__(self, source: str) -> None:
        found = ((line, RESULT.search(text)) for line, text in enumerate(source.splitlines(), start=1))
        self.results = {line: ast.parse(match[1], mode="eval").body for line, match in found if match}
        """By line; those that are left belong to no expression."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        expected = self.results.pop(node.end_lineno or 0, None)
        if expected is None:
            return node
        arguments = [node.value, expected, ast.Constant(node.lineno)]
        return ast.copy_location(ast.Expr(ast.Call(ast.Name(CHECK, ast.Load()), arguments, [])), node)


def _check_result(value: Any, expected: Any, line: int) -> None:
    assert value == expected, f"line {line} of the page: {value!r} is not {expected!r}"


async def _awaited(awaitable: Any) -> Any:
    return await awaitable
