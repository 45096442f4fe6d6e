"""docs/settings.md has every setting with its default."""

from __future__ import annotations

import re

from catmaid_notify.conf import PREFIX, Conf
from tests.docs import pages


def test_settings__a_row_each():
    given = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| `([^`]+)`", pages.page("settings.md"), re.MULTILINE))
    declared = {name: getattr(Conf, name) for name in vars(Conf) if name.isupper()}
    assert list(given) == list(declared)
    for name, text in given.items():
        assert eval(text, {"__builtins__": {}}) == declared[name], name
