"""Steps for the settings and the database, which need no running server."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, run_checks
from django.core.checks.messages import ERROR, WARNING
from django.db import DatabaseError, connections, router
from django.db.migrations.executor import MigrationExecutor

from catmaid_notify.checks import TAG
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.findings import Finding, failed, ok, warning
from catmaid_notify.models import Message


def settings(_visit: Visit) -> Iterator[Finding]:
    """Run the system checks of this app, including those for ``--deploy``."""
    messages = [one for one in run_checks(tags=[TAG], include_deployment_checks=True) if not one.is_silenced()]
    for message in messages:
        yield from _said(message)
    if not any(one.level >= WARNING for one in messages):
        yield ok("manage.py check --deploy has nothing to say about them")


def _said(message: CheckMessage) -> Iterator[Finding]:
    text = f"{message.msg} ({message.id})"
    if message.level >= ERROR:
        yield failed(text, message.hint or "")
    elif message.level >= WARNING:
        yield warning(text, message.hint or "")


def database(_visit: Visit) -> Iterator[Finding]:
    """Connect to the database of the inbox."""
    connection = connections[router.db_for_write(Message)]
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield failed(
            f"The database does not answer: {' '.join(str(error).split())}", "Correct DATABASES, or start the database."
        )
    else:
        yield ok(f"{connection.display_name}")


def migrations(_visit: Visit) -> Iterator[Finding]:
    """List the migrations of this app that are not applied."""
    executor = MigrationExecutor(connections[router.db_for_write(Message)])
    wanted = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "catmaid_notify"]
    missing = [
        migration.name for migration, _ in executor.migration_plan(wanted) if migration.app_label == wanted[0][0]
    ]
    if missing:
        yield failed(f"Not applied: {', '.join(missing)}", "python manage.py migrate")
    else:
        yield ok("applied")
