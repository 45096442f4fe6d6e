"""Models: messages of the inbox, progress of running tasks, last values of topics, presence."""

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
    """Format an aware datetime as ISO 8601 in UTC with microseconds; such strings sort by time."""
    return str(time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"))


class MessageQuerySet(models.QuerySet["Message"]):
    """Filters of the inbox."""

    def for_user(self, pk: Any) -> MessageQuerySet:
        """Select the messages of the user with primary key ``pk``."""
        return self.filter(user_id=pk)

    def unread(self) -> MessageQuerySet:
        """Select the unread messages."""
        return self.filter(read=False)

    def newest_first(self) -> MessageQuerySet:
        """Order by time, newest first; messages of the same instant by id, highest first."""
        return self.order_by("-time", "-id")

    def created_within(self, seconds: float) -> MessageQuerySet:
        """Select the messages of the last ``seconds``, by the database's clock: the clocks of hosts differ."""
        return self.filter(time__gt=Now() - timedelta(seconds=seconds))

    def mark_read(self, ids: Iterable[int] | None = None) -> list[int]:
        """Mark the messages with these ids (``None``: all of the queryset) as read; return the ids that were unread."""
        unread = self.unread() if ids is None else self.unread().filter(pk__in=list(ids))
        found = list(unread.values_list("pk", flat=True))
        if found:
            self.model.objects.using(self.db).filter(pk__in=found).update(read=True)
        return found


class Message(models.Model):
    """A message in one user's inbox. Only ``read`` ever changes."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="notify_messages",
        db_index=False,  # two of the indexes below start with it
        verbose_name=_("user"),
    )
    time = models.DateTimeField(_("time"), db_default=Now(), editable=False)
    title = models.CharField(_("title"), max_length=255)
    text = models.TextField(_("text"), blank=True, default="")
    action = models.CharField(_("action"), max_length=ACTION_LENGTH_MAX, blank=True, default="")
    level = models.CharField(_("level"), max_length=10, choices=Level.choices, default=Level.INFO)
    read = models.BooleanField(_("read"), default=False)
    key = models.CharField(_("key"), max_length=KEY_LENGTH_MAX, null=True, blank=True, editable=False)  # noqa: DJ001
    """A user gets at most one message with the same key. NULL, not '', means no such limit: NULLs are not unique."""

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
        """Show the primary key only: representations end up in logs, and the content is private."""
        return f"<Message: {self.pk}>"

    def _do_insert(self, manager: Any, using: Any, fields: Any, returning_fields: Any, raw: Any) -> Any:
        # Django's own hook of save(): compiling the INSERT anew costs more than the database takes to execute it.
        rows = None if raw else sql_cache.insert(self, using, fields, returning_fields)
        return super()._do_insert(manager, using, fields, returning_fields, raw) if rows is None else rows  # type: ignore[misc]

    def as_dict(self) -> dict[str, Any]:
        """Return the message as JSON for clients."""
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
        """Return the layer message that pushes this message, with a frame for each dialect."""
        # CATMAID's client inserts the title of a toast as HTML, so the plain frame has it escaped.
        plain = {"message_id": self.pk, "message_title": escape(self.title)}
        full = {"message_id": self.pk, "message_title": self.title, "message": self.as_dict()}
        return {
            "type": protocol.LAYER_TYPE,
            "id": self.pk,
            "data": protocol.frame(protocol.Event.NEW_MESSAGE, plain),
            "v1": protocol.frame(protocol.Event.NEW_MESSAGE, full, id=self.pk),
        }


def progress_since() -> datetime:
    """Return the time of the oldest update that counts; a task without a later one is taken for dead."""
    return timezone.now() - timedelta(seconds=conf.PROGRESS_KEEP_SECONDS)


class TaskProgressQuerySet(models.QuerySet["TaskProgress"]):
    """Filters of the running tasks."""

    def shown_to(self, pk: Any, since: Any = None) -> TaskProgressQuerySet:
        """Select a user's tasks with an update after ``since`` (`None`: `progress_since`), oldest first."""
        return self.filter(user_id=pk, updated__gt=since or progress_since()).order_by("started", "task_id")


class TaskProgress(models.Model):
    """Progress of a running task, for pages that load later. The row is deleted when the task ends."""

    class State(models.TextChoices):
        """State of a task. Only running tasks have a row; the others are sent to pages only."""

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
    """True if the transaction that made this state still holds the row's lock. Not a column."""

    objects = TaskProgressQuerySet.as_manager()

    class Meta:
        verbose_name = _("running task")
        verbose_name_plural = _("running tasks")

    def __str__(self) -> str:
        return f"{self.title}: {self.done:g} of {self.total:g}"

    def __repr__(self) -> str:
        """Show the primary key only, as `Message` does."""
        return f"<TaskProgress: {self.pk}>"

    def as_dict(self, state: str = State.RUNNING) -> dict[str, Any]:
        """Return the task as JSON for clients."""
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
    """Last value of a topic that keeps it. Only `catmaid_notify.topics.last_values` writes it."""

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
    """An ASGI process with sockets. It updates ``seen`` every ``CATMAID_NOTIFY_PRESENCE_SECONDS``."""

    id = models.CharField(max_length=32, primary_key=True)
    seen = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return self.id


class PresenceQuerySet(models.QuerySet["Presence"]):
    """Filters of presence rows."""

    def live(self) -> PresenceQuerySet:
        """Select the rows of living processes, by the database's clock."""
        limit = timedelta(seconds=3 * conf.PRESENCE_SECONDS)
        return self.filter(server__seen__gt=Now() - limit)

    def of_user(self, key: str) -> PresenceQuerySet:
        """Select the rows of a user in all processes, topics left out."""
        return self.filter(topic="", user_key=key)


class Presence(models.Model):
    """Number of a user's sockets in one process: all of them, or (with a topic) those that follow the topic."""

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
