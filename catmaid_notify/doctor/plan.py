"""Order of all steps of ``notify_check``."""

from __future__ import annotations

from catmaid_notify.checks.channel_layer import layer_settings
from catmaid_notify.doctor import broker, layer, pages, public, site_settings, workers
from catmaid_notify.doctor.context import Visit
from catmaid_notify.doctor.runner import Step


def steps(visit: Visit) -> list[Step]:
    """Return the steps of a run, in order."""
    return [*_settings(), *_broker(), *_workers(visit), *(_public() if visit.address else [])]


def _settings() -> list[Step]:
    return [
        Step(name="settings", run=site_settings.settings),
        Step(name="database", run=site_settings.database),
        Step(name="migrations", run=site_settings.migrations, needs=("database",)),
    ]


def _broker() -> list[Step]:
    nodes = broker.steps()
    # With several nodes no step is required: the layer works if any one of them does.
    needs = ("broker permissions",) if any(step.name == "broker permissions" for step in nodes) else ()
    return [*nodes, Step(name="channel layer", run=layer.round_trip, needs=needs)]


def _workers(visit: Visit) -> list[Step]:
    steps = [
        Step(name="vhosts", run=workers.vhosts),
        Step(name="celery broker", run=workers.celery_broker),
        Step(name="celery worker", run=workers.worker, needs=("celery broker",)),
    ]
    return steps if visit.address else [*steps, _worker_push()]


def _worker_push(*needs: str) -> Step:
    return Step(name="worker's push", run=workers.push, needs=("migrations", "channel layer", "celery worker", *needs))


def _public() -> list[Step]:
    about_pages = [
        Step(name="inbox", run=pages.inbox, needs=("site address",)),
        Step(name="static files", run=pages.static, needs=("site address",)),
    ]
    first = Step(name="site address", run=public.address)
    if layer_settings() is None:
        return [first, *about_pages]
    return [
        first,
        Step(name="ASGI server", run=public.health, needs=("site address",)),
        Step(name="upgrade", run=public.upgrade, needs=("ASGI server",)),
        Step(name="origin", run=public.origin, needs=("upgrade",)),
        Step(name="signed-in socket", run=public.session, needs=("origin", "database")),
        Step(name="push", run=public.push, needs=("signed-in socket",)),
        _worker_push(),
        Step(name="idle socket", run=public.idle, needs=("signed-in socket",)),
        *about_pages,
    ]
