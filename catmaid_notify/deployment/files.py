"""Templates of the configuration files, and their rendering for one site."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from django.template import Context, Engine

from catmaid_notify.deployment.site import Site

TEMPLATES: Final = Path(__file__).parent / "templates"
EXAMPLE_NAME: Final = "mysite"
"""Placeholder for the site's name in the names of files."""

FILES: Final[dict[str, tuple[str, ...]]] = {
    "nginx": ("site.conf", "upstream.conf", "channels.conf", "limits.conf", "classic.conf"),
    "supervisor": ("site.conf", "shared-socket.conf", "daphne.sh", "runworker.conf", "classic.conf"),
    "systemd": (
        "mysite.target",
        "mysite-asgi@.service",
        "mysite-wsgi.service",
        "mysite-worker.service",
        "mysite-beat.service",
    ),
    "apache": ("site.conf", "classic.conf"),
}
"""Files of each kind. The first one is enough for a site, except for systemd."""
PLACE_HOLDERS: Final = {"supervisor": "%(process_num)d", "systemd": "%i"}
"""Placeholder of a process manager for the number of a process."""


def names(kind: str, site: Site) -> list[str]:
    """Return the names of the files of one kind that a whole site needs."""
    if kind != "systemd":
        return [FILES[kind][0]]
    left_out = [] if site.celery else ["worker", "beat"]
    left_out += ["wsgi"] if site.wsgi_server == "none" else []
    return [
        own_name(name, site) for name in FILES[kind] if not any(name == f"mysite-{part}.service" for part in left_out)
    ]


def own_name(name: str, site: Site) -> str:
    """Return the name of a file with the site's name in it."""
    return name.replace(EXAMPLE_NAME, site.name)


def render(kind: str, name: str, site: Site) -> str:
    """Return the text of one file.

    Args:
        kind: key of `FILES`.
        name: name in `FILES`, or the one that `own_name` gives.
        site: values to fill in.

    Raises:
        KeyError: there is no such file.
    """
    templates = {own: template for template in FILES[kind] for own in (template, own_name(template, site))}
    instance = PLACE_HOLDERS.get(kind, "")
    values = {
        "site": site,
        "asgi_command": site.asgi_command(instance),
        "asgi_socket": site.asgi_socket(instance),
        "asgi_urls": _urls(site),
    }
    # No localisation: the site's settings may ask for thousands separators.
    context = Context(values, autoescape=False, use_l10n=False, use_tz=False)
    text = _engine().get_template(f"{kind}/{templates[name]}").render(context)
    # One empty line at most: a part that is left out leaves two.
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return "\n".join(kept) + "\n"


def _urls(site: Site) -> list[str]:
    """Return the addresses of the ASGI processes in Apache's notation."""
    if site.asgi_port:
        return [f"http://127.0.0.1:{port}" for port in site.asgi_instances]
    return [f"unix:{path}|http://asgi-{number}" for number, path in enumerate(site.asgi_sockets)]


def _engine() -> Engine:
    # A separate engine, independent of the loaders and context processors of the site.
    return Engine(dirs=[str(TEMPLATES)], autoescape=False)
