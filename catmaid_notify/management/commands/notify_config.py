"""``manage.py notify_config nginx|supervisor|systemd|apache``: configuration files, filled in for this site."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catmaid_notify.deployment.detect import detected
from catmaid_notify.deployment.files import FILES, names, own_name, render
from catmaid_notify.deployment.site import AsgiServer, InvalidValue, Site, WsgiServer

CHOICES = {"asgi_server": get_args(AsgiServer), "wsgi_server": get_args(WsgiServer)}
HELP = {
    "name": "name of programs, units, sockets and logs",
    "hosts": "names under which browsers reach the site, the main one first, separated by commas",
    "prefix": "path of a site in a sub-directory, /sub",
    "listen": "port, or address:port, of the proxy (80, or 443 with a certificate)",
    "certificate": "file with the TLS certificate",
    "certificate_key": "file with the certificate's key",
    "balancer": "address or network of a machine in front of the proxy that ends TLS",
    "directory": "folder of the project, from which its modules are imported",
    "python": "Python of the site's virtual environment",
    "settings_module": "settings module",
    "static_url": "path of the static files",
    "static_root": "folder of the static files",
    "asgi": "ASGI application, module:name",
    "asgi_server": "program that holds the sockets",
    "asgi_processes": "number of ASGI processes",
    "asgi_port": "first TCP port of the ASGI processes on 127.0.0.1; 0: unix sockets",
    "wsgi": "WSGI application, module:name",
    "wsgi_server": "program that serves the pages; none: the ASGI server does",
    "wsgi_processes": "number of WSGI processes",
    "celery": "module of the Celery application; empty: none",
    "celery_processes": "number of tasks that run at a time",
    "task_seconds": "seconds that the longest task takes",
    "user": "account of the processes",
    "run": "folder of the unix sockets",
    "logs": "folder of the logs (supervisor)",
    "state": "folder for what must survive a restart",
}
OPTIONS = {"settings_module": "settings"}
"""Options whose name differs from the field of `Site`, because Django has an option --settings."""


class Command(BaseCommand):
    """Command that prints the files, or writes them into a folder."""

    help = (
        "Print the configuration files for nginx, supervisor, systemd or Apache, filled in for this site. By default "
        "these are all files that a whole site needs. Values without an option are taken from the settings."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add one option for each field of `Site`."""
        parser.formatter_class = argparse.HelpFormatter
        parser.add_argument("kind", choices=list(FILES))
        parser.add_argument("file", nargs="*", help="names of files, see --list")
        parser.add_argument("--list", action="store_true", help="print the names of all files, and exit")
        parser.add_argument("--output", type=Path, metavar="FOLDER", help="write the files into this folder")
        types = {field.name: field.type for field in fields(Site)}
        for name, text in HELP.items():
            kind = int if types[OPTIONS.get(name, name)] == "int" else str
            metavar = None if name in CHOICES else name.rpartition("_")[2].upper()
            parser.add_argument(
                f"--{name.replace('_', '-')}", help=text, type=kind, choices=CHOICES.get(name), metavar=metavar
            )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the files, write them, or list their names."""
        kind = options["kind"]
        site = _site(options)
        wanted = [own_name(name, site) for name in FILES[kind]] if options["list"] else options["file"]
        wanted = wanted or names(kind, site)
        if options["list"]:
            self.stdout.write("\n".join(wanted))
            return
        texts = {name: _text(kind, name, site) for name in wanted}
        if options["output"]:
            self._write(options["output"], texts)
        else:
            self._print(texts)

    def _print(self, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            if len(texts) > 1:
                self.stdout.write(f"# ---- {name}")
            self.stdout.write(text)

    def _write(self, folder: Path, texts: dict[str, str]) -> None:
        for name, text in texts.items():
            path = folder / name
            try:
                path.write_text(text, encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{path} can't be written: {error.strerror}.") from error
            self.stdout.write(f"wrote {path}")


def _site(options: dict[str, Any]) -> Site:
    given = {OPTIONS.get(name, name): options[name] for name in HELP if options[name] is not None}
    if "hosts" in given:
        given["hosts"] = tuple(given["hosts"].split(","))
    values = detected()
    if "name" in given:
        values |= {"run": f"/run/{given['name']}", "state": f"/var/lib/{given['name']}"}
    try:
        return Site(**(values | given))
    except InvalidValue as error:
        raise CommandError(str(error)) from error


def _text(kind: str, name: str, site: Site) -> str:
    try:
        return render(kind, name, site)
    except KeyError:
        there = ", ".join(own_name(known, site) for known in FILES[kind])
        raise CommandError(f"There is no file {name!r} for {kind}; there are: {there}.") from None
