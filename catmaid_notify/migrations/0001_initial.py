"""The tables of the inbox."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TaskProgress",
            fields=[
                ("task_id", models.CharField(max_length=255, primary_key=True, serialize=False, verbose_name="task")),
                ("title", models.CharField(max_length=255, verbose_name="title")),
                ("done", models.FloatField(default=0, verbose_name="done")),
                ("total", models.FloatField(default=0, verbose_name="total")),
                ("text", models.CharField(blank=True, default="", max_length=500, verbose_name="text")),
                (
                    "started",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name="started"),
                ),
                ("updated", models.DateTimeField(default=django.utils.timezone.now, verbose_name="updated")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notify_tasks",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "running task",
                "verbose_name_plural": "running tasks",
            },
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "time",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name="time"
                    ),
                ),
                ("title", models.CharField(max_length=255, verbose_name="title")),
                ("text", models.TextField(blank=True, default="", verbose_name="text")),
                ("action", models.CharField(blank=True, default="", max_length=2000, verbose_name="action")),
                (
                    "level",
                    models.CharField(
                        choices=[
                            ("info", "Information"),
                            ("success", "Success"),
                            ("warning", "Warning"),
                            ("error", "Error"),
                        ],
                        default="info",
                        max_length=10,
                        verbose_name="level",
                    ),
                ),
                ("read", models.BooleanField(default=False, verbose_name="read")),
                ("key", models.CharField(blank=True, editable=False, max_length=255, null=True, verbose_name="key")),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notify_messages",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
                "indexes": [
                    models.Index(fields=["user", "-id"], name="catmaid_notify_inbox"),
                    models.Index(
                        condition=models.Q(("read", False)),
                        fields=["user", "-time", "-id"],
                        name="catmaid_notify_unread",
                    ),
                    models.Index(
                        condition=models.Q(("read", False)), fields=["time", "user"], name="catmaid_notify_new"
                    ),
                ],
                "constraints": [models.UniqueConstraint(fields=("user", "key"), name="catmaid_notify_key")],
            },
        ),
    ]
