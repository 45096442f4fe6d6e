"""Configuration files of a deployment, filled in for one site: nginx, supervisor, systemd, Apache."""

from __future__ import annotations
