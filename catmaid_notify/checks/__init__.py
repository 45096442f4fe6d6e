"""System checks: what ``manage.py check`` can see of a wrong set-up without any network. docs/checks.md lists them.

Each concern is one function, in the module of its subject; ``E`` is what can't work, ``W`` what works otherwise than
you may think. Those of a server that the public uses run with ``check --deploy`` only.
"""

from __future__ import annotations

from catmaid_notify.checks import channel_layer, own_settings, security, site  # noqa: F401  importing registers the checks
from catmaid_notify.checks.registration import TAG

__all__ = ["TAG"]
