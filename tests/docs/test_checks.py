"""docs/checks.md lists the checks that there are."""

from __future__ import annotations

import inspect
import re

from catmaid_notify import checks
from tests.docs import pages

LETTERS = {"_error": "E", "_warning": "W"}


def in_code() -> set[str]:
    found = re.findall(r"(_error|_warning)\(\s*(\d+),", inspect.getsource(checks))
    return {f"`{LETTERS[kind]}{int(number):03}`" for kind, number in found}


def test_checks__a_row_each():
    listed = [row[0] for row in pages.rows(pages.page("checks.md"))]
    assert sorted(listed) == sorted(in_code())


def test_checks__deploy_is_marked():
    marked = {row[0] for row in pages.rows(pages.page("checks.md")) if "(deploy)" in row[1]}
    source = inspect.getsource(checks)
    functions = re.split(r"^@_registered", source, flags=re.MULTILINE)[1:]
    deploy = {
        f"`{LETTERS[kind]}{int(number):03}`"
        for function in functions
        if "deploy=True" in function.partition("\n")[0]
        for kind, number in re.findall(r"(_error|_warning)\(\s*(\d+),", function)
    }
    assert marked == deploy
