"""docs/channel-layer.md says what is so."""

from __future__ import annotations

import inspect
import re

import pytest
from django.core.exceptions import ImproperlyConfigured

from bench.layers.rows import ROWS
from catmaid_notify.layers import RabbitmqChannelLayer, options
from catmaid_notify.layers.options import LayerOptions
from tests.layers.kinds import DIFFERENCES
from tests.support.process import ROOT

PAGE = (ROOT / "docs/channel-layer.md").read_text(encoding="utf-8")
OPTIONS = dict(re.findall(r"^### `(\w+)`\n\nDefault: (.+)$", PAGE, re.MULTILINE))


def test_options__a_heading_each() -> None:
    read = set(re.findall(r'given\.pop\("(\w+)"', inspect.getsource(options)))
    fields = set(LayerOptions.__dataclass_fields__) - {"nodes"}
    own = set(inspect.signature(RabbitmqChannelLayer).parameters) - {"config"}
    assert set(OPTIONS) == read | fields | own
    assert set(re.findall(r"^### `(\w+)`", PAGE, re.MULTILINE)) == set(OPTIONS), "each has its default"


@pytest.mark.parametrize("name", sorted(set(LayerOptions.__dataclass_fields__) - {"nodes"}))
def test_options__defaults(name: str) -> None:
    default = LayerOptions.__dataclass_fields__[name].default
    assert OPTIONS[name] == "`" + repr(default).replace("'", '"') + "`"


def test_host__default() -> None:
    assert OPTIONS["host"] == f'`"{options.DEFAULT_HOST}"`'


def test_options__others_are_refused() -> None:
    with pytest.raises(ImproperlyConfigured):
        LayerOptions.from_config({"prefix": "asgi"})


def test_differences__all_of_them() -> None:
    rows = re.findall(r"^\| `(?:InMemoryChannelLayer|channels_redis)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(DIFFERENCES.values())


def test_measurements__all_rows_of_the_bench() -> None:
    assert re.findall(r"^\| \*\*(.+?)\*\* \|", PAGE, re.MULTILINE) == [row.title for row in ROWS.values()]


def test_links__lead_somewhere() -> None:
    for page in ("channel-layer.md", "index.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?://)([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            assert (ROOT / "docs" / (path or page)).is_file(), target
            if anchor:
                heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
                assert anchor in [re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads]
