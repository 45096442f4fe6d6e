"""Tests of the package's modules, one file a module, in this process: no broker, no server, no browser."""

from __future__ import annotations
