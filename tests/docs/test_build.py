"""The documentation can be built, and its links lead somewhere."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs import pages
from tests.support.process import PYTHON, ROOT

PUBLIC = [name for name in pages.NAMES if name != "index.md"]


def test_build__without_a_warning(tmp_path):
    command = [PYTHON, "-m", "sphinx", "--quiet", "--fail-on-warning", "--builder", "html", "docs", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in pages.NAMES:
        html = (tmp_path / name).with_suffix(".html").read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', html)
        assert not loaded, "pages can be read offline"


@pytest.mark.parametrize("name", PUBLIC)
def test_index__names_each_page(name):
    assert f"({name})" in pages.page("index.md")
    assert f"\n{name.removesuffix('.md')}\n" in pages.page("index.md"), "in the table of contents, too"


@pytest.mark.parametrize("name", pages.NAMES)
def test_links__files_are_there(name):
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", pages.page(name)):
        path, _, anchor = target.partition("#")
        assert (pages.FOLDER / (path or name)).exists(), target
        if anchor and (not path or path.endswith(".md")):
            assert anchor in anchors(path or name), target


def anchors(name: str) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", pages.page(name), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


def test_readme__leads_to_the_docs():
    assert "(docs/index.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
