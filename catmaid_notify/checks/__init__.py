"""System checks of settings and URLs, without any network. docs/checks.md lists them.

There is one function for each concern. Ids with ``E`` stand for set-ups that can't work, ids with ``W`` for those that
may work otherwise than intended. Checks about public servers run with ``check --deploy`` only.
"""

from __future__ import annotations

from catmaid_notify.checks import channel_layer, own_settings, security, site  # noqa: F401  importing registers the checks
from catmaid_notify.checks.registration import TAG

__all__ = ["TAG"]
