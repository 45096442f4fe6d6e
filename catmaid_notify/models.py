"""The inbox: messages, and the progress of the tasks that will end in one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _

from catmaid_notify import protocol
from catmaid_notify.conf import conf
from catmaid_notify.content import ACTION_LENGTH_MAX, KEY_LENGTH_MAX, Level
from catmaid_notify.protocol import EVENT_LENGTH_MAX, SENDER_LENGTH_MAX, TOPIC_LENGTH_MAX
from catmaid_notify.utils import sql_cache


def iso(time: Any) -> str:
    """Return an aware datetime as ISO 8601 in UTC with microseconds, which sorts as text."""
    return str(time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"))


class MessageQuerySet(models.QuerySet["Message"]):
    """Filters of the inbox."""

    def for_user(self, pk: Any) -> MessageQuerySet:
        """Messages of the user with primary key ``pk``."""
        return self.filter(user_id=pk)

    def unread(self) -> MessageQuerySet:
        """Messages not read yet."""
        return self.filter(read=False)

    def newest_first(self) -> MessageQuerySet:
        """By time, the newest first; messages of the same instant by their ids."""
        return self.order_by("-time", "-id")

    def created_within(self, seconds: float) -> MessageQuerySet:
        """Messages created in the last ``seconds`` by the clock of the database, the only one that all agree on."""
        return self.filter(time__gt=Now() - timedelta(seconds=seconds))

    def mark_read(self, ids: Iterable[int] | None = None) -> list[int]:
        """Mark these messages (``None``: all of the set) as read and return the ids that were unread."""
        unread = self.unread() if ids is None else self.unread().filter(pk__in=list(ids))
        found = list(unread.values_list("pk", flat=True))
        if found:
            self.model.objects.using(self.db).filter(pk__in=found).update(read=True)
        return found


class Message(models.Model):
    """One message in one user's inbox. Its content never changes; only ``read`` does."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="notify_messages",
        db_index=False,  # the indexes below all start with it
        verbose_name=_("user"),
    )
    time = models.DateTimeField(_("time"), db_default=Now(), editable=False)
    title = models.CharField(_("title"), max_length=255)
    text = models.TextField(_("text"), blank=True, default="")
    action = models.CharField(_("action"), max_length=ACTION_LENGTH_MAX, blank=True, default="")
    level = models.CharField(_("level"), max_length=10, choices=Level.choices, default=Level.INFO)
    read = models.BooleanField(_("read"), default=False)
    key = models.CharField(_("key"), max_length=KEY_LENGTH_MAX, null=True, blank=True, editable=False)  # noqa: DJ001
    """A user gets at most one message with the same key; ``None``: no such limit (so NULL, not '')."""

    objects = MessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = (
            models.Index(fields=["user", "-id"], name="catmaid_notify_inbox"),
            models.Index(fields=["user", "-time", "-id"], condition=models.Q(read=False), name="catmaid_notify_unread"),
            models.Index(fields=["time", "user"], condition=models.Q(read=False), name="catmaid_notify_new"),
        )
        constraints = (models.UniqueConstraint(fields=["user", "key"], name="catmaid_notify_key"),)

    def __str__(self) -> str:
        return self.title

    def __repr__(self) -> str:
        """Name the row, and nothing of what users are told: representations end in logs."""
        return f"<Message: {self.pk}>"

    def _do_insert(self, manager: Any, using: Any, fields: Any, returning_fields: Any, raw: Any) -> Any:
        rows = None if raw else sql_cache.insert(self, using, fields, returning_fields)
        return super()._do_insert(manager, using, fields, returning_fields, raw) if rows is None else rows  # type: ignore[misc]

    def as_dict(self) -> dict[str, Any]:
        """Return the message as clients get it."""
        return {
            "id": self.pk,
            "time": iso(self.time),
            "title": self.title,
            "text": self.text,
            "action": self.action,
            "level": str(self.level),
            "read": self.read,
        }

    def as_layer_message(self) -> protocol.LayerMessage:
        """Return what carries this message through the layer, for both dialects."""
        # CATMAID's client puts the title into a toast as HTML, so plain sockets get it escaped.
        plain = {"message_id": self.pk, "message_title": escape(self.title)}
        full = {"message_id": self.pk, "message_title": self.title, "message": self.as_dict()}
        return {
            "type": protocol.LAYER_TYPE,
            "id": self.pk,
            "data": protocol.frame(protocol.Event.NEW_MESSAGE, plain),
            "v1": protocol.frame(protocol.Event.NEW_MESSAGE, full, id=self.pk),
        }


