"""Last values of topics, and who is there."""

from __future__ import annotations

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catmaid_notify", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SocketServer",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("seen", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="TopicValue",
            fields=[
                ("topic", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("version", models.BigIntegerField()),
                ("event", models.CharField(max_length=100)),
                ("payload", models.TextField()),
                ("sender", models.CharField(blank=True, default="", max_length=100)),
                ("published", models.DateTimeField()),
                ("expires", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="Presence",
            fields=[
                ("id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("topic", models.CharField(blank=True, max_length=200)),
                ("user_key", models.CharField(max_length=255)),
                ("sockets", models.PositiveIntegerField()),
                (
                    "server",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="presences",
                        to="catmaid_notify.socketserver",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["topic", "user_key"], name="catmaid_notify_followers")],
            },
        ),
    ]
