"""Source code as text, for tests that inspect it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType


def source_of(package: ModuleType) -> str:
    """Return the source of all modules of a package."""
    (folder,) = package.__path__
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.py")))
