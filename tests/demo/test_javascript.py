"""Runs the tests of the page's scripts, and compares what they compute with what the server does."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

from demo.tiff_export import Region
from tests.demo import kit
from tests.support.node import node
from tests.support.process import ROOT

SCRIPTS = Path(__file__).parent / "js"


def test_scripts() -> None:
    files = sorted(SCRIPTS.glob("*.test.js"))
    assert files
    done = subprocess.run([node(), "--test", *map(str, files)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


COMPARE = """
import { resultShape } from "./demo/crops/static/demo/region.js";
const { cases, shape } = JSON.parse(process.argv[1]);
console.log(JSON.stringify(cases.map(({ x, y, z, zoom }) =>
    resultShape({ x0: x[0], x1: x[1], y0: y[0], y1: y[1] }, z[0], z[1] - 1, zoom, { shape }))));
"""


def test_estimate_is_the_size_that_the_server_computes() -> None:
    chance = random.Random(1906)
    stack = kit.stack(kit.ArraySource(kit.volume()))

    def span(size: int) -> list[int]:
        first = chance.randrange(size)
        return [first, chance.randint(first + 1, size)]

    cases: list[dict[str, Any]] = [
        {"x": span(37), "y": span(23), "z": span(5), "zoom": chance.randrange(kit.ZOOM_LEVELS)} for _ in range(300)
    ]
    argument = json.dumps({"cases": cases, "shape": kit.SHAPE})
    options = ["--input-type=module", "--eval", COMPARE, argument]
    done = subprocess.run([node(), *options], capture_output=True, text=True, check=True, cwd=ROOT)
    for case, found in zip(cases, json.loads(done.stdout), strict=True):
        region = Region.checked({"stack": "s", **case}, {"s": stack}, bytes_max=10**9)
        assert tuple(reversed(found)) == region.shape, case
