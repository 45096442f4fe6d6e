from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING, get_type_hints

import pytest
from django.test import override_settings

from catmaid_notify import conf as conf_module
from catmaid_notify.conf import Conf, conf

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [name for name in vars(Conf) if name.isupper()]


def documented() -> set[str]:
    """Return the names in `Conf` that have a type, and a docstring below it."""
    [table] = [node for node in ast.parse(inspect.getsource(conf_module)).body if getattr(node, "name", "") == "Conf"]
    assert isinstance(table, ast.ClassDef)
    found = set()
    for field, below in zip(table.body, table.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
            and below.value.value.strip()
        ):
            found.add(field.target.id)
    return found


def test_conf__names_are_all_there() -> None:
    assert len(NAMES) > 20


@pytest.mark.parametrize("name", NAMES)
def test_conf__each_setting_has_a_type_and_a_docstring(name: str) -> None:
    assert name in documented()


@pytest.mark.parametrize("name", NAMES)
def test_conf__defaults_have_their_type(name: str) -> None:
    hint = get_type_hints(Conf)[name]
    kinds = {float: (int, float), int: (int,), str: (str,)}.get(hint, (tuple,))
    assert isinstance(vars(Conf)[name], kinds)


@pytest.mark.parametrize("name", NAMES)
def test_conf__settings_win_at_once(name: str) -> None:
    default = getattr(conf, name)
    with override_settings(**{f"CATMAID_NOTIFY_{name}": "of the site"}):
        assert getattr(conf, name) == "of the site"
    assert getattr(conf, name) == default


def test_conf__unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError):
        conf.NO_SUCH_SETTING  # type: ignore[attr-defined]  # noqa: B018


def test_conf__is_the_only_reader_of_our_settings(pytestconfig: pytest.Config) -> None:
    package: Path = pytestconfig.rootpath / "catmaid_notify"
    readers = {
        path.name
        for path in package.rglob("*.py")
        if re.search(r"settings\.CATMAID_NOTIFY|getattr\(\s*settings,\s*['\"]CATMAID_NOTIFY", path.read_text())
    }
    assert not readers


def test_conf__each_setting_has_a_reader(pytestconfig: pytest.Config) -> None:
    package: Path = pytestconfig.rootpath / "catmaid_notify"
    read = {name for path in package.rglob("*.py") for name in re.findall(r"\bconf\.([A-Z_]+)", path.read_text())}
    assert set(NAMES) - read == set()
