"""Publishes into a topic when instances of a model are saved or deleted; to be called in a ``topics.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.signals import post_delete, post_save

from catmaid_notify.topics.publishing import publish


def publish_changes(
    model: type[models.Model], *, topic: str | Callable[[Any], str | None], fields: Sequence[str]
) -> None:
    """Publish the events ``saved`` and ``deleted`` of this model's instances, after commit.

    The payload has the primary key as ``id``, and the named fields (foreign keys by their ids). What sends no signals
    (``update()``, ``bulk_create()``) isn't seen, and fixtures that are loaded are left out. May be called again for
    another topic or other fields.

    Args:
        model: The model.
        topic: The topic's name, or what returns it for an instance; ``None`` publishes nothing.
        fields: Names of the fields that are sent. Nothing else is: followers may see less than the row holds.

    Raises:
        ImproperlyConfigured: the model has no such field.
    """
    unknown = set(fields) - {field.name for field in model._meta.concrete_fields}
    if unknown:
        raise ImproperlyConfigured(f"{model._meta.label} has no field {', '.join(sorted(unknown))}.")
    names = [model._meta.get_field(name).attname for name in fields]  # type: ignore[union-attr]
    publish_instance = partial(_publish_instance, topic, dict(zip(fields, names, strict=True)))

    def saved(instance: Any, *, raw: bool, **_others: Any) -> None:
        if not raw:
            publish_instance("saved", instance)

    def deleted(instance: Any, **_others: Any) -> None:
        publish_instance("deleted", instance)

    # Several topics may get the rows of a model, and whoever says the same twice has them published once.
    uid = ("catmaid_notify.changes", model._meta.label, topic, frozenset(fields))
    for signal, receiver in ((post_save, saved), (post_delete, deleted)):
        signal.connect(receiver, sender=model, weak=False, dispatch_uid=uid)


def _publish_instance(
    topic: str | Callable[[Any], str | None], fields: dict[str, str], event: str, instance: Any
) -> None:
    name = topic(instance) if callable(topic) else topic
    if name is not None:
        values = {field: getattr(instance, attribute) for field, attribute in fields.items()}
        publish(name, event, {"id": instance.pk, **values})
