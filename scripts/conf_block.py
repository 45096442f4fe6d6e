"""Generator of the lists of settings in settings_example.py and docs/settings.md, from catmaid_notify/conf.py.

Run it after a change of conf.py. ``--check`` only reports whether the lists are up to date.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "catmaid_notify" / "conf.py"
EXAMPLE = ROOT / "settings_example.py"
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE_MARKS = "# [settings of catmaid_notify: begin]\n", "# [settings of catmaid_notify: end]\n"
PAGE_MARKS = "<!-- settings of catmaid_notify: begin -->\n", "<!-- settings of catmaid_notify: end -->\n"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of conf.py. ``heading`` is the heading of a group, for the first setting in the group."""

    name: str
    default: str
    text: str
    heading: str

    @property
    def unit(self) -> str:
        """Unit that the name holds, or an empty string."""
        if "_PER_" in self.name:
            return ""
        return next((word for word in ("seconds", "bytes") if word.upper() in self.name.split("_")), "")


def declared(source: str) -> Iterator[Setting]:
    """Yield the settings that the source of conf.py declares."""
    lines = source.splitlines()
    (table,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Conf")
    for setting, below in zip(table.body, table.body[1:], strict=False):
        if not isinstance(setting, ast.AnnAssign) or not isinstance(setting.target, ast.Name) or not setting.value:
            continue
        name = setting.target.id
        if not (
            isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
        ):
            raise SystemExit(f"catmaid_notify/conf.py: {name} has no docstring below it")
        above = lines[setting.lineno - 2].strip()
        yield Setting(
            name=name,
            default=ast.get_source_segment(source, setting.value) or "",
            text=below.value.value.replace("``", "`"),
            heading=above.removeprefix("# ") if above.startswith("# ") else "",
        )


def example_block(source: str) -> str:
    """Return the settings as commented assignments."""
    written = []
    for setting in declared(source):
        if setting.heading:
            written += ["", f"# -- {setting.heading}"]
        prefix = f"[{setting.unit}] " if setting.unit else ""
        written += ["#", *(f"# {line.strip()}" for line in f"{prefix}{setting.text}".splitlines())]
        written += [f"# CATMAID_NOTIFY_{setting.name} = {setting.default}"]
    return "\n".join(written) + "\n#\n"


def page_block(source: str) -> str:
    """Return the settings as Markdown tables."""
    head = ["", "| setting | default | what it does |", "|---|---|---|"]
    written = [] if next(declared(source)).heading else [*head]
    for setting in declared(source):
        if setting.heading:
            written += ["", f"## {setting.heading}", *head]
        default = f"`{setting.default}`" + (f" {setting.unit}" if setting.unit else "")
        written += [f"| `CATMAID_NOTIFY_{setting.name}` | {default} | {' '.join(setting.text.split())} |"]
    return "\n".join(written) + "\n\n"


def render(text: str, marks: tuple[str, str], block: str) -> str:
    """Return a file's text with a new block between the marks."""
    before, rest = text.split(marks[0])
    _, after = rest.split(marks[1])
    return f"{before}{marks[0]}{block}{marks[1]}{after}"


def main() -> int:
    source = CONF.read_text()
    lagging = 0
    for path, marks, block in (
        (EXAMPLE, EXAMPLE_MARKS, example_block(source)),
        (PAGE, PAGE_MARKS, page_block(source)),
    ):
        old = path.read_text()
        new = render(old, marks, block)
        if old == new:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{path.relative_to(ROOT)} differs from catmaid_notify/conf.py. Run python scripts/conf_block.py")
            lagging = 1
        else:
            path.write_text(new)
    return lagging


if __name__ == "__main__":
    raise SystemExit(main())
