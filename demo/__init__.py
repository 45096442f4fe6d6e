"""Demo site for ``catmaid_notify``: users crop image stacks, and a message announces each finished file."""

from __future__ import annotations
