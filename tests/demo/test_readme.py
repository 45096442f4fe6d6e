"""demo/README.md says what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import zarr

from demo.volumes import load_stacks
from tests.support.process import ROOT

README = (ROOT / "demo/README.md").read_text(encoding="utf-8")


def test_variables__all_and_no_others() -> None:
    code = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "demo/settings.py", ROOT / "demo/environment.py")
    )
    read = set(re.findall(r'(?:environ\.get\(|environ\[|number\()"([A-Z_]+)"', code))
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    assert listed == read


def test_variables__defaults_of_the_numbers() -> None:
    code = (ROOT / "demo/settings.py").read_text(encoding="utf-8")
    numbers = re.findall(r'environment\.number\("([A-Z_]+)", ([0-9*\s]+)', code)
    assert len(numbers) >= 6
    for name, expression in numbers:
        value = eval(expression)  # digits, spaces and asterisks only, by the pattern above
        assert f"| `{name}` | {value} |" in README


def test_stacks__the_example_is_valid(tmp_path: Path) -> None:
    example = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert example
    (tmp_path / "stacks.json").write_text(example[1])
    (tmp_path / "brain/tiles").mkdir(parents=True)
    for zoom, level in enumerate(json.loads(example[1])["stacks"][1]["source"]["levels"]):
        shape = (4, 64 >> zoom, 64 >> zoom)
        zarr.create_array(str(tmp_path / "cord.zarr" / level), shape=shape, chunks=shape, dtype="uint16")
    assert list(load_stacks(tmp_path / "stacks.json")) == ["brain", "cord"]


def test_commands__all_and_no_others() -> None:
    there = {path.stem for path in (ROOT / "demo/crops/management/commands").glob("demo*.py")}
    listed = set(re.findall(r"^\| `(demo\w*)` \|", README, re.MULTILINE))
    assert listed == there
