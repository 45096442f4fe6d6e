"""``manage.py demo_stacks``: faults of one's own stacks, before users find them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from demo.crops import stacks
from tests.demo import kit
from tests.demo.test_config import TILES, ZARR


@pytest.fixture
def description(crops_app: Path, settings: Any) -> Path:
    """Two stacks that are as they should be."""
    kit.write_tiles(crops_app / "tiles", kit.volume(), layout=4)
    kit.write_zarr(crops_app / "v.zarr", kit.volume("uint16"))
    file = crops_app / "stacks.json"
    file.write_text(json.dumps({"stacks": [TILES, ZARR]}))
    settings.DEMO_STACKS = file
    stacks._load.cache_clear()
    return file


def check(out: io.StringIO) -> None:
    call_command("demo_stacks", stdout=out, no_color=True)


def test_demo_stacks__all_well(description: Path) -> None:
    out = io.StringIO()
    check(out)
    assert out.getvalue().splitlines() == [
        "tiled: Some tissue, 37 × 23 × 5 pixels, uint8, 3 zoom levels",
        "zarred: Some tissue, 37 × 23 × 5 pixels, uint16, 3 zoom levels",
    ]


def test_demo_stacks__missing_corner(description: Path) -> None:
    (description.parent / "tiles/4/1/1_1.png").unlink()
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"^1 faults were found\.$"):
        check(out)
    assert "The image tile at z=4, row=1, column=1, zoom level 1 is missing." in out.getvalue()


def test_demo_stacks__wrong_description(description: Path) -> None:
    description.write_text("{}")
    stacks._load.cache_clear()
    with pytest.raises(CommandError, match='expected an object with a list "stacks"'):
        check(io.StringIO())
