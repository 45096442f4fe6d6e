"""Publishing of saved and deleted model instances into topics, by Django's signals."""

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
    """Publish each saved or deleted instance of a model into a topic, as the event ``saved`` or ``deleted``.

    Call it in a ``topics.py``, once for each topic that is to get the rows. Events are sent after commit and at most
    once, as by `publish`. The payload has the primary key as ``id``, and the named fields. ``update()``,
    ``bulk_create()`` and other calls without signals publish nothing, nor do fixtures.

    Args:
        model: The model whose instances are published.
        topic: Name of the topic, or a callable that returns the name for an instance; ``None`` publishes nothing.
        fields: Names of the fields to send; foreign keys are sent as ids. Other fields are never sent.

    Raises:
        ImproperlyConfigured: the model has no such field.
    """
    unknown = set(fields) - {field.name for field in model._meta.concrete_fields}
    if unknown:
        raise ImproperlyConfigured(
            f"{model._meta.label} has no field {', '.join(sorted(unknown))}; name columns of the model in fields."
        )
    names = [model._meta.get_field(name).attname for name in fields]  # type: ignore[union-attr]
    publish_instance = partial(_publish_instance, topic, dict(zip(fields, names, strict=True)))

    def saved(instance: Any, *, raw: bool, **_others: Any) -> None:
        if not raw:
            publish_instance("saved", instance)

    def deleted(instance: Any, **_others: Any) -> None:
        publish_instance("deleted", instance)

    # Distinct topics or fields connect several receivers; the same call twice connects one.
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
