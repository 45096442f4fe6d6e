"""Detection of kinds that can't be measured on this machine."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.kinds import KINDS
from tests.support import rabbitmq
from tests.support.environment import PROGRAMS
from tests.support.ports import listens

NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@cache
def reason(name: str) -> str:
    """Return the reason why a kind can't be measured here; an empty string if it can."""
    kind = KINDS.get(name)
    if kind is None:
        return ""
    if not kind.python.exists():
        return f"{kind.python} is missing; `make bench` makes that environment"
    if kind.server == "nginx":
        found = NCHAN.exists() and PROGRAMS.get("nginx")
        return "" if found else "Debian's libnginx-mod-nchan is missing"
    if kind.application == "eventstream" and not find_spec("django_eventstream"):
        return "django-eventstream is missing"
    if kind.needs == "rabbitmq":
        return rabbitmq.missing()
    return "no Redis on 127.0.0.1:6379" if kind.needs == "redis" and not listens(6379) else ""