def progress_since() -> datetime:
    """Return since when a running task must have said something; one that didn't has died."""
    return timezone.now() - timedelta(seconds=conf.PROGRESS_KEEP_SECONDS)


class TaskProgressQuerySet(models.QuerySet["TaskProgress"]):
    """Filters of the running tasks."""

    def shown_to(self, pk: Any, since: Any = None) -> TaskProgressQuerySet:
        """Tasks of the user with primary key ``pk`` that said something lately, the oldest first."""
        return self.filter(user_id=pk, updated__gt=since or progress_since()).order_by("started", "task_id")


class TaskProgress(models.Model):
    """How far a running task is; the row goes when the task ends. Kept for pages that load later."""

    class State(models.TextChoices):
        """Where a task is; only running ones have a row."""

        RUNNING = "running", _("Running")
        SUCCESS = "success", _("Finished")
        FAILURE = "failure", _("Failed")

    task_id = models.CharField(_("task"), max_length=255, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notify_tasks", verbose_name=_("user")
    )
    title = models.CharField(_("title"), max_length=255)
    done = models.FloatField(_("done"), default=0)
    total = models.FloatField(_("total"), default=0)
    text = models.CharField(_("text"), max_length=500, blank=True, default="")
    started = models.DateTimeField(_("started"), default=timezone.now, editable=False)
    updated = models.DateTimeField(_("updated"), default=timezone.now)

    is_locked = False
    """Whether the transaction of who made this state holds the row; nothing that is stored."""

    objects = TaskProgressQuerySet.as_manager()

    class Meta:
        verbose_name = _("running task")
        verbose_name_plural = _("running tasks")

    def __str__(self) -> str:
        return f"{self.title}: {self.done:g} of {self.total:g}"

    def __repr__(self) -> str:
        """As that of `Message`."""
        return f"<TaskProgress: {self.pk}>"

    def as_dict(self, state: str = State.RUNNING) -> dict[str, Any]:
        """Return the task as clients get it."""
        return {
            "id": self.task_id,
            "title": self.title,
            "state": str(state),
            "done": _number(self.done),
            "total": _number(self.total),
            "text": self.text,
            "updated": iso(self.updated),
        }


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


class TopicValue(models.Model):
    """What was last published into a topic that keeps it. Written by `catmaid_notify.topics.last_values` only."""

    topic = models.CharField(max_length=TOPIC_LENGTH_MAX, primary_key=True)
    version = models.BigIntegerField()
    event = models.CharField(max_length=EVENT_LENGTH_MAX)
    payload = models.TextField()
    """As JSON."""
    sender = models.CharField(max_length=SENDER_LENGTH_MAX, blank=True, default="")
    published = models.DateTimeField()
    expires = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.topic}: {self.event}"


class SocketServer(models.Model):
    """A process that holds sockets; it touches its row every few seconds."""

    id = models.CharField(max_length=32, primary_key=True)
    seen = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return self.id


class PresenceQuerySet(models.QuerySet["Presence"]):
    """Filters of who is there."""

    def live(self) -> PresenceQuerySet:
        """Rows of processes that live, by the clock of the database."""
        limit = timedelta(seconds=3 * conf.PRESENCE_SECONDS)
        return self.filter(server__seen__gt=Now() - limit)

    def of_user(self, key: str) -> PresenceQuerySet:
        """Where a user has pages open."""
        return self.filter(topic="", user_key=key)


class Presence(models.Model):
    """A user's sockets in one process, in all or (with a topic) those that follow it."""

    id = models.CharField(max_length=32, primary_key=True)
    server = models.ForeignKey(SocketServer, on_delete=models.CASCADE, related_name="presences")
    topic = models.CharField(max_length=TOPIC_LENGTH_MAX, blank=True)
    user_key = models.CharField(max_length=255)
    sockets = models.PositiveIntegerField()

    objects = PresenceQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["topic", "user_key"], name="catmaid_notify_followers"),)

    def __str__(self) -> str:
        return f"{self.user_key} {self.topic}"
