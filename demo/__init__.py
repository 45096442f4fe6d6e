"""A Django site around ``catmaid_notify``: image stacks that can be cropped, with the result announced by a message."""

from __future__ import annotations
