"""Write the app's own settings, as catmaid_notify/conf.py declares them, into settings_example.py.

Run it after a change of conf.py; ``--check`` only says whether it has to be run.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "catmaid_notify" / "conf.py"
EXAMPLE = ROOT / "settings_example.py"
FIRST, LAST = "# [settings of catmaid_notify: begin]\n", "# [settings of catmaid_notify: end]\n"


def unit(name: str) -> str:
    """Return the unit that the name of a setting holds, or an empty string."""
    if "_PER_" in name:
        return ""
    return next((word for word in ("seconds", "bytes") if word.upper() in name.split("_")), "")


def block(source: str) -> str:
    """Return the settings that the source of conf.py declares as commented assignments."""
    lines = source.splitlines()
    (table,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Conf")
    written = []
    for setting, below in zip(table.body, table.body[1:], strict=False):
        if not isinstance(setting, ast.AnnAssign) or not isinstance(setting.target, ast.Name) or not setting.value:
            continue
        name = setting.target.id
        if not (
            isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
        ):
            raise SystemExit(f"catmaid_notify/conf.py: {name} has no docstring below it")
        heading = lines[setting.lineno - 2].strip()
        if heading.startswith("# "):
            written += ["", f"# -- {heading.removeprefix('# ')}"]
        prefix = f"[{unit(name)}] " if unit(name) else ""
        text = f"{prefix}{below.value.value}".replace("``", "`")
        written += ["#", *(f"# {line.strip()}" for line in text.splitlines())]
        written += [f"# CATMAID_NOTIFY_{name} = {ast.get_source_segment(source, setting.value)}"]
    return "\n".join(written) + "\n"


def render(example: str, conf: str) -> str:
    """Return settings_example.py with its block as conf.py has it."""
    before, rest = example.split(FIRST)
    _, after = rest.split(LAST)
    return f"{before}{FIRST}{block(conf)}#\n{LAST}{after}"


def main() -> int:
    old = EXAMPLE.read_text()
    new = render(old, CONF.read_text())
    if old == new:
        return 0
    if "--check" in sys.argv[1:]:
        print("settings_example.py lags behind catmaid_notify/conf.py: run python scripts/conf_block.py")
        return 1
    EXAMPLE.write_text(new)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
