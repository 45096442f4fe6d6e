"""docs/checks.md lists the checks that there are."""

from __future__ import annotations

import re

from catmaid_notify import checks
from tests.docs import pages
from tests.support.sources import source_of

LETTERS = {"make_error": "E", "make_warning": "W"}


def in_code() -> set[str]:
    found = re.findall(r"(make_error|make_warning)\(\s*(\d+),", source_of(checks))
    return {f"`{LETTERS[kind]}{int(number):03}`" for kind, number in found}


def test_checks__a_row_each():
    listed = [row[0] for row in pages.rows(pages.page("checks.md"))]
    assert sorted(listed) == sorted(in_code())


def test_checks__deploy_is_marked():
    marked = {row[0] for row in pages.rows(pages.page("checks.md")) if "(deploy)" in row[1]}
    source = source_of(checks)
    functions = re.split(r"^@registered", source, flags=re.MULTILINE)[1:]
    deploy = {
        f"`{LETTERS[kind]}{int(number):03}`"
        for function in functions
        if "deploy=True" in function.partition("\n")[0]
        for kind, number in re.findall(r"(make_error|make_warning)\(\s*(\d+),", function)
    }
    assert marked == deploy
